"""CLIP's resize and centre crop."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

from transforms.media.fit import fit


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("shape", [(96, 128), (240, 320), (301, 223), (224, 500), (500, 225)])
def test_a_square_is_clips_resize_and_crop(shape: tuple[int, int]) -> None:
    image = noise(*shape)
    clip = Compose([Resize(224, interpolation=InterpolationMode.BICUBIC), CenterCrop(224)])
    np.testing.assert_array_equal(fit(image, (224, 224)), np.asarray(clip(Image.fromarray(image))))


@pytest.mark.parametrize("shape", [(50, 90), (90, 50), (31, 32), (7, 4096), (64, 33)])
@pytest.mark.parametrize("size", [(32, 32), (32, 48), (48, 32), (31, 57), (1, 1)])
def test_any_size_is_covered_exactly(shape: tuple[int, int], size: tuple[int, int]) -> None:
    fitted = fit(np.full((*shape, 3), 77, np.uint8), size)
    assert fitted.shape == (*size, 3)
    assert (fitted == 77).all()


def test_an_image_of_that_size_is_returned_as_it_is() -> None:
    image = noise(50, 90)
    assert fit(image, (50, 90)) is image
