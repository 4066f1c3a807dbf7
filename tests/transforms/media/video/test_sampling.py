from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from schemas.errors import ConfigError
from transforms.media.video.sampling import FrameSampling, choose_frames, pick, resample, uniform

REFERENCE = json.loads((Path(__file__).parents[3] / "data/clip2video/sampling_and_tokens.json").read_text())[
    "sampling"
]


@pytest.mark.parametrize("case", REFERENCE, ids=lambda c: f"{c['frames_on_disk']}-{c['feature_framerate']}")
def test_pick_takes_the_frames_that_clip2video_takes(case):
    picked = pick(case["frames_on_disk"], case["feature_framerate"], case["max_frames"])
    assert picked == (case["indices"] or [])


# the first frames that `ffmpeg -r 5` (5.1) put out, found by comparing pixels
FFMPEG = [
    (25, 26, [0, 1, 4, 9, 14, 19]),
    (7, 8, [0, 1, 2, 3, 4, 5]),
    (2, 4, [0, 0, 1, 1, 1, 2]),
    (5, 4, [0, 1, 2, 3]),
]


@pytest.mark.parametrize(("fps", "count", "starts"), FFMPEG)
def test_resample_begins_as_ffmpeg_does(fps, count, starts):
    found = resample([i / fps for i in range(count)], fps)
    assert found[: len(starts)] == starts


def test_resample_holds_a_frame_through_a_gap_and_before_a_late_start():
    assert resample([0.0, 0.2, 1.0, 1.2], 5)[:6] == [0, 1, 1, 1, 2, 2]
    assert resample([0.8, 1.0], 5) == [0, 0, 0, 0, 0, 1]


def test_a_video_too_short_for_its_feature_framerate_gives_its_one_frame():
    assert pick(1, 2, 12) == []
    assert choose_frames([0.0], 25, FrameSampling(feature_framerate=2)) == [0]
    assert choose_frames([], 25, FrameSampling()) == []


def test_uniform_takes_the_middles():
    assert uniform(5, 12) == [0, 1, 2, 3, 4]
    assert uniform(24, 4) == [3, 9, 15, 21]
    assert choose_frames([i / 25 for i in range(24)], 25, FrameSampling(policy="uniform", max_frames=4)) == [
        3,
        9,
        15,
        21,
    ]


def test_unusable_settings_are_refused():
    with pytest.raises(ConfigError, match="rate"):
        FrameSampling.make({"rate": 0})
    with pytest.raises(ConfigError, match="feature_framerate"):
        FrameSampling.make({"feature_framerate": 0})


@pytest.mark.parametrize("policy", ["clip2video", "uniform"])
def test_only_the_first_seconds_of_a_video_are_taken(policy):
    times = [i / 25 for i in range(2500)]  # 100 s
    taken = choose_frames(times, 25.0, FrameSampling(policy=policy, max_frames=64, seconds=30.0))
    whole = choose_frames(times, 25.0, FrameSampling(policy=policy, max_frames=64))
    assert 29 < times[taken[-1]] < 30
    assert times[whole[-1]] > 90
    first = choose_frames([5.0, 6.0], 1.0, FrameSampling(policy=policy, seconds=1.0))
    assert set(first) == {0}
    until = FrameSampling(policy="uniform", seconds=2.0)
    assert choose_frames([0.0, 1.0, 2.0, 3.0], 1.0, until) == [0, 1], "a frame at the end is beyond it"


def test_one_frame_a_second_of_thirty_is_clip4clips_protocol_of_didemo():
    times = [i / 25 for i in range(1500)]
    taken = choose_frames(times, 25.0, FrameSampling(rate=1.0, seconds=30.0, max_frames=64))
    assert 30 <= len(taken) <= 32  # ffmpeg takes frames 0 and 1 first
    assert all(0.5 < times[b] - times[a] < 1.5 for a, b in pairwise(taken[1:]))
