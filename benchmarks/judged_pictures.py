"""Pictures to judge picture rules by: photographs, versions of them, and drawn pictures.

Every version has a group: `GOOD` if a person still takes it for a good picture, `BETWEEN` without a verdict, else the
name of the rule that should drop it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from schemas.records import SampleError
from transforms.curation.rule import SMALL, shrunk
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


def textures() -> Iterator[np.ndarray]:
    """Textures and microscopy of scikit-image, uint8 RGB [H,W,3]."""
    for name in OTHERS:
        data = (_in_package("skimage/data") / name).read_bytes()
        yield decode(data, PictureLimits(min_side=1)).image_HWC


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
