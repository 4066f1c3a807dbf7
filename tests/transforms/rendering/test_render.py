"""What `render` promises a user: shapes, errors, exact identity, quality against supersampling, smoothness,
devices.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from transforms.rendering.render import choose_device, prepare_worker, render, render_batch

FULL = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
SIZE = (224, 224)


def view(picture, side, *, turn=0.0, middle=(0.5, 0.5), aspect=1.0):
    """One quad: a view `side` of the picture's shorter side high, turned clockwise by `turn` radians."""
    h, w = picture
    half = side * min(h, w) / 2
    corners = np.array([[-aspect, -1], [aspect, -1], [aspect, 1], [-aspect, 1]]) * half
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return (corners @ rotation / (w, h) + middle).astype(np.float32)


def photograph(name, shorter):
    image = getattr(skimage.data, name)()
    factor = shorter / min(image.shape[:2])
    how = cv2.INTER_LANCZOS4 if factor > 1 else cv2.INTER_AREA
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=how)


def supersampled(image, quad, size, times=4):
    """The picture, linear between its pixels, at `times` the size in float, then averaged over each output
    pixel.
    """
    h, w = (side * times for side in size)
    grid_y, grid_x = np.mgrid[0:h, 0:w].astype(np.float64)
    corners = (quad.astype(np.float64) * (image.shape[1], image.shape[0])).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(np.float32([[0, 0], [w, 0], [w, h], [0, h]]), corners)
    x, y, z = np.tensordot(matrix, np.stack([grid_x + 0.5, grid_y + 0.5, np.ones_like(grid_x)]), axes=1)
    maps = (x / z - 0.5).astype(np.float32), (y / z - 0.5).astype(np.float32)
    large = cv2.remap(image.astype(np.float32), *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return large.reshape(size[0], times, size[1], times, 3).mean(axis=(1, 3))


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2))


def test_shape_and_dtype():
    frames = render(np.zeros((90, 120, 3), np.uint8), np.stack([FULL] * 5), size=(32, 48))
    assert frames.shape == (5, 32, 48, 3)
    assert frames.dtype == np.uint8
    assert frames.flags.c_contiguous


@pytest.mark.parametrize("renderer", ["opencv", "kornia"])
@pytest.mark.parametrize("shape", [(224, 224), (37, 53), (1, 1), (64, 300)])
def test_whole_picture_at_its_own_size_is_the_picture(shape, renderer):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    (frames,) = render_batch([image], [FULL[None]], size=shape, renderer=renderer)
    np.testing.assert_array_equal(frames[0], image)


def test_a_view_on_whole_pixels_is_a_crop():
    image = np.random.default_rng(1).integers(0, 256, (128, 256, 3), dtype=np.uint8)
    quad = np.array([[64, 32], [192, 32], [192, 96], [64, 96]], np.float32) / (256, 128)
    np.testing.assert_array_equal(render(image, quad[None], size=(64, 128))[0], image[32:96, 64:192])


def test_a_quarter_turn_is_a_transposed_picture():
    image = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    turned = FULL[[1, 2, 3, 0]]  # the view's top-left corner looks at the picture's top-right one
    np.testing.assert_array_equal(render(image, turned[None], size=(64, 64))[0], np.rot90(image))


@pytest.mark.parametrize("shorter", [400, 800, 1600])
@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_close_to_supersampling(name, shorter):
    image = photograph(name, shorter)
    picture = image.shape[:2]
    clips = {
        "zoom_in": [view(picture, side) for side in np.linspace(1.0, 0.6, 12)],
        "pan": [view(picture, 0.7, middle=(x, 0.5)) for x in np.linspace(0.4, 0.6, 12)],
        "rotate": [view(picture, 0.65, turn=angle) for angle in np.linspace(0, 0.5, 12)],
    }
    for motion, quads in clips.items():
        frames = render(image, np.stack(quads), size=SIZE)
        # a few frames: the supersampled reference costs a hundred times what is tested
        quality = [psnr(frames[t], supersampled(image, quads[t], SIZE)) for t in (0, 5, 6, 11)]
        assert np.mean(quality) >= 42, (motion, quality)
        assert min(quality) >= 40, (motion, quality)


def test_tilt_is_close_to_supersampling():
    image = photograph("astronaut", 600)
    quad = np.array([[0.12, 0.05], [0.9, 0.0], [0.8, 0.95], [0.2, 1.0]], np.float32)
    assert psnr(render(image, quad[None], size=SIZE)[0], supersampled(image, quad, SIZE)) >= 40


@pytest.mark.parametrize("period", [2.2, 3.0, 4.1])
def test_stripes_do_not_shimmer(period):
    """Stripes finer than a frame can show must become an even grey, however the camera moves."""
    x = np.arange(1600)
    stripes = (127.5 + 120 * np.sin(2 * np.pi * x / period)).astype(np.uint8)
    image = np.ascontiguousarray(np.broadcast_to(stripes[None, :, None], (1600, 1600, 3)))
    quads = np.stack(
        [
            view((1600, 1600), side, middle=(0.5 + shift, 0.5))
            for side, shift in zip(np.linspace(0.98, 0.9, 12), np.linspace(0, 0.01, 12), strict=True)
        ]
    )
    frames = render(image, quads, size=SIZE).astype(np.float64)[:, 4:-4, 4:-4]
    left = frames.std(
        axis=(1, 2, 3)
    )  # what is left of the stripes; bilinear sampling alone leaves nearly all
    assert left.max() < 0.15 * stripes.std()
    assert np.ptp(left) < 2
    assert np.ptp(frames.mean(axis=(1, 2, 3))) < 0.5


