"""`zoetrope export`: a checkpoint or an index in the layout of another library."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import ConfigError
from schemas.text import nearest_hint
from storage.folders import first_name
from storage.local import local_copy
from storage.read import exists, kind
from storage.uris import join, local_path
from storage.write import flush_to_disk, partial_name, upload, written_folder
from trainer.export.clip2video import write_clip2video
from trainer.export.embeddings import CLIPS, write_faiss, write_npy, write_parquet
from trainer.export.huggingface import CONFIG as HUGGINGFACE_CONFIG
from trainer.export.huggingface import write_huggingface
from trainer.export.openclip import CONFIG as OPEN_CLIP_CONFIG
from trainer.export.openclip import write_open_clip
from trainer.index.store import INDEX_FILE, IndexInfo, Part, read_info, read_parts
from trainer.model.clip2video import CLIP2Video
from trainer.model.io import CONFIG_FILE, follow, load_model


@dataclass(frozen=True)
class ModelLayout:
    """A layout for a checkpoint."""

    write: Callable[[CLIP2Video, Path], str]
    last: str | None  # of a folder the file that makes it whole; None for a single file
    part: str  # what of the model it holds


@dataclass(frozen=True)
class VectorLayout:
    """A layout for the vectors of an index."""

    write: Callable[[IndexInfo, Sequence[Part], Path], str]
    last: str | None


MODELS = {
    "open_clip": ModelLayout(write_open_clip, OPEN_CLIP_CONFIG, "towers"),
    "huggingface": ModelLayout(write_huggingface, HUGGINGFACE_CONFIG, "towers"),
    "clip2video": ModelLayout(write_clip2video, None, "model"),
}
VECTORS = {
    "parquet": VectorLayout(write_parquet, None),
    "npy": VectorLayout(write_npy, CLIPS),
    "faiss": VectorLayout(write_faiss, CLIPS),
}


@dataclass(frozen=True)
class Exported:
    """The result of an export."""

    what: str  # "towers", "model", or "1,000 vectors"
    how_to_read: str  # one line: an expression of Python, or the options of the model


def export(source: str | Path, to: str, output: str | Path, *, trained_weights: bool = False) -> Exported:
    """Write a checkpoint or an index to `output`, a new file or folder, whole or not at all.

    `to` is open_clip, huggingface or clip2video for a checkpoint; parquet, npy or faiss for an index.
    `trained_weights`: of a run with optim.ema, not the averages. Raises ConfigError: no such layout, a source
    of the other kind, an output that exists, a model that the layout cannot hold.
    """
    if to not in {**MODELS, **VECTORS}:
        known = ", ".join((*MODELS, *VECTORS))
        raise ConfigError(f"--to {to!r} must be one of {known}{nearest_hint(to, (*MODELS, *VECTORS))}")
    _check_new(str(output))
    if to in MODELS:
        return _export_model(str(source), MODELS[to], str(output), trained=trained_weights)
    if trained_weights:
        raise ConfigError(f"--trained-weights has no effect with --to {to}; leave it out")
    return _export_vectors(str(source), to, str(output))


def _export_model(source: str, layout: ModelLayout, output: str, *, trained: bool) -> Exported:
    folder = follow(source)
    if not exists(join(folder, CONFIG_FILE)) and exists(join(folder, INDEX_FILE)):
        raise ConfigError(f"{source} is an index; its vectors go --to {', '.join(VECTORS)}")
    model = load_model(source, trained=trained)
    if model.config.tokenizer is not None:
        raise ConfigError(
            f"{source} reads captions with a tokenizer file, and the layouts of a checkpoint hold CLIP's "
            "vocabulary alone; the vectors of an index of it can be exported"
        )
    with _written(output, layout.last) as place:
        how = layout.write(model, place)
    return Exported(layout.part, how.format(output=output.rstrip("/")))


def _export_vectors(source: str, to: str, output: str) -> Exported:
    info = read_info(source)
    if info is None:
        raise ConfigError(
            f"{source} is no index; make one with `zoetrope index CHECKPOINT SHARDS -o INDEX`, or export a "
            f"checkpoint --to {', '.join(MODELS)}"
        )
    layout = VECTORS[to]
    with local_copy(source) as folder:
        parts = read_parts(folder, info)
        with _written(output, layout.last) as place:
            how = layout.write(info, parts, place)
    return Exported(
        f"{sum(part.info.clips for part in parts):,} vectors", how.format(output=output.rstrip("/"))
    )


def _check_new(output: str) -> None:
    if kind(output) == "file" or first_name(output) is not None:
        raise ConfigError(f"output {output} exists already; give another name or remove it")


def _written(output: str, last: str | None) -> AbstractContextManager[Path]:
    if last is None:
        return _written_file(output)
    return written_folder(output, last)


@contextmanager
def _written_file(uri: str) -> Iterator[Path]:
    """A local file to write. If the block ends well, its content is at `uri`."""
    here = local_path(uri)
    if here is None:
        with tempfile.TemporaryDirectory(prefix="zoetrope-") as temporary:
            yield Path(temporary) / "file"
            upload(Path(temporary) / "file", uri)
        return
    partial = Path(partial_name(here))
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        flush_to_disk(partial)
        os.replace(partial, here)
        flush_to_disk(partial.parent)
    finally:
        partial.unlink(missing_ok=True)
