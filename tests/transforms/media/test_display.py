"""Display matrices: all eight ways to turn and mirror a frame, in a file and against ffmpeg."""

from __future__ import annotations

import shutil
import struct
import subprocess

import av
import numpy as np
import pytest
from PIL import Image
from skimage import data

from transforms.media.display import upright
from transforms.media.video.frames import read_frames
from transforms.media.video.limits import VideoLimits
from transforms.media.video.sampling import FrameSampling

T = Image.Transpose
PICTURE = Image.fromarray(data.astronaut()).resize((64, 48))
# name -> (a, b, c, d) of the matrix, and the picture as ffmpeg shows it
TURNS = {
    "none": ((1, 0, 0, 1), None),
    "hflip": ((-1, 0, 0, 1), T.FLIP_LEFT_RIGHT),
    "vflip": ((1, 0, 0, -1), T.FLIP_TOP_BOTTOM),
    "half": ((-1, 0, 0, -1), T.ROTATE_180),
    "clockwise": ((0, 1, -1, 0), T.ROTATE_270),
    "counterclockwise": ((0, -1, 1, 0), T.ROTATE_90),
    "transpose": ((0, 1, 1, 0), T.TRANSPOSE),
    "transverse": ((0, -1, -1, 0), T.TRANSVERSE),
}


def matrix(name: str, scale: float = 1.0) -> list[int]:
    a, b, c, d = (int(value * scale * 65536) for value in TURNS[name][0])
    return [a, b, 0, c, d, 0, 0, 0, 1 << 30]


@pytest.mark.parametrize("name", TURNS)
@pytest.mark.parametrize("scale", [1.0, 0.5, 3.0])
def test_every_quarter_turn_and_mirror(name: str, scale: float) -> None:
    turn = TURNS[name][1]
    wanted = PICTURE if turn is None else PICTURE.transpose(turn)
    np.testing.assert_array_equal(upright(np.asarray(PICTURE), matrix(name, scale)), np.asarray(wanted))


def test_other_matrices_leave_the_frame_or_go_to_the_nearest_quarter_turn() -> None:
    image = np.asarray(PICTURE)
    assert upright(image, None) is image
    np.testing.assert_array_equal(upright(image, [0] * 9), image)
    np.testing.assert_array_equal(upright(image, [60000, 20000, 0, -20000, 60000, 0, 0, 0, 1 << 30]), image)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="compares with the ffmpeg command")
@pytest.mark.parametrize("name", TURNS)
def test_a_file_is_shown_as_ffmpeg_shows_it(tmp_path, name: str) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(PICTURE), format="rgb24")))
        container.mux(stream.encode(None))
    whole = path.read_bytes()
    at = whole.find(b"tkhd") + 4 + 40  # after version, flags .. volume (ISO/IEC 14496-12, 8.3.2)
    path.write_bytes(whole[:at] + struct.pack(">9i", *matrix(name)) + whole[at + 36 :])
    shown = tmp_path / "shown.png"
    subprocess.run(["ffmpeg", "-v", "0", "-i", str(path), "-frames:v", "1", str(shown)], check=True)
    wanted = np.asarray(Image.open(shown).convert("RGB")).astype(int)
    with path.open("rb") as stream:
        video = read_frames(stream, FrameSampling(max_frames=1), VideoLimits(), size=48)
    assert video.original_size == wanted.shape[:2]
    top, left = (wanted.shape[0] - 48) // 2, (wanted.shape[1] - 48) // 2
    error = np.abs(video.frames_THWC[0].astype(int) - wanted[top : top + 48, left : left + 48]).mean()
    assert error < 6
