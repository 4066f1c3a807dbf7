import numpy as np

from preview.show.sheets import GAP, LABEL, Cell, contact_sheet, moving_grid, strips


def test_contact_sheet_holds_every_frame_as_it_is(make_picture):
    frames = np.stack([make_picture(20, 30, i) for i in range(5)])
    sheet = contact_sheet(frames, columns=2)
    assert sheet.shape == (3 * 20 + 2 * GAP, 2 * 30 + GAP, 3)
    for t, frame in enumerate(frames):
        y, x = t // 2 * (20 + GAP), t % 2 * (30 + GAP)
        np.testing.assert_array_equal(sheet[y : y + 20, x : x + 30], frame)


def test_contact_sheet_with_words_holds_every_frame_as_it_is(make_picture):
    frames = np.stack([make_picture(40, 60, i) for i in range(4)])
    sheet = contact_sheet(frames, columns=2, names=["0", "1", "2", "3"], title="zoom_in zoom=1.5")
    assert sheet.shape == (2 * (40 + LABEL) + GAP + LABEL, 2 * 60 + GAP, 3)
    for t, frame in enumerate(frames):
        y, x = t // 2 * (40 + LABEL + GAP), t % 2 * (60 + GAP)
        np.testing.assert_array_equal(sheet[y : y + 40, x : x + 60], frame)
        words = sheet[y + 40 : y + 40 + LABEL, x : x + 60]
        assert words.min() < 100, t  # ink
    assert sheet[-LABEL:].min() < 100
    other = contact_sheet(frames, columns=2, names=["0", "1", "2", "3"], title="zoom_in zoom=1.7")
    assert not np.array_equal(sheet[-LABEL:], other[-LABEL:])


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
