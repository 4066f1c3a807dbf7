"""From a sample's bytes to uint8 frames, or to a picture and the camera's path over it. Runs in the loader's workers.

Only decoders of pictures and videos are ever applied to a member; nothing in a shard can run code.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import numpy as np
import simplejpeg

from schemas.clip import ClipMeta
from schemas.keys import derive_seed
from schemas.shards import RawSample
from trainer.data.config import DataConfig
from trainer.data.pixels import Pixels
from transforms.homography import checked_quads
from transforms.mix import draw

MAX_PIXELS = 100_000_000  # of a picture, looked up before memory is taken for it


@dataclass(frozen=True, slots=True)
class Decoded:
    """One sample, ready to be collated: either frames, or a picture with the camera's path."""

    key: str
    video_id: int  # int64; equal for samples of the same picture or video
    captions: tuple[str, ...]  # one in training, all in evaluation
    frames_THWC: np.ndarray | None  # uint8 RGB, at most `frames` of them
    picture_HWC: np.ndarray | None  # uint8 RGB, any size
    quads_T42: np.ndarray | None  # float32, fractions of the picture, T as above


class Decoder:
    """Decodes samples for training (one caption, the camera drawn anew each epoch) or evaluation (all captions, as stored)."""

    def __init__(self, config: DataConfig, *, frames: int, size: tuple[int, int], seed: int, training: bool) -> None:
        """`frames`: at most so many in a clip; `size`: height and width that the model takes, in pixels."""
        self._config, self._frames, self._size, self._seed, self._training = config, frames, size, seed, training

    def __call__(self, sample: RawSample, epoch: int, pixels: Pixels | None = None) -> Decoded:
        """Decode one sample, a still's picture into `pixels`. Raises ValueError or OSError if a member is missing or broken."""
        meta = sample.meta()
        fresh = self._training and self._config.camera == "fresh"
        frames_THWC = picture_HWC = quads_T42 = None
        if meta.store == "still":
            picture_HWC = decode_picture(_member(sample, ("jpg", "jpeg", "png", "webp")), pixels)
            quads_T42 = self._draw(meta, epoch, picture_HWC) if fresh else self._stored(meta)
        elif meta.store == "mp4":
            frames_THWC = decode_mp4(_member(sample, ("mp4",)), self._frames, self._size)
        else:
            frames_THWC = decode_frames(sample.frames, self._frames, self._size)
        captions = self._captions(sample, meta, epoch, moved=fresh and meta.store == "still")
        return Decoded(sample.key, video_id(meta), captions, frames_THWC, picture_HWC, quads_T42)

    def _draw(self, meta: ClipMeta, epoch: int, picture_HWC: np.ndarray) -> np.ndarray:
        trajectory = draw(
            self._config.motions,
            seed=derive_seed(self._seed, meta.key, "epoch", epoch),
            image_size=(picture_HWC.shape[0], picture_HWC.shape[1]),
            frames=self._frames,
            size=self._size,
            fps=meta.fps,
        )
        return trajectory.quads_T42

    def _stored(self, meta: ClipMeta) -> np.ndarray:
        quads_T42 = meta.quads_T42()
        if not len(quads_T42):
            raise ValueError("KEY.json has no quads to animate the still by")
        checked_quads(quads_T42)  # a path that cannot be rendered is found here, where it costs one sample
        return quads_T42[sample_indices(len(quads_T42), self._frames)]

    def _captions(self, sample: RawSample, meta: ClipMeta, epoch: int, *, moved: bool) -> tuple[str, ...]:
        """All captions in evaluation, one of them in training.

        A phrase that says what the camera does belongs to the stored path: it is left out where the path is drawn anew.
        """
        captions = meta.captions or ((meta.caption,) if meta.caption else ())
        if not captions:
            raise ValueError("no caption")
        if not self._training:
            return captions
        chosen = captions[derive_seed(self._seed, sample.key, "caption", epoch) % len(captions)]
        return (f"{chosen} {meta.motion_phrase}",) if meta.motion_phrase and not moved else (chosen,)


def video_id(meta: ClipMeta) -> int:
    """A signed 64-bit hash of the picture's or video's identity, so that equal ones can be told in a batch of tensors."""
    text = f"{meta.source}\x1f{meta.image_id or meta.key}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def sample_indices(count: int, limit: int) -> np.ndarray:
    """Indices of at most `limit` of `count` frames, evenly spaced with first and last kept (as CLIP2Video picks them)."""
    return np.arange(count) if count <= limit else np.linspace(0, count - 1, limit, dtype=int)


def decode_picture(data: bytes, pixels: Pixels | None = None) -> np.ndarray:
    """JPEG, PNG or WebP bytes as uint8 RGB [H,W,3], in `pixels` if they are given. Raises ValueError."""
    if data[:2] == b"\xff\xd8":
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
        if height * width > MAX_PIXELS:
            raise ValueError(f"a picture of {width}x{height} pixels is over the limit of {MAX_PIXELS}")
        room = None if pixels is None else pixels.room(height, width)
        return simplejpeg.decode_jpeg(data, colorspace="RGB", buffer=room)
    import cv2

    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) if data else None
    if picture is None:
        raise ValueError("not a JPEG, PNG or WebP picture")
    if pixels is None:
        return picture
    room = pixels.room(*picture.shape[:2])
    room[:] = picture
    return room


def decode_frames(members: list[bytes], limit: int, size: tuple[int, int]) -> np.ndarray:
    """Encoded frames as uint8 [T,h,w,3], at most `limit` of them, evenly spaced."""
    if not members:
        raise ValueError("no frames")
    return np.stack([fit(decode_picture(members[i]), size) for i in sample_indices(len(members), limit)])


def decode_mp4(data: bytes, limit: int, size: tuple[int, int]) -> np.ndarray:
    """A video's frames as uint8 [T,h,w,3], at most `limit` of them, evenly spaced over what could be decoded."""
    import av

    with av.open(io.BytesIO(data), "r") as container:
        if not container.streams.video:
            raise ValueError("no video stream")
        stream = container.streams.video[0]
        stream.thread_type = "NONE"  # the workers are the parallelism
        frames = list(container.decode(stream))  # as YUV: only those that are used are converted
    if not frames:
        raise ValueError("no frames")
    return np.stack([fit(frames[i].to_ndarray(format="rgb24"), size) for i in sample_indices(len(frames), limit)])


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
