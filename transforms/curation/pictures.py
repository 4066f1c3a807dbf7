"""Rules on pictures: size and shape from the header, the rest from a small grey copy."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
from pydantic import Field

from transforms.curation.rule import Look, Rule, When

BLACK = 20  # luma below which a pixel counts as black, of 255
_LINE_HEIGHT = (5, 64)  # of a line of text in the picture that is looked at, pixels
_STROKES = 0.3  # least share of a line's box that is edges


class PictureSide(Rule):
    """The shorter side. DataComp and ALIGN keep pictures of more than 200 pixels, CC3M of more than 400.

    It differs from `pictures.min_side` in that its score is kept.
    """

    name: ClassVar[str] = "picture_side"
    when: ClassVar[When] = When.HEADER
    min: int = Field(200, ge=1, le=65_535, description="smallest shorter side, pixels")
    max: int | None = Field(None, ge=1, le=65_535, description="largest shorter side, pixels")

    def score(self, look: Look) -> float:
        """The shorter side in pixels, before any reduction."""
        return min(look.size)


class PictureAspect(Rule):
    """The longer side over the shorter. DataComp and ALIGN keep less than 3, CC12M 2.5, CC3M 2."""

    name: ClassVar[str] = "picture_aspect"
    when: ClassVar[When] = When.HEADER
    max: float = Field(3.0, ge=1, le=1000, description="largest ratio")

    def score(self, look: Look) -> float:
        """The longer side over the shorter one, at least 1."""
        return max(look.size) / min(look.size)


class PictureBlur(Rule):
    """Sharpness: the variance of the Laplacian (Pech-Pacheco et al. 2000; Pertuz et al. 2013, LAP4).

    Measured at a shorter side of 256 pixels, so that the number does not depend on the picture's size.
    """

    name: ClassVar[str] = "picture_blur"
    when: ClassVar[When] = When.PIXELS
    min: float = Field(50.0, ge=0, le=65_025, description="least variance; photographs have 200 to 5,000")

    def score(self, look: Look) -> float:
        """The variance of OpenCV's 3x3 Laplacian over luma of 0 to 255."""
        return float(cv2.Laplacian(look.small, cv2.CV_32F, ksize=1).var())


class PictureBlack(Rule):
    """Black pixels, as in missing pictures and night shots: luma under 20 of 255."""

    name: ClassVar[str] = "picture_black"
    when: ClassVar[When] = When.PIXELS
    max: float = Field(0.9, ge=0, le=1, description="largest share of black pixels")

    def score(self, look: Look) -> float:
        """The share of pixels whose luma is under `BLACK`."""
        return float((look.grey < BLACK).mean())


class PictureContrast(Rule):
    """The standard deviation of luma: near 0 for blank pictures of any colour."""

    name: ClassVar[str] = "picture_contrast"
    when: ClassVar[When] = When.PIXELS
    min: float = Field(8.0, ge=0, le=127.5, description="least deviation, grey levels of 255")

    def score(self, look: Look) -> float:
        """The standard deviation of luma, 0 to 127.5."""
        return float(look.grey.std())


class PictureText(Rule):
    """Lines of text, as in scans, slides and screenshots; not a few large words, as in memes.

    A cheap stand-in for the text detector of T-MARS (Maini et al. 2023), from the usual steps in OpenCV.

    Edges are found by the morphological gradient and Otsu's threshold and joined along rows. Pieces that are
    wider than high, as low as a line and full of edges count.
    """

    name: ClassVar[str] = "picture_text"
    when: ClassVar[When] = When.PIXELS
    max: float = Field(0.2, ge=0, le=1, description="largest share of the picture")

    def score(self, look: Look) -> float:
        """The area of boxes around lines of text over the picture's area."""
        return text_share(look.grey)


def text_share(grey: np.ndarray) -> float:
    """The share of a picture, luma uint8 [H,W], in boxes around lines of text, 0 to 1."""
    edges = cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    _, strokes = cv2.threshold(edges, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    lines = cv2.morphologyEx(strokes, cv2.MORPH_CLOSE, np.ones((1, 9), np.uint8))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(lines, connectivity=8)
    width, height, area = (boxes[1:, column] for column in (2, 3, 4))
    filled = area / (width * height)
    low, high = _LINE_HEIGHT
    is_line = (height >= low) & (height <= high) & (width >= 3 * height) & (filled >= _STROKES * 1.5)
    return float((width * height)[is_line].sum() / grey.size)


PICTURE_RULES = (PictureSide, PictureAspect, PictureBlur, PictureBlack, PictureContrast, PictureText)
