"""The choice of a video's frames: CLIP2Video's rule, or even spacing. Pure arithmetic on times and counts.

CLIP2Video first writes a video's frames to disk with ``ffmpeg -i VIDEO -r 5``, then picks at most twelve of
those files. `resample` repeats the first step, `pick` the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from schemas.config import Config

# ffmpeg's constant-rate rule (fftools, vsync cfr): how far a frame may be behind or ahead of its place, in
# output frames
_BEHIND, _AHEAD, _HELD, _LATE = -1.1, 1.1, 0.6, 0.5
_NUDGE = 2.0**-17  # ffmpeg moves times off the exact midpoints by this much


class FrameSampling(Config):
    """The frames of a video that become the clip."""

    policy: Literal["clip2video", "uniform"] = Field(
        "clip2video",
        description="clip2video: at `rate`, then every feature_framerate-th, then max_frames; "
        "uniform: evenly spaced",
    )
    rate: float = Field(
        5.0, gt=0, le=240, allow_inf_nan=False, description="frames a second that clip2video starts from"
    )
    feature_framerate: int = Field(
        1,
        ge=1,
        le=240,
        description="clip2video: keep one in so many (published: 2 for MSR-VTT, 1 for MSVD and VATEX)",
    )
    max_frames: int = Field(12, ge=1, le=999, description="at most so many frames in a clip")
    seconds: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="take frames of only the first so many seconds (DiDeMo: 30); null: the whole video",
    )


def choose_frames(
    times: Sequence[float],
    fps: float,
    sampling: FrameSampling,
    durations: Sequence[float] = (),
    is_alone: bool = False,
) -> list[int]:
    """Ordinals of the frames of a clip, in order, some perhaps twice; [] only for a video without frames.

    `times` are the display times of the frames, in order, in seconds from the start of the file. `durations`
    are the seconds for which each is shown (0 or none: unknown). `fps` is the stated frame rate (0: unknown).
    `is_alone`: the file has no other stream.
    """
    if not times:
        return []
    if sampling.seconds is not None:
        times = [time for time in times if time < sampling.seconds] or times[:1]
        durations = durations[: len(times)]
    if sampling.policy == "uniform":
        return uniform(len(times), sampling.max_frames)
    shown = resample(times, fps, sampling.rate, durations, is_alone)
    # CLIP2Video finds no frames in a video that is too short for its feature_framerate; one frame is better
    # than none
    picked = pick(len(shown), sampling.feature_framerate, sampling.max_frames) or [0]
    if shown:
        return [shown[i] for i in picked]
    return [0]


def resample(
    times: Sequence[float],
    fps: float,
    rate: float = 5.0,
    durations: Sequence[float] = (),
    is_alone: bool = False,
) -> list[int]:
    """The frame that each output frame of ``ffmpeg -r rate`` shows, as its ordinal in the input.

    ffmpeg compares the place of each input frame (``time * rate``) with the number of output frames so far.
    It drops a frame that would end more than 1.1 places before the next one. It repeats a frame that reaches
    more than 1.1 places beyond it, and puts out the others once. So the first frames come early (0, 1, 4, 9,
    ... at 25 fps). A first frame that comes late is repeated from time 0 on, but not in a file without other
    streams (`is_alone`, ffmpeg's vscfr). The ordinals equal those of ffmpeg 5.1; the tests compare them.
    """
    shown: list[int] = []
    begun = 0  # the place of the first output frame
    usual = rate / fps if fps > 0 else 0.0  # length of an input frame, in output frames
    held = [0, 0, 0]  # how often the frame before was repeated, for the last three frames
    for frame, time in enumerate(times):
        if durations:
            whole = round(durations[frame] * rate)
        else:
            whole = round(usual)
        length = whole or min(usual, 1.0)
        place = time * rate
        ahead = place + np.sign(place) * _NUDGE - len(shown) - begun
        if is_alone and not shown and ahead >= _LATE:
            begun = round(place)
            ahead = 0.0
        reach = ahead + length
        if ahead < 0 < reach:
            ahead = 0.0
        copies, before = 1, 0
        if reach < _BEHIND:
            copies = 0
        elif reach > _AHEAD:
            copies = round(reach)
            before = 0
            if ahead > _AHEAD:
                before = min(round(ahead - _HELD), copies)
        shown += [max(frame - 1, 0)] * before + [frame] * (copies - before)
        held = [before, *held[:2]]
    return shown + [len(times) - 1] * sorted(held)[1]


def pick(count: int, feature_framerate: int, max_frames: int) -> list[int]:
    """The ordinals that CLIP2Video takes of `count` resampled frames; [] if ``count < feature_framerate``."""
    thinned = np.linspace(0, count - 1, count // feature_framerate, dtype=int)
    if len(thinned) > max_frames:
        thinned = thinned[np.linspace(0, len(thinned) - 1, max_frames, dtype=int)]
    return [int(i) for i in thinned]


def uniform(count: int, max_frames: int) -> list[int]:
    """The middles of `max_frames` equal parts of `count` frames; all of them if there are no more."""
    if count <= max_frames:
        return list(range(count))
    return [int((i + 0.5) * count / max_frames) for i in range(max_frames)]
