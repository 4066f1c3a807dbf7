import numpy as np
import pytest
from PIL import Image

from preview.show.animation import (
    check_ending,
    decode_webp,
    encode_animation,
    encode_webp,
    frame_durations,
    shrink,
    thin,
)
from schemas.errors import ConfigError


@pytest.mark.parametrize(("fps", "frames"), [(12, 12), (7, 30), (30, 90), (8.0, 1), (23.976, 100)])
def test_durations_add_up(fps, frames):
    for unit in (1, 10):
        durations = frame_durations(frames, fps=fps, unit=unit)
        assert len(durations) == frames
        assert all(d % unit == 0 and d > 0 for d in durations)
        assert abs(sum(durations) - 1000 * frames / fps) <= unit / 2


def test_one_frame_and_equal_frames_keep_their_number(make_picture):
    still = np.repeat(make_picture(20, 30)[None], 4, 0)
    for frames in (still, still[:1]):
        assert len(decode_webp(encode_animation(frames, fps=8, ending=".webp"))[0]) == len(frames)


def test_equal_gif_frames_last_as_long_as_asked(make_picture, tmp_path):
    path = tmp_path / "a.gif"
    path.write_bytes(encode_animation(np.repeat(make_picture(20, 30)[None], 4, 0), fps=8, ending=".gif"))
    assert sum(decode_webp(path.read_bytes())[1]) == 500


def test_odd_sides_are_made_even_for_mp4(make_picture):
    from transforms.media.video.mp4 import decode_mp4

    frames = np.stack([make_picture(33, 47, i) for i in range(3)])
    assert decode_mp4(encode_animation(frames, fps=8, ending=".mp4")).shape == (3, 34, 48, 3)


def test_thin_keeps_ends_and_duration(make_picture):
    frames = np.arange(100, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    few, fps = thin(frames, 25.0, most=10)
    assert (few[0, 0, 0, 0], few[-1, 0, 0, 0], len(few)) == (0, 99, 10)
    assert len(few) / fps == pytest.approx(100 / 25)
    assert thin(frames, 25.0, most=100)[0] is frames


def test_shrink_only_shrinks(make_picture):
    frames = make_picture(40, 80)[None]
    assert shrink(frames, longest=20).shape == (1, 10, 20, 3)
    assert shrink(frames, longest=200) is frames


def test_errors_name_what_is_wrong(make_picture):
    with pytest.raises(ConfigError, match="at most 50"):
        encode_animation(make_picture(8, 8)[None], fps=60, ending=".gif")
    with pytest.raises(ValueError, match="uint8"):
        encode_animation(np.zeros((1, 8, 8, 3)), fps=8, ending=".webp")
    for path in ("a", "a.jpeg", "b.gif/a"):
        with pytest.raises(ConfigError, match="ending"):
            check_ending(path)
    assert check_ending("x/Y.GIF") == ".gif"


def test_lossy_webp_is_small(make_picture):
    frames = np.stack([make_picture(64, 64, i) for i in range(4)])
    assert len(encode_webp(frames, fps=8, quality=30)) < len(encode_webp(frames, fps=8, lossless=True))


def test_png_is_the_sheet(make_picture):
    import io

    data = encode_animation(np.stack([make_picture(10, 10, i) for i in range(4)]), fps=8, ending=".png")
    assert Image.open(io.BytesIO(data)).size == (24, 24)
