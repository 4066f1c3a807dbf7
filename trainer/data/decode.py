"""From a sample's bytes to uint8 frames, or to a picture and the camera's path over it. Runs in the loader's workers.

Only decoders of pictures and videos are ever applied to a member; nothing in a shard can run code.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import simplejpeg

from schemas.clip import ClipMeta
from schemas.keys import derive_seed
from storage.shards import RawSample
from trainer.data.config import DataConfig
from trainer.data.pixels import Pixels
from transforms.motions.mix import draw
from transforms.rendering.homography import checked_quads

In = TypeVar("In")
Out = TypeVar("Out")
MAX_PIXELS = 100_000_000  # of a picture, looked up before memory is taken for it
MAX_VIDEO_PIXELS = 1_000_000_000  # of all frames of a video, which are held at a time (1.5 bytes each)


@dataclass(frozen=True, slots=True)
class Decoded:
    """One sample, ready to be collated: either frames, or a picture with the camera's path."""

    key: str
    video_id: int  # int64; equal for samples of the same picture or video
    captions: tuple[str, ...]  # one in training, all in evaluation
    frames_THWC: np.ndarray | None  # uint8 RGB, at most `frames` of them
    picture_HWC: np.ndarray | None  # uint8 RGB, any size
    quads_T42: np.ndarray | None  # float32, fractions of the picture, T as above


@dataclass(frozen=True, slots=True)
class _Opened:
    """A sample whose description has been read and found in order."""

    sample: RawSample
    epoch: int
    meta: ClipMeta
    captions: tuple[str, ...]
    picture: bytes | None  # of a still


class Decoder:
    """Decodes samples for training (one caption, the camera drawn anew each epoch) or evaluation (all captions, as stored)."""

    def __init__(
        self, config: DataConfig, *, frames: int, size: tuple[int, int], seed: int, training: bool
    ) -> None:
        """`frames`: at most so many in a clip; `size`: height and width that the model takes, in pixels."""
        self._config, self._frames, self._size, self._seed, self._training = (
            config,
            frames,
            size,
            seed,
            training,
        )
        self._fresh = training and config.camera == "fresh"
        self._jitter = training and config.frame_jitter == "clip2video"

    def __call__(self, sample: RawSample, epoch: int) -> Decoded:
        """Decode one sample. Raises ValueError or OSError if a member is missing or broken."""
        (decoded,) = self.all([(sample, epoch)])
        if isinstance(decoded, Exception):
            raise decoded
        return decoded

    def all(
        self, samples: Sequence[tuple[RawSample, int]], pixels: Pixels | None = None
    ) -> list[Decoded | Exception]:
        """Decode samples, each with its epoch, stills' pictures into `pixels`; a sample that cannot be decoded is its error.

        All are brought through one step before the next step begins: the code and tables of a step stay in the processor's
        cache, which is worth a tenth of the time of a still.
        """
        opened = [_unless_broken(self._open, sample) for sample in samples]
        moved = [_unless_broken(self._with_path, sample) for sample in opened]
        return [_unless_broken(partial(self._decode, pixels=pixels), sample) for sample in moved]

    def _open(self, sample_and_epoch: tuple[RawSample, int]) -> _Opened:
        sample, epoch = sample_and_epoch
        meta = sample.meta()
        captions = self._captions(sample, meta, epoch)
        picture = _member(sample, ("jpg", "jpeg", "png", "webp")) if meta.store == "still" else None
        return _Opened(sample, epoch, meta, captions, picture)

    def _with_path(self, opened: _Opened) -> tuple[_Opened, np.ndarray | None]:
        if opened.picture is None:
            return opened, None
        return opened, self._draw(opened, opened.picture) if self._fresh else self._stored(opened.meta)

    def _decode(self, moved: tuple[_Opened, np.ndarray | None], pixels: Pixels | None) -> Decoded:
        """The last step, as only it takes memory for the picture: nothing that is taken is given back for another's sake."""
        opened, quads_T42 = moved
        sample = opened.sample
        frames_THWC = picture_HWC = None
        if opened.picture is not None:
            picture_HWC = decode_picture(opened.picture, pixels)
        else:
            rng = (
                np.random.default_rng(derive_seed(self._seed, sample.key, "frames", opened.epoch))
                if self._jitter
                else None
            )
            if opened.meta.store == "mp4":
                frames_THWC = decode_mp4(_member(sample, ("mp4",)), self._frames, self._size, rng)
            else:
                frames_THWC = decode_frames(sample.frames, self._frames, self._size, rng)
        return Decoded(
            sample.key, video_id(opened.meta), opened.captions, frames_THWC, picture_HWC, quads_T42
        )

    def _draw(self, opened: _Opened, picture: bytes) -> np.ndarray:
        trajectory = draw(
            self._config.motions,
            seed=derive_seed(self._seed, opened.meta.key, "epoch", opened.epoch),
            image_size=picture_size(picture),
            frames=self._frames,
            size=self._size,
            fps=opened.meta.fps,
        )
        return trajectory.quads_T42

    def _stored(self, meta: ClipMeta) -> np.ndarray:
        quads_T42 = meta.quads_T42()
        if not len(quads_T42):
            raise ValueError("KEY.json has no quads to animate the still by")
        checked_quads(quads_T42)  # a path that cannot be rendered is found here, where it costs one sample
        return quads_T42[sample_indices(len(quads_T42), self._frames)]

    def _captions(self, sample: RawSample, meta: ClipMeta, epoch: int) -> tuple[str, ...]:
        """All captions in evaluation, one of them in training.

        A phrase that says what the camera does belongs to the stored path: it is left out where the path is drawn anew.
        """
        captions = meta.captions or ((meta.caption,) if meta.caption else ())
        if not captions:
            raise ValueError("no caption")
        if not self._training:
            return captions
        chosen = captions[derive_seed(self._seed, sample.key, "caption", epoch) % len(captions)]
        redrawn = self._fresh and meta.store == "still"
        return (f"{chosen} {meta.motion_phrase}",) if meta.motion_phrase and not redrawn else (chosen,)


