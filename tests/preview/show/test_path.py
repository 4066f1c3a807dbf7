"""The camera path over a still."""

import numpy as np

from preview.show.path import LEGEND, draw_path, time_colour
from transforms.motions import sample_motion


def test_the_path_follows_the_views():
    grey = np.full((200, 300, 3), 128, np.uint8)
    quads = sample_motion("pan_right", seed=0, image_size=(200, 300), distance=0.3)
    drawn = draw_path(grey, quads)
    assert drawn.shape == (200 + LEGEND, 300, 3)
    inside = drawn[:200].astype(int)
    x0, x1 = round(quads[0, 0, 0] * 299), round(quads[-1, 1, 0] * 299)
    first, last = inside[100, max(x0 - 1, 0) : x0 + 2].mean(0), inside[100, x1 - 2 : x1 + 1].mean(0)
    assert np.abs(first - time_colour(0)).max() < 60
    assert np.abs(last - time_colour(1)).max() < 60
    assert draw_path(grey, quads, longest=150, legend=False).shape == (100, 150, 3)
    assert not np.array_equal(draw_path(grey, quads, now=5), drawn)


def test_colours_run_from_dark_blue_to_yellow():
    assert time_colour(-1) == time_colour(0) == (13, 8, 135)
    assert time_colour(1) == time_colour(2) == (240, 249, 33)
    assert time_colour(0.5) == (204, 71, 120)
