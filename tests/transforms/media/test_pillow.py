"""Pillow as a decoder of hostile files."""

import warnings

import numpy as np
import pytest

from schemas.records import Reason, SampleError
from tests.transforms.media.formats.files import SHORT, photo, save, tiff
from transforms.media.pillow import decode_by_pillow, open_picture


@pytest.mark.parametrize("kind", ["png", "bmp", "tiff", "gif"])
def test_only_the_named_format_is_opened(kind: str) -> None:
    picture = save(photo().quantize(16), kind.upper())
    assert open_picture(picture, kind).size == (160, 120)
    with pytest.raises(SampleError, match="webp: header is broken or cut off"):
        open_picture(picture, "webp")


def test_every_mode_becomes_rgb() -> None:
    for mode in ("1", "L", "P", "RGB", "RGBA", "LA", "CMYK"):
        image = photo().convert(mode)
        kind = "TIFF" if mode == "CMYK" else "PNG"
        rgb = decode_by_pillow(save(image, kind), kind.lower())
        assert rgb.shape == (120, 160, 3)
        assert rgb.dtype == np.uint8
        assert np.abs(rgb.astype(int) - np.asarray(image.convert("RGB"))).mean() < 3


def test_damage_is_a_failure_and_never_a_warning() -> None:
    whole = save(photo(), "PNG")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SampleError) as caught:
            decode_by_pillow(whole[: len(whole) // 2], "png")
        assert caught.value.reason == Reason.TRUNCATED
        with pytest.raises(SampleError):
            decode_by_pillow(tiff([(256, SHORT, 9, 1), (257, SHORT, 7, 1), (34665, SHORT, 60000, 9)]), "tiff")


def test_pillow_s_own_log_stays_silent(caplog: pytest.LogCaptureFixture) -> None:
    samples = tiff([(256, SHORT, 1, 9), (257, SHORT, 1, 9), (277, SHORT, 1, 200), (258, SHORT, 200, 30)])
    with pytest.raises(SampleError, match="tiff"):
        open_picture(samples + bytes(1000), "tiff")
    assert not caplog.records
