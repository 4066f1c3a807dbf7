"""How often do the picture rules drop photographs with their defaults, and how often what they are for?

    python -m benchmarks.thresholds [FOLDER ...]

Photographs: those that scikit-image, scikit-learn and (if it is installed) matplotlib carry, and the pictures in the
folders. Every one is also scored as a job could meet it: scaled, compressed, mirrored, grey, darker, flatter,
slightly soft. What a rule is for is made from the same photographs (blurred, darkened, flattened) or drawn: pages of
text by Pillow, charts by matplotlib, blank pictures.

A *false rejection* is a photograph, or a version of one that a person still takes for a good picture, that a rule
drops. A *right rejection* is a picture of what the rule is for that it drops. Of versions between the two, such as a
blur of 2 pixels, the share that is dropped is given without a verdict. Result: benchmarks/results/thresholds.json
"""

from __future__ import annotations

import argparse
import io
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.harness import write
from schemas.records import SampleError
from transforms.curation.pictures import PICTURE_RULES
from transforms.curation.rule import SIDE, SMALL, Look, Rule, shrunk
from transforms.media.encode import encode_picture
from transforms.media.pictures import PictureLimits, decode

PHOTOGRAPHS = {  # package folder -> files
    "skimage/data": (
        "astronaut.png",
        "camera.png",
        "chelsea.png",
        "coffee.png",
        "coins.png",
        "hubble_deep_field.jpg",
        "motorcycle_left.png",
        "motorcycle_right.png",
        "rocket.jpg",
    ),
    "sklearn/datasets/images": ("china.jpg", "flower.jpg"),
    "matplotlib/mpl-data/sample_data": ("grace_hopper.jpg",),
}
OTHERS = (
    "brick.png",
    "cell.png",
    "color.png",
    "grass.png",
    "gravel.png",
    "ihc.png",
    "moon.png",
    "retina.jpg",
)
SCANS = ("page.png", "text.png")  # of scikit-image: photographed text
SWEPT = {  # rule -> thresholds that are compared with its default
    "picture_blur": (10, 20, 30, 40, 50, 75, 100, 150, 200),
    "picture_black": (0.8, 0.85, 0.9, 0.95, 0.98),
    "picture_contrast": (4, 6, 8, 10, 12, 16),
    "picture_text": (0.05, 0.1, 0.15, 0.2, 0.25, 0.3),
}
GOOD, BETWEEN = "good", "between"  # groups; any other is the name of the rule that the picture is made for
WORDS = (
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "a",
    "lazy",
    "dog",
    "while",
    "seven",
    "old",
    "wizards",
)
Version = Callable[[np.ndarray], np.ndarray]


def photographs(folders: Sequence[Path]) -> dict[str, np.ndarray]:
    """The photographs by name, uint8 RGB [H,W,3]."""
    files = [_in_package(folder) / name for folder, names in PHOTOGRAPHS.items() for name in names]
    files += sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    found = {}
    for file in files:
        try:
            image = decode(file.read_bytes(), PictureLimits(min_side=200)).image_HWC
        except (FileNotFoundError, SampleError):  # matplotlib is not installed; a file that is no picture
            continue
        found[f"{file.parent.name}/{file.name}"] = image
    return found


def _in_package(folder: str) -> Path:
    package, _, rest = folder.partition("/")
    found = find_spec(package)
    return Path(found.origin or "").parent / rest if found else Path("/nonexistent")


def blurred(sigma: float) -> Version:
    """A Gaussian blur of so many pixels at the scale at which sharpness is measured."""

    def make(image_HWC: np.ndarray) -> np.ndarray:
        scale = max(1.0, min(image_HWC.shape[:2]) / SMALL)
        return cv2.GaussianBlur(image_HWC, (0, 0), sigma * scale)

    return make


def shaken(length: int) -> Version:
    """Motion along a diagonal of so many pixels at the scale at which sharpness is measured."""

    def make(image_HWC: np.ndarray) -> np.ndarray:
        size = round(length * max(1.0, min(image_HWC.shape[:2]) / SMALL)) | 1
        return cv2.filter2D(image_HWC, -1, np.eye(size, dtype=np.float32) / size)

    return make


def scaled(side: int) -> Version:
    """To a shorter side of so many pixels, if it is longer."""
    return lambda image: shrunk(image, side)


def compressed(quality: int) -> Version:
    """Through JPEG."""
    return lambda image: decode(encode_picture(image, "jpg", quality), PictureLimits(min_side=1)).image_HWC


def darkened(factor: float) -> Version:
    """With less light."""
    return lambda image: (image * factor).astype(np.uint8)


def flattened(factor: float) -> Version:
    """With less contrast, around the mean."""
    return lambda image: np.clip(image.mean() + (image - image.mean()) * factor, 0, 255).astype(np.uint8)


