import numpy as np
import pytest
from skimage import data

from schemas.errors import ConfigError
from transforms.media.encode import EncodeConfig, encode_frames, encode_picture
from transforms.media.pictures import PictureLimits, decode

LIMITS = PictureLimits(min_side=1, max_aspect=10)


def frames(size: tuple[int, int] = (90, 121), count: int = 3) -> np.ndarray:
    picture = data.astronaut()
    h, w = size
    return np.stack([picture[20 * i : 20 * i + h, 100 : 100 + w] for i in range(count)])


@pytest.mark.parametrize(
    ("format", "kind", "error"), [("jpg", "jpeg", 5.0), ("webp", "webp", 5.0), ("png", "png", 0.0)]
)
def test_frames_come_back(format: str, kind: str, error: float) -> None:
    frames_THWC = frames()
    encoded = encode_frames(frames_THWC, EncodeConfig(format=format))
    assert len(encoded) == 3
    for frame_HWC, file in zip(frames_THWC, encoded, strict=True):
        picture = decode(file, LIMITS)
        assert picture.format == kind
        assert picture.image_HWC.shape == (90, 121, 3)
        assert np.abs(picture.image_HWC.astype(int) - frame_HWC).mean() <= error
    assert encode_frames(frames_THWC, EncodeConfig(format=format)) == encoded, "equal frames give equal bytes"


@pytest.mark.parametrize("format", ["jpg", "webp"])
def test_quality_costs_bytes(format: str) -> None:
    sizes = [len(encode_picture(frames()[0], format, quality)) for quality in (1, 30, 90, 100)]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("format", ["jpg", "png", "webp"])
def test_the_fourth_byte_of_a_pixel_is_not_looked_at(format: str) -> None:
    frame_HWC = frames(count=1)[0]
    rgbx_HW4 = np.dstack(
        [frame_HWC, np.random.default_rng(0).integers(0, 256, frame_HWC.shape[:2], np.uint8)]
    )
    assert encode_picture(rgbx_HW4, format, 90) == encode_picture(frame_HWC, format, 90)


def test_what_is_no_picture_is_an_error() -> None:
    with pytest.raises(ValueError, match="must be uint8"):
        encode_picture(np.zeros((8, 8, 3), np.float32), "jpg", 90)
    with pytest.raises(ValueError, match="must be jpg, png or webp"):
        encode_picture(np.zeros((8, 8, 3), np.uint8), "gif", 90)
    with pytest.raises(ConfigError, match=r"quality = 0 .* >= 1 and <= 100"):
        EncodeConfig.make({"quality": 0})
