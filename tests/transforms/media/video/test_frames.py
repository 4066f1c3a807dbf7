"""The frames of a video file for a clip."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from made_videos import cut, make_sound, make_video

from schemas.records import Reason, SampleError
from transforms.media.video.frames import VideoFrames, read_frames
from transforms.media.video.limits import VideoLimits
from transforms.media.video.sampling import FrameSampling, pick, resample


def frames_of(path: Path, sampling: FrameSampling | None = None, **limits) -> VideoFrames:
    with path.open("rb") as stream:
        return read_frames(stream, sampling or FrameSampling(), VideoLimits(**limits))


def reason_of(path: Path, **limits) -> Reason:
    with pytest.raises(SampleError) as caught:
        frames_of(path, **limits)
    return caught.value.reason


def position(frame_HWC: np.ndarray) -> float:
    """The middle of the square, 0 to 1 over the frame's width."""
    red = (frame_HWC[..., 0].astype(int) - frame_HWC[..., 2]) > 60
    return float(np.nonzero(red)[1].mean() / frame_HWC.shape[1])


@pytest.mark.parametrize("ending", ["mp4", "avi", "webm", "mkv", "mov"])
def test_the_right_frames_of_each_container(tmp_path, ending):
    video = frames_of(make_video(tmp_path / f"a.{ending}", frames=100))
    assert video.frames_THWC.shape == (12, 224, 224, 3)
    assert video.frames_THWC.dtype == np.uint8
    shown = resample([i / 25 for i in range(100)], 25)
    expected = [shown[i] / 25 for i in pick(len(shown), 1, 12)]
    assert video.timestamps == pytest.approx(expected, abs=2e-3)
    assert video.original_size == (96, 128)
    places = [position(frame) for frame in video.frames_THWC]
    assert places == sorted(places)
    assert places[-1] - places[0] > 0.6


def test_times_count_from_the_files_start(tmp_path):
    video = frames_of(make_video(tmp_path / "late.mkv", times=[10.0 + i / 10 for i in range(30)]))
    assert video.timestamps[0] == 0
    assert video.timestamps[-1] == pytest.approx(2.9, abs=0.2)


def test_variable_frame_rate(tmp_path):
    times = [0.0, 0.2, 0.4, 2.0, 2.2, 2.4, 2.6]
    video = frames_of(make_video(tmp_path / "vfr.mkv", times=times), FrameSampling(max_frames=999))
    assert set(video.timestamps) <= set(times)
    assert len(video.timestamps) > len(times)  # the frame before the gap is repeated


def test_one_frame_is_a_clip_of_one(tmp_path):
    assert (
        frames_of(
            make_video(tmp_path / "one.mp4", frames=1), FrameSampling(feature_framerate=2)
        ).frames_THWC.shape[0]
        == 1
    )


def test_no_video_gives_its_reason(tmp_path):
    whole = make_video(tmp_path / "whole.mp4", frames=100)
    fast = make_video(tmp_path / "fast.mp4", frames=100, options={"movflags": "faststart"})
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("no video at all")
    assert reason_of(tmp_path / "empty.mp4") == Reason.EMPTY_BODY
    assert reason_of(tmp_path / "text.mp4") == Reason.NOT_A_VIDEO
    assert reason_of(make_sound(tmp_path / "sound.mp4")) == Reason.NO_FRAMES
    assert reason_of(cut(whole, tmp_path / "no-index.mp4")) == Reason.CORRUPT
    assert reason_of(cut(fast, tmp_path / "half.mp4", 0.6)) == Reason.TRUNCATED
    assert (
        reason_of(cut(make_video(tmp_path / "a.avi", frames=100), tmp_path / "half.avi")) == Reason.TRUNCATED
    )
    assert 0 < len(frames_of(tmp_path / "half.mp4", broken="use").frames_THWC) <= 12


def test_a_playlist_opens_no_other_file(tmp_path):
    secret = make_video(tmp_path / "secret.mp4")
    for name, text in {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{secret}\n#EXT-X-ENDLIST\n",
        "concat.txt": f"ffconcat version 1.0\nfile '{secret}'\n",
    }.items():
        (tmp_path / name).write_text(text)
        assert reason_of(tmp_path / name) == Reason.NOT_A_VIDEO


def test_limits(tmp_path):
    video = make_video(tmp_path / "a.mp4", frames=100)
    assert reason_of(video, max_pixels=1000) == Reason.TOO_MANY_PIXELS
    assert reason_of(video, max_seconds=1) == Reason.TOO_LARGE
    assert reason_of(video, decode_seconds=1e-9) == Reason.TIMEOUT
    assert reason_of(make_video(tmp_path / "thin.mkv", size=(16, 640))) == Reason.BAD_ASPECT


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes_give_a_clip_or_a_failure(tmp_path, seed):
    data = bytearray(make_video(tmp_path / "a.mp4", frames=50).read_bytes())
    rng = np.random.default_rng(seed)
    for at in rng.integers(0, len(data), 30):
        data[at] = rng.integers(256)
    try:
        clip = read_frames(io.BytesIO(bytes(data)), FrameSampling(), VideoLimits())
    except SampleError:
        return
    assert clip.frames_THWC.shape[1:] == (224, 224, 3)


def test_threads_give_the_same_bytes(tmp_path):
    path = make_video(tmp_path / "a.webm", frames=60)
    with ThreadPoolExecutor(4) as pool:
        results = [v.frames_THWC.tobytes() for v in pool.map(lambda _: frames_of(path), range(8))]
    assert len(set(results)) == 1
