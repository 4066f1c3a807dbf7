"""Opened videos, compared with the ffmpeg command: frames, times, streams, empty packets."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from schemas.records import Reason, SampleError
from transforms.media.video.frames import read_frames
from transforms.media.video.limits import VideoLimits
from transforms.media.video.reader import VideoReader
from transforms.media.video.sampling import FrameSampling, resample

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="compares with the ffmpeg command")
SIDE = 64
EVERY = ("-fps_mode", "passthrough")
SOURCE = f"testsrc2=size={SIDE}x{SIDE}:rate=25:duration=3"
ENCODERS = {
    "mp4": ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "12", "-pix_fmt", "yuv420p"],
    "b.mp4": ["-c:v", "libx264", "-bf", "3", "-crf", "12", "-pix_fmt", "yuv420p"],
    "mkv": ["-c:v", "libx264", "-bf", "3", "-crf", "12", "-pix_fmt", "yuv420p"],
    "webm": ["-c:v", "libvpx", "-crf", "6", "-b:v", "2M"],
    "avi": ["-c:v", "mpeg4", "-q:v", "2"],
    "ogv": ["-c:v", "libtheora", "-q:v", "8"],
    "flv": ["-c:v", "flv", "-q:v", "2"],
    "ts": ["-c:v", "mpeg2video", "-q:v", "2"],
}
KEPT = {  # frames of a variable frame rate, by number n and time t
    "sparse end": "if(lt(t,1),1,not(mod(n,7)))",
    "gap": "if(between(t,1,2),0,1)",
    "one in eleven": "not(mod(n,11))",
    "one, then two": "eq(n,0)+eq(n,60)+eq(n,61)",
    "at random": "lt(random(3),0.3)",
}


def ffmpeg(*arguments: object) -> bytes:
    command = ["ffmpeg", "-nostdin", "-y", "-loglevel", "error", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def made(path: Path, *options: str, source: str = SOURCE, ending: str = "") -> Path:
    ffmpeg("-f", "lavfi", "-i", source, *options, *ENCODERS[ending or path.name.partition(".")[2]], path)
    return path


def shown(path: Path, *ways: tuple[str, str]) -> list[list[bytes]]:
    """The frames that ffmpeg puts out, as grey pixels, with each of some options: one process for all."""
    outputs = [path.with_name(f"{path.name}.{number}.raw") for number in range(len(ways))]
    raw = ("-f", "rawvideo", "-pix_fmt", "gray")
    ffmpeg("-i", path, *(part for way, out in zip(ways, outputs, strict=True) for part in (*way, *raw, out)))
    pixels = [out.read_bytes() for out in outputs]
    return [[one[at : at + SIDE * SIDE] for at in range(0, len(one), SIDE * SIDE)] for one in pixels]


def assert_same_frames(path: Path, rates: tuple[int, ...] = (5, 12), *, all_decode: bool = True) -> None:
    """The ordinals of `ffmpeg -r RATE` are ours, by the times of the frames and, where all frames decode, by
    those in the packets.
    """
    every, *of_rates = shown(path, EVERY, *(("-r", str(rate)) for rate in rates))
    with path.open("rb") as stream:
        reader = VideoReader(stream, VideoLimits(), SIDE)
        stated = reader.stated_times()
        seen = reader.decode(set())[1]
    assert len(seen.times) == len(every)
    for rate, frames in zip(rates, of_rates, strict=True):
        wanted = [every.index(frame) for frame in frames]
        assert resample(seen.times, reader.fps, rate, seen.durations, reader.is_alone) == wanted
        if all_decode:
            assert resample(stated.times, reader.fps, rate, stated.durations, reader.is_alone) == wanted


@pytest.mark.parametrize("ending", ENCODERS)
def test_a_constant_frame_rate(tmp_path: Path, ending: str) -> None:
    assert_same_frames(made(tmp_path / f"a.{ending}"))


@pytest.mark.parametrize("fps", ["7", "2", "1", "60", "24000/1001"])
def test_other_frame_rates(tmp_path: Path, fps: str) -> None:
    source = f"testsrc2=size={SIDE}x{SIDE}:rate={fps}:duration=4"
    assert_same_frames(made(tmp_path / "a.b.mp4", source=source, ending="b.mp4"))


@pytest.mark.parametrize("ending", ["mp4", "b.mp4", "mkv", "webm", "avi"])
@pytest.mark.parametrize("kept", KEPT)
def test_a_variable_frame_rate(tmp_path: Path, ending: str, kept: str) -> None:
    options = ("-vf", f"select='{KEPT[kept]}'", "-fps_mode", "vfr")
    assert_same_frames(made(tmp_path / f"a.{ending}", *options, ending=ending))


@pytest.mark.parametrize("ending", ["ogv", "avi"])
def test_empty_packets_repeat_a_frame_and_are_no_damage(tmp_path: Path, ending: str) -> None:
    still = f"color=c=red:size={SIDE}x{SIDE}:rate=25:duration=2"
    path = made(tmp_path / f"a.{ending}", source=still)
    with path.open("rb") as stream:
        video = read_frames(stream, FrameSampling(), VideoLimits(), size=SIDE)
    assert len(video.frames_THWC) == len(shown(path, ("-r", "5"))[0])
    gaps = made(tmp_path / f"b.{ending}", "-vf", "select='if(between(t,1,2),0,1)'", "-fps_mode", "vfr")
    assert_same_frames(gaps)


@pytest.mark.parametrize("order", [("64x64", "128x128"), ("128x128", "64x64")])
@pytest.mark.parametrize("default", [None, 0, 1])
@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_of_several_streams_the_one_that_ffmpeg_takes(tmp_path: Path, order, default, ending: str) -> None:
    path = tmp_path / f"two.{ending}"
    inputs = [
        part for size in order for part in ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate=5:duration=1")
    ]
    flags = [f"-disposition:v:{stream}" for stream in (0, 1)]
    values = ["default" if stream == default else "0" for stream in (0, 1)]
    chosen = [part for pair in zip(flags, values, strict=True) for part in pair]
    ffmpeg(*inputs, "-map", "0:v", "-map", "1:v", *ENCODERS["mkv"], *chosen, path)
    frame = ffmpeg("-i", path, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-")
    with path.open("rb") as stream:
        video = read_frames(stream, FrameSampling(), VideoLimits(), size=SIDE)
    assert video.original_size[0] == round(len(frame) ** 0.5)


def test_an_index_that_claims_billions_of_samples_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "a.mp4")
    whole = path.read_bytes()
    at = whole.index(b"stsz") + 8
    path.write_bytes(whole[:at] + (9).to_bytes(4, "big") + (2**31).to_bytes(4, "big") + whole[at + 8 :])
    with path.open("rb") as stream, pytest.raises(SampleError, match="its index claims 2147483648") as caught:
        read_frames(stream, FrameSampling(), VideoLimits())
    assert caught.value.reason == Reason.TOO_LARGE


def test_a_truncated_file_gives_the_frames_that_ffmpeg_gives(tmp_path: Path) -> None:
    path = made(tmp_path / "a.mkv")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with path.open("rb") as stream:
        reader = VideoReader(stream, VideoLimits(broken="use"), SIDE)
        reader.stated_times()
        taken, seen = reader.decode({0})
    assert np.shape(taken[0]) == (SIDE, SIDE, 3)
    assert abs(len(seen.times) - len(shown(path, EVERY)[0])) <= 1


@pytest.mark.parametrize("ending", ["ts", "ogv", "mkv", "mp4"])
def test_sound_that_begins_before_the_picture_moves_no_frame(tmp_path: Path, ending: str) -> None:
    """MPEG-TS counts from the picture on, other containers from the sound."""
    video = made(tmp_path / f"a.{ending}")
    sound = ("-f", "lavfi", "-i", "sine=duration=3")
    both = tmp_path / f"both.{ending}"
    ffmpeg("-itsoffset", "0.7", "-i", video, *sound, "-map", "0", "-map", "1", "-c:v", "copy", both)
    with both.open("rb") as stream:
        first = VideoReader(stream, VideoLimits(), SIDE).stated_times().times[0]
    assert (first < 0.1) == (ending == "ts")
    assert_same_frames(both)


@pytest.mark.parametrize("with_sound", [False, True])
def test_a_recording_without_a_key_frame_at_its_start(tmp_path: Path, with_sound: bool) -> None:
    """ffmpeg repeats a late first frame from time 0 on, except in a file of one stream."""
    options = ["-g", "30", "-bf", "0"]
    if with_sound:
        options = ["-f", "lavfi", "-i", "sine=duration=3", "-map", "0", "-map", "1", *options]
    path = made(tmp_path / "a.ts", *options)
    packets = [path.read_bytes()[at : at + 188] for at in range(0, path.stat().st_size, 188)]
    tables = [packet for packet in packets[:4] if (packet[1] & 0x1F) << 8 | packet[2] in (0, 17, 4096)]
    kept = packets[len(packets) // 4 :]
    path.write_bytes(b"".join([*tables, *kept]))
    assert_same_frames(path, all_decode=False)


def test_recordings_joined_byte_by_byte_follow_each_other(tmp_path: Path) -> None:
    sources = [SOURCE, f"testsrc=size={SIDE}x{SIDE}:rate=25:duration=2", f"mandelbrot=size={SIDE}x{SIDE}"]
    parts = [
        made(tmp_path / f"{number}.ts", "-frames:v", "50", "-output_ts_offset", offset, source=source)
        for number, (source, offset) in enumerate(zip(sources, ("0", "0", "500"), strict=True))
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert_same_frames(joined)
    with joined.open("rb") as stream:
        assert 5.8 < read_frames(stream, FrameSampling(), VideoLimits(), size=SIDE).seconds < 6.2
