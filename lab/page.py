"""The page of a lab: table, hypotheses, curves of the loss, and the worst queries with their clips."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.plan import ZERO_SHOT, Measured
from lab.results import Results
from preview.show.animation import encode_webp
from storage.shards.read import iter_shard
from transforms.stores.read import read_clip

WORST = 6  # queries shown per test
FPS = 8.0
WIDTH, HEIGHT = 520, 160  # of a chart, pixels
SHOWN_TESTS = ("content", "motion", "order")


@dataclass(frozen=True)
class Miss:
    """One query that a model answered wrong."""

    caption: str
    rank: float
    right: str  # data URI of the right clip
    answer: str  # and of the best other clip


@dataclass(frozen=True)
class Curve:
    """The loss of one pretraining."""

    arm: str
    points: str  # of an SVG polyline
    last: float


def write_page(path: Path, results: Results) -> None:
    """Write one self-contained page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lab", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    arm = _fullest_arm(results)
    page = environment.get_template("lab.html.j2").render(
        results=results,
        curves=_curves(results),
        arm=arm,
        worst=[(test, _misses(results, arm, test)) for test in SHOWN_TESTS],
        width=WIDTH,
        height=HEIGHT,
    )
    path.write_text(page, encoding="utf-8")


def _fullest_arm(results: Results) -> str:
    """The arm whose mistakes are shown: `negatives`, or the last that there is."""
    arms = results.config.arms
    if "negatives" in arms:
        return "negatives"
    return arms[-1]


def _misses(results: Results, arm: str, test: str) -> list[Miss]:
    """The worst queries of the first seed, zero-shot, by the dual encoder."""
    asked = results.queries(Measured(results.config.seeds[0], arm, ZERO_SHOT), test)
    order = sorted(range(len(asked["dual"])), key=lambda i: (-asked["dual"][i], i))[:WORST]
    wrong = [i for i in order if asked["dual"][i] > 1]
    wanted = {asked[name][i] for i in wrong for name in ("clip", "other")}
    clips = _clips(results.plan.folder / "data" / test, wanted)
    return [
        Miss(asked["caption"][i], asked["dual"][i], clips[asked["clip"][i]], clips[asked["other"][i]])
        for i in wrong
    ]


def _clips(shards: Path, keys: Iterable[str]) -> dict[str, str]:
    """Read clips by their keys -> data URIs."""
    wanted, found = set(keys), dict[str, str]()
    for shard in sorted(shards.glob("*.tar")):
        for sample in iter_shard(str(shard)):
            if sample.key in wanted:
                data = encode_webp(read_clip(sample.members, sample.meta()), fps=FPS)
                found[sample.key] = f"data:image/webp;base64,{base64.b64encode(data).decode()}"
    return found


def _curves(results: Results) -> list[Curve]:
    """The loss of each arm's pretraining over its steps, for the first seed."""
    series = {arm: _losses(results, arm) for arm in results.config.arms}
    series = {arm: losses for arm, losses in series.items() if losses}
    top = max((loss for losses in series.values() for _, loss in losses), default=1.0)
    last = max((step for losses in series.values() for step, _ in losses), default=1)
    curves = []
    for arm, losses in series.items():
        points = " ".join(
            f"{WIDTH * step / last:.1f},{HEIGHT * (1 - loss / top):.1f}" for step, loss in losses
        )
        curves.append(Curve(arm, points, losses[-1][1]))
    return curves


def _losses(results: Results, arm: str) -> list[tuple[int, float]]:
    run = results.plan.folder / "runs" / f"seed{results.config.seeds[0]}" / arm / "pretrain"
    file = run / "metrics.jsonl"
    if not file.exists():
        return []
    rows: Sequence[dict[str, Any]] = [json.loads(line) for line in file.read_text().splitlines()]
    return [(row["step"], row["loss"]) for row in rows if row.get("loss") is not None]
