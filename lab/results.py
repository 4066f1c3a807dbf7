"""The results: one table, paired differences, the fate of each hypothesis, and the JSON behind them."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lab.arms import ALL_ARMS
from lab.config import LabConfig
from lab.hypotheses import HYPOTHESES, Hypothesis, Term, verdict
from lab.origin import origin
from lab.plan import TESTS, ZERO_SHOT, Measured, Plan
from lab.queries import GROUPED, group_of, hits, kind_of
from lab.statistics import Interval, bootstrap

HEADS = {"dual": "dual encoder", "fine": "re-ranked"}
CHANCE = {"motion": 100 / 8, "order": 100 / 2}  # percent; of content and still it depends on the corpus


class Results:
    """The answers to all queries of a lab."""

    def __init__(self, config: LabConfig, plan: Plan) -> None:
        self.config, self.plan = config, plan
        self._read: dict[Measured, dict[str, Any]] = {}

    def write(self, folder: Path) -> Path:
        """Write lab.json, zero_shot.json and table.md. Returns table.md."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "lab.json").write_text(json.dumps(self.to_dict(), indent=1) + "\n")
        (folder / "zero_shot.json").write_text(json.dumps(self.zero_shot(), indent=1) + "\n")
        table = folder / "table.md"
        table.write_text(
            "\n".join((self.table(), self.differences(), self.hypotheses())) + "\n", encoding="utf-8"
        )
        return table

    def hits(self, seed: int, arm: str, stage: str, test: str, head: str) -> np.ndarray:
        """Return 1.0 or 0.0 for each query of a test, [Q]."""
        return hits(self.queries(Measured(seed, arm, stage), test)[head])

    def queries(self, what: Measured, test: str) -> dict[str, Any]:
        """Return what `lab.queries` wrote for one checkpoint and test."""
        if what not in self._read:
            self._read[what] = json.loads((self.plan.folder / what.file).read_text())
        return dict(self._read[what][test])

    def groups(self, test: str) -> np.ndarray:
        """Return the group of each query: queries over one picture belong together."""
        clips = self.queries(self.plan.measured()[0], test)["clip"]
        if test not in GROUPED:
            return np.arange(len(clips))
        return np.array([group_of(clip) for clip in clips])

    @cached_property
    def heads(self) -> list[str]:
        """The rankings that every checkpoint has."""
        found = self.queries(self.plan.measured()[0], TESTS[0])
        return [head for head in HEADS if head in found]

    def cell(self, arm: str, stage: str, test: str, head: str) -> tuple[float, float]:
        """Return percent of queries answered right: the mean over seeds, and the deviation over seeds."""
        of_seeds = [100 * self.hits(seed, arm, stage, test, head).mean() for seed in self.config.seeds]
        spread = 0.0
        if len(of_seeds) > 1:
            spread = float(np.std(of_seeds, ddof=1))
        return float(np.mean(of_seeds)), spread

    def shown(self, arm: str, stage: str, test: str, head: str) -> str:
        """Return `cell` as text: the mean, and with several seeds the deviation."""
        mean, spread = self.cell(arm, stage, test, head)
        if len(self.config.seeds) == 1:
            return f"{mean:.1f}"
        return f"{mean:.1f} ± {spread:.1f}"

    def zero_shot(self) -> dict[str, Any]:
        """Return percent right by the dual encoder before tuning: each test and kind of motion, by arm."""
        return {
            "about": origin(),
            "seeds": list(self.config.seeds),
            "percent_right_zero_shot_dual": {arm: self._zero_shot_of(arm) for arm in self.config.arms},
        }

    def _zero_shot_of(self, arm: str) -> dict[str, float]:
        found = {test: self.cell(arm, ZERO_SHOT, test, "dual")[0] for test in TESTS}
        kinds: dict[str, list[float]] = {}
        for seed in self.config.seeds:
            asked = self.queries(Measured(seed, arm, ZERO_SHOT), "motion")
            for clip, hit in zip(asked["clip"], hits(asked["dual"]), strict=True):
                kinds.setdefault(kind_of(clip), []).append(100 * float(hit))
        found |= {kind: float(np.mean(values)) for kind, values in kinds.items()}
        return {name: round(percent, 1) for name, percent in found.items()}

    def table(self) -> str:
        """Return the table in Markdown: a row per arm and stage, a column per test and ranking."""
        columns = [(test, head) for test in TESTS for head in self.heads]
        names = [f"{test}, {HEADS[head]}" for test, head in columns]
        seeds = len(self.config.seeds)
        over = "one seed"
        if seeds != 1:
            over = f"mean and standard deviation over {seeds} seeds"
        lines = [
            f"Percent of queries whose right clip is first: {over}.",
            "",
            f"| arm | measured | {' | '.join(names)} |",
            f"|---|---|{'---:|' * len(columns)}",
        ]
        for stage in self.plan.stages:
            for arm in self.config.arms:
                texts = (self.shown(arm, stage, test, head) for test, head in columns)
                lines.append(f"| {arm} | {stage} | {' | '.join(texts)} |")
        chance = f"{100 / self.config.corpus.tests.content:.1f}"
        lines += ["", f"Chance: content and still {chance}, motion 12.5, order 50."]
        return "\n".join(lines) + "\n"

    @property
    def base(self) -> str:
        """The arm that the others are compared with: `static`, or the first that there is."""
        if "static" in self.config.arms:
            return "static"
        return self.config.arms[0]

    def compared(self) -> list[tuple[str, bool, list[Interval]]]:
        """Return each other arm, whether it is tuned on the smallest set, and its differences to the base.

        One difference per test, by the dual encoder.
        """
        stages = [False]
        if len(self.plan.stages) > 1:
            stages.append(True)
        others = [arm for arm in self.config.arms if arm != self.base]
        return [
            (
                arm,
                tuned,
                [
                    self.difference(Term(arm, test, tuned=tuned), Term(self.base, test, tuned=tuned))
                    for test in TESTS
                ],
            )
            for tuned in stages
            for arm in others
        ]

    def differences(self) -> str:
        """Return the paired differences to the base in Markdown."""
        lines = [
            f"Paired differences to {self.base} in percent points, by the dual encoder, with 95 % intervals "
            "over seeds and queries.",
            "",
            f"| arm | measured | {' | '.join(TESTS)} |",
            f"|---|---|{'---:|' * len(TESTS)}",
        ]
        for arm, tuned, intervals in self.compared():
            cells = (f"{i.mean:+.1f} ({i.low:+.1f} to {i.high:+.1f})" for i in intervals)
            lines.append(f"| {arm} | {self.plan.stages[tuned]} | {' | '.join(cells)} |")
        return "\n".join(lines) + "\n"

    def difference(self, plus: Term, minus: Term | float) -> Interval:
        """Return the paired difference of two cells in percent points, with its interval.

        `minus` may be a constant, such as chance.
        """
        rows = []
        for seed in self.config.seeds:
            row = 100 * self._term(seed, plus)
            rows.append(row - (minus if isinstance(minus, float) else 100 * self._term(seed, minus)))
        return bootstrap(np.stack(rows), self.groups(plus.test), times=self.config.bootstrap)

    def _term(self, seed: int, term: Term) -> np.ndarray:
        values = self.hits(seed, term.arm, self._stage(term), term.test, term.head)
        if term.less_dual:
            values = values - self.hits(seed, term.arm, self._stage(term), term.test, "dual")
        return values

    def _stage(self, term: Term) -> str:
        if term.tuned:
            return self.plan.stages[1]
        return ZERO_SHOT

    def checked(self) -> list[tuple[Hypothesis, Interval, str]]:
        """Return each hypothesis whose arms are in this lab, with its difference and verdict."""
        checked = []
        for hypothesis in HYPOTHESES:
            if not hypothesis.arms <= set(self.config.arms) or not hypothesis.heads <= set(self.heads):
                continue
            if hypothesis.tuned and len(self.plan.stages) < 2:
                continue
            interval = self.difference(hypothesis.plus, hypothesis.minus)
            checked.append((hypothesis, interval, verdict(hypothesis, interval)))
        return checked

    def hypotheses(self) -> str:
        """Return the hypotheses in Markdown."""
        lines = [
            "| hypothesis | difference, percent points | 95 % interval | verdict |",
            "|---|---:|---:|---|",
        ]
        for hypothesis, interval, word in self.checked():
            span = f"{interval.low:+.1f} to {interval.high:+.1f}"
            lines.append(f"| {hypothesis.text} | {interval.mean:+.1f} | {span} | {word} |")
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        cells = {
            f"{arm}/{stage}/{test}/{head}": [round(v, 3) for v in self.cell(arm, stage, test, head)]
            for arm in self.config.arms
            for stage in self.plan.stages
            for test in TESTS
            for head in self.heads
        }
        checked = [
            {"hypothesis": hypothesis.text, **asdict(interval), "verdict": word}
            for hypothesis, interval, word in self.checked()
        ]
        return {
            "about": {**origin(), "hours_of_steps": round(self.plan.seconds() / 3600, 2)},
            "config": self.config.to_dict(),
            "arms": {arm: ALL_ARMS[arm].about for arm in self.config.arms},
            "percent_right_mean_and_deviation": cells,
            f"differences_to_{self.base}": {
                f"{arm}/{self.plan.stages[tuned]}/{test}": asdict(interval)
                for arm, tuned, intervals in self.compared()
                for test, interval in zip(TESTS, intervals, strict=True)
            },
            "hypotheses": checked,
        }
