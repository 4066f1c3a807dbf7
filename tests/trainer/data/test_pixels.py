"""The memory that pictures are decoded to."""

from __future__ import annotations

import numpy as np
import pytest
import simplejpeg
import torch

from trainer.data.pixels import Pixels
from transforms.media.stored import MAX_PIXELS, decode_stored


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("shared", [False, True])
def test_pictures_follow_one_another_and_the_next_batch_is_another_tensor(shared):
    pixels = Pixels(shared=shared)
    pictures = [noise(h, w) for h, w in ((4, 6), (30, 20), (1, 1))]
    for picture in pictures:
        room = pixels.room(*picture.shape[:2])
        room[:] = picture
    first = pixels.take()
    assert first.dtype == torch.uint8
    assert first.is_shared() == shared
    assert first.tolist() == [value for picture in pictures for value in picture.reshape(-1).tolist()]
    pixels.room(30, 20)[:] = 0
    assert first.tolist()[: 4 * 6 * 3] == pictures[0].reshape(-1).tolist()
    assert len(pixels.take()) == 30 * 20 * 3
    assert len(pixels.take()) == 0


def test_one_large_picture_does_not_keep_later_batches_large():
    pixels = Pixels(shared=True)
    held = []
    for side in (40, 40, 400, 40, 40):
        for _ in range(4):
            pixels.room(side, side)[:] = 0
        taken = pixels.take()
        held.append(taken.untyped_storage().nbytes() / taken.numel())
    assert max(held) <= 1.3


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_picture_is_decoded_to_the_tensor(suffix):
    import cv2

    data = cv2.imencode(f".{suffix}", noise(20, 30))[1].tobytes()
    pixels = Pixels(shared=False)
    picture = pixels.decode(data)
    assert np.array_equal(picture, decode_stored(data))
    assert pixels.take().tolist() == picture.reshape(-1).tolist()


@pytest.mark.parametrize(
    "data", [b"", b"nothing", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x00\x00\x00\x00WEBPVP8 "]
)
def test_other_bytes_are_a_value_error_and_take_no_room(data):
    pixels = Pixels(shared=False)
    with pytest.raises(ValueError, match=r"picture|JPEG|[Hh]eader|file|scan"):
        pixels.decode(data)
    assert pixels.used == 0


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_truncated_picture_takes_no_room(suffix):
    import cv2

    data = cv2.imencode(f".{suffix}", noise(60, 80))[1].tobytes()
    pixels = Pixels(shared=False)
    with pytest.raises(ValueError, match=r"broken|[Pp]remature"):
        pixels.decode(data[: len(data) // 2])
    assert pixels.used == 0


def test_a_header_that_asks_for_too_much_gets_no_memory():
    data = bytearray(simplejpeg.encode_jpeg(noise(16, 16)))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = b"\xff\xdc" * 2
    pixels = Pixels(shared=False)
    with pytest.raises(ValueError, match=f"limit of {MAX_PIXELS}"):
        pixels.decode(bytes(data))
    assert pixels.used == 0