def _unless_broken(step: Callable[[In], Out], value: In | Exception) -> Out | Exception:
    """The step's result, or its error: any decoder may raise anything on hostile bytes."""
    if isinstance(value, Exception):
        return value
    try:
        return step(value)
    except Exception as error:
        return error


def video_id(meta: ClipMeta) -> int:
    """A signed 64-bit hash of the picture's or video's identity, so that equal ones can be told in a batch of tensors."""
    text = f"{meta.source}\x1f{meta.image_id or meta.key}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def sample_indices(count: int, limit: int, rng: np.random.Generator | None = None) -> np.ndarray:
    """Indices of at most `limit` of `count` frames, evenly spaced with first and last kept (as CLIP2Video picks them).

    With `rng` as it picks them in training: where they lie six or more apart, each but the first and the last is drawn from
    the half of that distance before it to the half behind it.
    """
    if count <= limit:
        return np.arange(count)
    indices = np.linspace(0, count - 1, limit, dtype=int)
    if rng is not None and limit > 2 and (reach := (indices[1] - indices[0]) // 2) > 2:
        indices[1:-1] += rng.integers(-reach, reach, limit - 2)
    return indices


def picture_size(data: bytes) -> tuple[int, int]:
    """Height and width that a JPEG's, PNG's or WebP's header names. Raises ValueError, also for more than MAX_PIXELS."""
    if data[:2] == b"\xff\xd8":
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
    else:
        from PIL import Image

        try:
            with Image.open(io.BytesIO(data), formats=("PNG", "WEBP")) as header:
                width, height = header.size
        except (OSError, SyntaxError) as error:  # the latter: how Pillow calls a PNG broken
            raise ValueError("not a JPEG, PNG or WebP picture, or a broken one") from error
    if height * width > MAX_PIXELS:
        raise ValueError(f"a picture of {width}x{height} pixels is over the limit of {MAX_PIXELS}")
    return height, width


def decode_picture(data: bytes, pixels: Pixels | None = None) -> np.ndarray:
    """JPEG, PNG or WebP bytes as uint8 RGB [H,W,3], in `pixels` if they are given. Raises ValueError.

    As the picture is stored: quads are fractions of it, so a note in it that it be turned (EXIF) is not followed.
    """
    height, width = picture_size(data)
    if pixels is None:
        return _decode(data, np.empty((height, width, 3), np.uint8))
    before = pixels.used
    try:
        return _decode(data, pixels.room(height, width))
    except Exception:
        pixels.used = before
        raise


def _decode(data: bytes, room: np.ndarray) -> np.ndarray:
    if data[:2] == b"\xff\xd8":
        decoded: np.ndarray = simplejpeg.decode_jpeg(data, colorspace="RGB", buffer=room)
        return decoded
    import cv2

    picture = cv2.imdecode(
        np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    )
    if picture is None or picture.shape != room.shape:
        raise ValueError("a broken PNG or WebP picture")
    room[:] = picture
    return room


def decode_frames(
    members: list[bytes], limit: int, size: tuple[int, int], rng: np.random.Generator | None = None
) -> np.ndarray:
    """Encoded frames as uint8 [T,h,w,3], at most `limit` of them, as `sample_indices` picks them."""
    if not members:
        raise ValueError("no frames")
    return np.stack([fit(decode_picture(members[i]), size) for i in sample_indices(len(members), limit, rng)])


def decode_mp4(
    data: bytes, limit: int, size: tuple[int, int], rng: np.random.Generator | None = None
) -> np.ndarray:
    """A video's frames as uint8 [T,h,w,3], at most `limit` of them, as `sample_indices` picks them of what could be decoded."""
    import av

    with av.open(io.BytesIO(data), "r") as container:
        if not container.streams.video:
            raise ValueError("no video stream")
        stream = container.streams.video[0]
        stream.thread_type = "NONE"  # the workers are the parallelism
        frames, pixels = [], 0  # as YUV: only those that are used are converted
        for frame in container.decode(stream):
            frames.append(frame)
            pixels += frame.width * frame.height
            if pixels > MAX_VIDEO_PIXELS:  # a few kilobytes can hold hours of black
                raise ValueError(f"a video of more than {MAX_VIDEO_PIXELS} pixels over its frames")
    if not frames:
        raise ValueError("no frames")
    picked = sample_indices(len(frames), limit, rng)
    return np.stack([fit(frames[i].to_ndarray(format="rgb24"), size) for i in picked])


def fit(frame_HWC: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A frame at the model's size: as it is if it has it, else CLIP's way, bicubic by the tighter side and centre crop."""
    height, width = frame_HWC.shape[:2]
    if (height, width) == size:
        return frame_HWC
    from PIL import Image

    scale = max(size[0] / height, size[1] / width)
    to = max(size[0], round(height * scale)), max(size[1], round(width * scale))
    resized = Image.fromarray(frame_HWC).resize((to[1], to[0]), Image.Resampling.BICUBIC)
    top, left = (to[0] - size[0]) // 2, (to[1] - size[1]) // 2
    return np.asarray(resized)[top : top + size[0], left : left + size[1]]


def _member(sample: RawSample, names: tuple[str, ...]) -> bytes:
    for name in names:
        if name in sample.members:
            return sample.members[name]
    raise ValueError(f"KEY.{names[0]} is missing; the sample has {', '.join(sample.members)}")
