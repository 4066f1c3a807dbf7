"""How often do the picture rules drop photographs with their defaults, and how often what they are for?

    python -m benchmarks.thresholds [FOLDER ...]

Photographs: those that scikit-image, scikit-learn and (if it is installed) matplotlib carry, and the pictures
in the folders. Every one is also scored as a job could meet it: scaled, compressed, mirrored, grey, darker,
flatter, slightly soft. Pictures that a rule should drop are made from the same photographs (blurred,
darkened, flattened) or drawn. The drawn ones are pages of text by Pillow, charts by matplotlib, and blank
pictures.

A *false rejection* is a photograph, or a version of one that a person still takes for a good picture, that a rule
drops. A *right rejection* is a picture of what the rule is for that it drops. Of versions between the two, such as a
blur of 2 pixels, the share that is dropped is given without a verdict. Result: benchmarks/results/thresholds.json
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import write
from benchmarks.judged_pictures import BETWEEN, GOOD, VERSIONS, drawn, photographs, textures
from transforms.curation.pictures import PICTURE_RULES
from transforms.curation.rule import SIDE, Look, Rule, shrunk

SWEPT = {  # rule -> thresholds that are compared with its default
    "picture_blur": (10, 20, 30, 40, 50, 75, 100, 150, 200),
    "picture_black": (0.8, 0.85, 0.9, 0.95, 0.98),
    "picture_contrast": (4, 6, 8, 10, 12, 16),
    "picture_text": (0.05, 0.1, 0.15, 0.2, 0.25, 0.3),
}


def look_of(image_HWC: np.ndarray) -> Look:
    """A picture as rules see it."""
    return Look("", image_HWC.shape[:2], shrunk(np.ascontiguousarray(image_HWC), SIDE))


def scored(images: dict[str, np.ndarray]) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Group -> version -> the scores of every picture, by rule."""
    found: dict[str, dict[str, list[dict[str, float]]]] = defaultdict(lambda: defaultdict(list))
    rules = [rule() for rule in PICTURE_RULES]

    def add(group: str, version: str, image: np.ndarray) -> None:
        look = look_of(image)
        found[group][version].append({rule.name: rule.score(look) for rule in rules})

    for image in images.values():
        for version, (group, make) in VERSIONS.items():
            add(group, version, make(image))
    for image in textures():
        add(BETWEEN, "textures and microscopy", image)
    for group, version, image in drawn():
        add(group, version, image)
    return found


def share_dropped(rule: Rule, scores: Sequence[dict[str, float]]) -> float:
    """Percent of the pictures that a rule drops."""
    return round(100 * float(np.mean([rule.refusal(of[rule.name]) is not None for of in scores])), 1)


def table_of(found: dict[str, dict[str, list[dict[str, float]]]]) -> dict[str, Any]:
    """Percent of false and right rejections per rule, at its default and at other thresholds, and by version."""
    good = [scores for version in found[GOOD].values() for scores in version]
    table: dict[str, Any] = {}
    for kind in PICTURE_RULES:
        name = kind.name
        meant = [scores for version in found.get(name, {}).values() for scores in version]
        side = "min" if name in ("picture_side", "picture_blur", "picture_contrast") else "max"
        default = kind()
        thresholds = {getattr(default, side): default}
        thresholds |= {value: kind.make({side: value}) for value in SWEPT.get(name, ())}
        table[name] = {
            "default": {side: getattr(default, side)},
            "photographs": len(good),
            "pictures it is for": len(meant),
            "thresholds": {
                str(value): {
                    "false rejections, percent": share_dropped(rule, good),
                    "right rejections, percent": share_dropped(rule, meant) if meant else None,
                }
                for value, rule in sorted(thresholds.items())
            },
            "percent dropped by version": {
                version: share_dropped(default, scores)
                for group in (GOOD, BETWEEN, name)
                for version, scores in found.get(group, {}).items()
                if group == name or share_dropped(default, scores)
            },
        }
    return table


def main() -> int:
    """Score everything, print and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="further photographs")
    images = photographs(parser.parse_args().folders)
    table = table_of(scored(images))
    for name, row in table.items():
        print(f"\n{name}, default {row['default']}: {row['pictures it is for']} pictures that it is for")
        for value, shares in row["thresholds"].items():
            print(f"  {value:>6}", *(f"{what}: {share}" for what, share in shares.items()), sep="   ")
        for version, share in row["percent dropped by version"].items():
            print(f"          {share:5} % of {version}")
    print(write("thresholds", {"photographs": sorted(images), "rules": table}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