def test_a_dot_follows_the_trajectory_within_a_tenth_of_a_pixel():
    h, w = 480, 640
    y, x = np.mgrid[0:h, 0:w] + 0.5
    dot = np.array([330.3, 217.6])
    image = np.repeat(
        (250 * np.exp(-((x - dot[0]) ** 2 + (y - dot[1]) ** 2) / 72))[..., None], 3, axis=2
    ).astype(np.uint8)
    quads = np.stack(
        [view((h, w), 0.9 - 0.03 * t, turn=0.02 * t, middle=(0.5 + 0.003 * t, 0.47)) for t in range(12)]
    )
    frames = render(image, quads, size=SIZE).astype(np.float64)[..., 0]
    for frame, quad in zip(frames, quads.astype(np.float64), strict=True):
        corners = quad * (w, h)
        axes = np.stack([corners[1] - corners[0], corners[3] - corners[0]], axis=1)
        expected = np.linalg.solve(axes, dot - corners[0]) * (SIZE[1], SIZE[0])
        rows, columns = np.mgrid[0 : SIZE[0], 0 : SIZE[1]] + 0.5
        centre = np.array([(frame * columns).sum(), (frame * rows).sum()]) / frame.sum()
        assert np.abs(centre - expected).max() < 0.1


@pytest.mark.parametrize("renderer", ["opencv", "kornia"])
def test_nothing_but_the_picture_shows(renderer):
    """Views that touch every edge and corner: a constant picture stays constant, and no value outside its
    range appears.
    """
    rng = np.random.default_rng(3)
    quads = np.stack([FULL, view((301, 407), 1.0), view((301, 407), 0.7, turn=0.4), FULL[[1, 2, 3, 0]]])
    flat = np.full((301, 407, 3), (200, 7, 93), np.uint8)
    textured = rng.integers(90, 111, (301, 407, 3), dtype=np.uint8)
    even, noisy = render_batch([flat, textured], [quads, quads], size=(61, 99), renderer=renderer)
    assert (even == (200, 7, 93)).all()
    assert noisy.min() >= 90
    assert noisy.max() <= 110


def test_frames_do_not_depend_on_order_or_repetition():
    image = photograph("coffee", 400)
    quads = np.stack([view(image.shape[:2], side) for side in (0.3, 0.9, 0.5, 0.9)])
    frames = render(image, quads, size=SIZE)
    np.testing.assert_array_equal(frames, render(image, quads, size=SIZE))
    np.testing.assert_array_equal(frames[::-1], render(image, quads[::-1], size=SIZE))
    np.testing.assert_array_equal(frames[1], frames[3])


def test_any_layout_of_the_picture_in_memory():
    image = photograph("coffee", 400)
    quads = view(image.shape[:2], 0.7)[None]
    bgr = image[..., ::-1]
    expected = render(np.ascontiguousarray(bgr), quads, size=SIZE)
    np.testing.assert_array_equal(render(bgr, quads, size=SIZE), expected)
    np.testing.assert_array_equal(render(np.asfortranarray(bgr), quads, size=SIZE), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.zeros((9, 9), np.uint8)}, r"picture: must be uint8 of shape \[H, W, 3\]"),
        ({"image": Image.new("RGB", (9, 9))}, r"got Image; of a PIL image take numpy\.asarray"),
        ({"image": np.zeros((9, 9, 3), np.float32)}, "got float32"),
        ({"image": np.zeros((0, 9, 3), np.uint8)}, "picture"),
        ({"quads": FULL}, r"\[T, 4, 2\] with T >= 1, got \[4, 2\]"),
        ({"quads": np.zeros((0, 4, 2))}, "T >= 1"),
        ({"quads": FULL[None] * np.nan}, "finite"),
        ({"quads": FULL[None] * 1.1}, r"must be in \[0, 1\]"),
        ({"quads": FULL[None, ::-1]}, "convex"),
        ({"quads": FULL[None] * (1, 0)}, "convex"),
        ({"size": (0, 5)}, "size"),
        ({"size": (224.0, 5)}, "size"),
        ({"device": "gpu"}, "device 'gpu': must be auto, cpu, cuda or cuda:N"),
        ({"device": "cuda:x"}, "device 'cuda:x'"),
    ],
)
def test_errors_name_what_is_wrong(change, message):
    arguments = {
        "image": np.zeros((9, 9, 3), np.uint8),
        "quads": FULL[None],
        "size": (5, 5),
        "device": "cpu",
    } | change
    with pytest.raises(ValueError, match=message):
        render(arguments["image"], arguments["quads"], size=arguments["size"], device=arguments["device"])


def test_a_batch_needs_a_trajectory_for_each_picture():
    with pytest.raises(ValueError, match="2 pictures but 1 trajectories"):
        render_batch([np.zeros((9, 9, 3), np.uint8)] * 2, [FULL[None]], size=(5, 5))
    with pytest.raises(ValueError, match="renderer 'magic'"):
        render_batch([], [], size=(5, 5), renderer="magic")


def test_choose_device():
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ValueError, match="CUDA devices"):
        choose_device("cuda:99")


def test_a_prepared_worker_renders_the_same():
    image = photograph("coffee", 800)
    quads = np.stack([view(image.shape[:2], side) for side in (1.0, 0.6)])
    before = render(image, quads, size=SIZE)
    threads = cv2.getNumThreads()
    try:
        prepare_worker()
        assert cv2.getNumThreads() == 1
        np.testing.assert_array_equal(render(image, quads, size=SIZE), before)
    finally:
        cv2.setNumThreads(threads)
