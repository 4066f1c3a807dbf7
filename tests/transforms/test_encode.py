import cv2
import numpy as np
import pytest
from skimage import data

from schemas.config import ConfigError
from transforms.encode import EncodeConfig, encode_frames, encode_picture, encode_planes
from transforms.pictures import PictureLimits, decode

LIMITS = PictureLimits(min_side=1, max_aspect=10)


def frames(size: tuple[int, int] = (90, 121), count: int = 3) -> np.ndarray:
    picture = data.astronaut()
    h, w = size
    return np.stack([picture[20 * i : 20 * i + h, 100 : 100 + w] for i in range(count)])


def to_planes(image_HWC: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ycc_HWC = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2YCrCb)
    half = (-(-image_HWC.shape[1] // 2), -(-image_HWC.shape[0] // 2))
    cr, cb = (cv2.resize(ycc_HWC[..., i], half, interpolation=cv2.INTER_AREA) for i in (1, 2))
    return ycc_HWC[..., 0], cb, cr


@pytest.mark.parametrize(("format", "kind", "error"), [("jpg", "jpeg", 5.0), ("webp", "webp", 5.0), ("png", "png", 0.0)])
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


@pytest.mark.parametrize("size", [(90, 120), (91, 120), (90, 121), (91, 121), (1, 1), (17, 3)])
def test_planes_give_the_jpeg_that_rgb_gives(size: tuple[int, int]) -> None:
    frame_HWC = frames(size, 1)[0]
    (file,) = encode_planes([to_planes(frame_HWC)], 90)
    direct = decode(encode_picture(frame_HWC, "jpg", 90), LIMITS).image_HWC.astype(int)
    image_HWC = decode(file, LIMITS).image_HWC
    assert image_HWC.shape == (*size, 3)
    assert np.abs(image_HWC - direct).mean() < 1.5


def test_planes_of_odd_strides_and_wrong_sizes() -> None:
    y, cb, cr = to_planes(frames((90, 120), 1)[0])
    wide = np.repeat(y, 2, axis=1)[:, ::2]
    assert encode_planes([(wide, cb, cr)], 90) == encode_planes([(y, cb, cr)], 90)
    with pytest.raises(ValueError, match=r"chroma of a \(90, 120\) luma must be \(45, 60\)"):
        encode_planes([(y, y, y)], 90)


def test_what_is_no_picture_is_an_error() -> None:
    with pytest.raises(ValueError, match="must be uint8"):
        encode_picture(np.zeros((8, 8, 3), np.float32), "jpg", 90)
    with pytest.raises(ValueError, match="must be jpg, png or webp"):
        encode_picture(np.zeros((8, 8, 3), np.uint8), "gif", 90)
    with pytest.raises(ConfigError, match=r"quality = 0 .* >= 1 and <= 100"):
        EncodeConfig.make({"quality": 0})
