"""Open an index, and search it by a text, a picture file or a video file."""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from schemas.errors import ConfigError
from schemas.records import SampleError
from schemas.text import human_bytes
from storage.local import local_copy
from storage.read import open_uri
from trainer.device.precision import choose_device, memory_advice
from trainer.index.searcher import Hit, SearchIndex
from trainer.index.store import MODEL_FOLDER, read_info, read_parts
from trainer.model.io import load_model
from trainer.retrieval.embed import Embedder
from transforms.media.pictures import PictureLimits, decode
from transforms.media.video.frames import read_frames
from transforms.media.video.limits import VideoLimits
from transforms.media.video.sampling import FrameSampling

MAX_PICTURE_BYTES = 64 * 1024 * 1024


def search(
    index: str | Path,
    text: str | None = None,
    *,
    image: str | None = None,
    video: str | None = None,
    top: int = 10,
    rerank: bool = True,
    top_k: int | None = None,
    weight: float | None = None,
) -> list[Hit]:
    """Search an index once, see `SearchIndex.search`; `image` and `video` are files.

    For several searches use `open_index`.
    """
    picture = frames = None
    if image is not None:
        picture = read_picture(image)
    found = open_index(index)
    if video is not None:
        frames = read_video(video, found)
    return found.search(text, image=picture, video=frames, top=top, rerank=rerank, top_k=top_k, weight=weight)


def open_index(index: str | Path, *, device: str = "auto") -> SearchIndex:
    """Open an index for searching.

    Raises ConfigError if it is no index or damaged, MemoryError for the model.
    """
    info = read_info(index)
    if info is None:
        raise ConfigError(f"{index} is no index: make one with `zoetrope index CHECKPOINT SHARDS -o {index}`")
    copy = ExitStack()  # arrays are memory-mapped, so a remote index is copied until this process exits
    try:
        folder = copy.enter_context(local_copy(str(index)))
    except OSError as error:
        raise ConfigError(f"index {index} cannot be read: {error}") from None
    atexit.register(copy.close)
    model = load_model(folder / MODEL_FOLDER)
    with memory_advice("the GPU has no room for the model; is it in use? Free it, or give --device cpu"):
        embedder = Embedder(model, choose_device(device), tokens=info.tokens is not None)
    return SearchIndex(info, read_parts(folder, info), embedder)


def read_picture(path: str) -> np.ndarray:
    """Read a picture file as uint8 RGB [H,W,3]. Raises ConfigError if it is unreadable or too large."""
    try:
        with open_uri(path, pipes=True) as stream:
            data = bytes(stream.read(MAX_PICTURE_BYTES + 1))
        if len(data) > MAX_PICTURE_BYTES:
            raise ConfigError(f"{path}: larger than {human_bytes(MAX_PICTURE_BYTES)}")
        return decode(data, PictureLimits(min_side=8)).image_HWC
    except SampleError as error:
        raise ConfigError(f"{path}: {error.detail}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None


def read_video(path: str, index: SearchIndex) -> np.ndarray:
    """Read a video file as the model of an index sees it: uint8 RGB [T,h,w,3], evenly spaced frames.

    Raises ConfigError if it is unreadable or beyond the limits of `import-videos`.
    """
    sampling = FrameSampling(policy="uniform", max_frames=index.embedder.model.config.max_frames)
    try:
        with open_uri(path) as stream:
            return read_frames(stream, sampling, VideoLimits(), size=index.embedder.size[0]).frames_THWC
    except SampleError as error:
        raise ConfigError(f"{path}: {error.detail}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
