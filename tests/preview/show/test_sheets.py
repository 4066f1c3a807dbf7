import numpy as np

from preview.show.path import LEGEND, draw_path, time_colour
from preview.show.sheets import GAP, LABEL, Cell, contact_sheet, moving_grid, strips
from transforms.motions import sample_motion


def test_contact_sheet_holds_every_frame_as_it_is(make_picture):
    frames = np.stack([make_picture(20, 30, i) for i in range(5)])
    sheet = contact_sheet(frames, columns=2)
    assert sheet.shape == (3 * 20 + 2 * GAP, 2 * 30 + GAP, 3)
    for t, frame in enumerate(frames):
        y, x = t // 2 * (20 + GAP), t % 2 * (30 + GAP)
        np.testing.assert_array_equal(sheet[y : y + 20, x : x + 30], frame)


def test_grid_moves_and_rests_at_its_end(make_picture):
    long, short = (np.stack([make_picture(40, 40, s + i) for i in range(n)]) for s, n in ((0, 4), (9, 2)))
    grid = moving_grid([Cell("long", long), Cell("short", short)])
    assert grid.shape == (4, 40 + LABEL + 2 * GAP, 80 + 3 * GAP, 3)
    np.testing.assert_array_equal(grid[3, GAP : GAP + 40, GAP : GAP + 40], long[3])
    np.testing.assert_array_equal(grid[3, GAP : GAP + 40, 2 * GAP + 40 : 2 * GAP + 80], short[1])


def test_labels_are_written_and_cut_to_width(make_picture):
    frames = make_picture(30, 40)[None]
    plain, text, long = (moving_grid([Cell(label, frames)])[0] for label in ("", "abc", "abc" * 50))
    assert not np.array_equal(plain, text)
    assert long.shape == plain.shape


def test_strips_show_first_and_last(make_picture):
    frames = np.stack([make_picture(30, 30, i) for i in range(30)])
    sheet = strips([Cell("a", frames)], most=4)
    np.testing.assert_array_equal(sheet[GAP : GAP + 30, GAP : GAP + 30], frames[0])
    np.testing.assert_array_equal(sheet[GAP : GAP + 30, -GAP - 30 : -GAP], frames[-1])


def test_path_lies_where_the_views_lie():
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