def grey(image_HWC: np.ndarray) -> np.ndarray:
    """Without colour."""
    return np.repeat(cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


VERSIONS: dict[str, tuple[str, Version]] = {  # name -> group, function
    "as it is": (GOOD, lambda image: image),
    "shorter side 256": (GOOD, scaled(256)),
    "shorter side 400": (GOOD, scaled(400)),
    **{f"JPEG quality {quality}": (GOOD, compressed(quality)) for quality in (90, 50, 25, 10)},
    "mirrored": (GOOD, lambda image: image[:, ::-1].copy()),
    "grey": (GOOD, grey),
    "half the light": (GOOD, darkened(0.5)),
    "half the contrast": (GOOD, flattened(0.5)),
    "Gaussian blur 0.5": (GOOD, blurred(0.5)),
    "Gaussian blur 1": (BETWEEN, blurred(1)),
    "Gaussian blur 1.5": (BETWEEN, blurred(1.5)),
    "Gaussian blur 2": (BETWEEN, blurred(2)),
    "motion blur 5": (BETWEEN, shaken(5)),
    "motion blur 9": (BETWEEN, shaken(9)),
    **{f"Gaussian blur {sigma}": ("picture_blur", blurred(sigma)) for sigma in (3, 4, 6, 8)},
    **{f"motion blur {length}": ("picture_blur", shaken(length)) for length in (17, 25)},
    **{f"light x {factor}": (BETWEEN, darkened(factor)) for factor in (0.25, 0.15)},
    **{f"light x {factor}": ("picture_black", darkened(factor)) for factor in (0.08, 0.05, 0.02)},
    **{f"contrast x {factor}": (BETWEEN, flattened(factor)) for factor in (0.25, 0.15)},
    **{f"contrast x {factor}": ("picture_contrast", flattened(factor)) for factor in (0.08, 0.05, 0.02)},
}


def drawn() -> Iterator[tuple[str, str, np.ndarray]]:
    """Pictures that are no photographs: group, name, uint8 RGB [H,W,3]."""
    rng = np.random.default_rng(0)
    for size in (14, 18, 24):
        for share in (0.4, 0.7, 1.0):
            for ink, paper in (("black", "white"), ("#d8d8d8", "#1e1e2e"), ("#303030", "#f4ecd8")):
                yield (
                    "picture_text",
                    f"page of text, {share:.0%} filled",
                    page_of_text(rng, size, share, ink, paper),
                )
    for words in (1, 3):
        yield BETWEEN, "a few large words", large_words(words)
    for name in SCANS:
        scan = _in_package("skimage/data") / name
        yield (
            "picture_text",
            "photographed page",
            decode(scan.read_bytes(), PictureLimits(min_side=1)).image_HWC,
        )
    for level in (0, 128, 255):
        yield "picture_contrast", "blank", np.full((480, 640, 3), level, np.uint8)
    yield "picture_black", "blank, black", np.zeros((480, 640, 3), np.uint8)
    ramp = np.linspace(120, 136, 640).astype(np.uint8)
    yield "picture_contrast", "slight gradient", np.broadcast_to(ramp[None, :, None], (480, 640, 3)).copy()
    for name, image in _charts(rng):
        yield BETWEEN, name, image


def page_of_text(rng: np.random.Generator, size: int, share: float, ink: str, paper: str) -> np.ndarray:
    """A page whose upper part is filled with lines of text, uint8 RGB [600,800,3]."""
    page = Image.new("RGB", (800, 600), paper)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size)
    for top in range(20, round(20 + 560 * share) - size, round(1.5 * size)):
        line = ""
        while draw.textlength(line, font) < rng.integers(500, 720):
            line += f"{WORDS[rng.integers(len(WORDS))]} "
        draw.text((30, top), line, ink, font)
    return np.asarray(page)


def large_words(words: int) -> np.ndarray:
    """Up to three words that fill a picture, as in a meme, uint8 RGB [600,800,3]."""
    page = Image.new("RGB", (800, 600), "#24507a")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(110)
    for row in range(words):
        draw.text((60, 40 + 170 * row), WORDS[row + 1].upper(), "white", font)
    return np.asarray(page)


def _charts(rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    if not find_spec("matplotlib"):
        return
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    for kind in ("plot", "bar", "scatter", "hist", "imshow", "pie"):
        for turn in range(3):
            figure, axes = pyplot.subplots(figsize=(6.4, 4.8), dpi=100)
            x, y = np.arange(12), rng.random(12) + turn
            many = rng.random((12, 12))
            arguments = {"plot": (x, y), "bar": (x, y), "scatter": (rng.random(90), rng.random(90))}
            getattr(axes, kind)(*arguments.get(kind, ({"hist": y, "pie": y, "imshow": many}.get(kind),)))
            axes.set_title("a chart of some numbers")
            axes.set_xlabel("a quantity (unit)")
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png")
            pyplot.close(figure)
            yield f"chart: {kind}", np.asarray(Image.open(buffer).convert("RGB"))


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
    for name in OTHERS:
        data = (_in_package("skimage/data") / name).read_bytes()
        add(BETWEEN, "textures and microscopy", decode(data, PictureLimits(min_side=1)).image_HWC)
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
