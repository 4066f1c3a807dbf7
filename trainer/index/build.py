"""Building an index: embed every clip of some shards, once, so that they can be searched."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from schemas.errors import ConfigError
from schemas.text import one_line
from storage.local import local_copy
from storage.shards.read import ShardError
from storage.uris import join
from trainer.data.shards import ShardSet
from trainer.device.precision import choose_device, memory_advice
from trainer.index.config import IndexSettings
from trainer.index.identity import identify, vanished
from trainer.index.lock import writing
from trainer.index.shard import embed_shard
from trainer.index.store import (
    MODEL_FOLDER,
    IndexInfo,
    Part,
    PartArrays,
    PartInfo,
    create,
    read_info,
    read_parts,
    relocate,
    remove_part,
    write_part,
)
from trainer.model.clip2video import CLIP2Video
from trainer.model.config import InteractionConfig
from trainer.model.io import WEIGHTS_FILE, follow, load_model, model_files, read_config
from trainer.model.tokenizer import TOKENIZER_FILE
from trainer.retrieval.embed import Embedder


@dataclass(frozen=True)
class Indexed:
    """The result of a run of `index`."""

    shards: int  # embedded now
    skipped: int  # in the index already, or of the same bytes as another
    clips: int  # embedded now
    dropped: tuple[str, ...]  # samples that could not be used, each with its reason
    broken: tuple[str, ...]  # shards that could not be read to their end; they are not in the index
    missing: tuple[str, ...] = ()  # indexed shards that no longer exist; the index still has their clips
    pruned: int = 0  # indexed shards that no longer existed, and were removed from the index


def index(
    checkpoint: str | Path,
    shards: str | Sequence[str],
    output: str | Path,
    settings: IndexSettings | None = None,
    *,
    prune: bool = False,
) -> Indexed:
    """Embed the shards that the index in `output` does not have yet, each whole or not at all.

    An empty folder begins an index.

    A shard is known by its content, see `trainer.index.identity`. A rewritten shard replaces its earlier
    part. A deleted one stays until `prune` removes it. Raises ConfigError (another model's index, another
    process writing), ValueError if the model's features are not finite, MemoryError with what to lower,
    OSError.
    """
    settings = settings or IndexSettings()
    found = ShardSet.find(shards)
    folder = str(output)
    with writing(folder) as lock:
        embedder, info = _open(checkpoint, folder, settings)
        known = {part.info.content: part for part in read_parts(folder, info)}
        here = identify(found.uris)
        made = _Made()
        for uri, content in _progress(here):
            part = known.get(content)
            # The shard was moved: its bytes are here, and not at the path that the part names.
            if part is not None and here.get(part.info.shard) != content:
                relocate(part, uri)
            # Of shards with the same bytes one is embedded.
            if part is not None or content in made.parts:
                continue
            try:
                arrays, dropped = _embedded(embedder, uri, settings)
            except (ShardError, OSError) as error:
                made.broken[uri] = one_line(error)
                continue
            made.parts[content] = PartInfo(uri, content, len(arrays.keys), len(dropped))
            made.dropped += dropped
            # Embedding takes long, and a lease may be lost meanwhile.
            lock.check()
            write_part(folder, made.parts[content], arrays)
        lock.check()
        gone = _tidy(known, here, made.broken, prune)
    return made.result(here, [part.info.shard for part in gone], prune)


@dataclass
class _Made:
    """The shards that a run has embedded so far."""

    parts: dict[str, PartInfo] = field(default_factory=dict)  # by content identifier
    dropped: list[str] = field(default_factory=list)  # samples, each with its reason
    broken: dict[str, str] = field(default_factory=dict)  # shard -> why it cannot be read

    def result(self, here: Mapping[str, str], gone: Sequence[str], prune: bool) -> Indexed:
        """Sum up, given the shards that were found and those that no longer exist."""
        missing, pruned = tuple(gone), 0
        if prune:
            missing, pruned = (), len(gone)
        return Indexed(
            shards=len(self.parts),
            skipped=len(here) - len(self.parts) - len(self.broken),
            clips=sum(part.clips for part in self.parts.values()),
            dropped=tuple(self.dropped),
            broken=tuple(self.broken.values()),
            missing=missing,
            pruned=pruned,
        )


def _embedded(embedder: Embedder, uri: str, settings: IndexSettings) -> tuple[PartArrays, list[str]]:
    """The arrays of a shard, and the samples that are left out, each with its reason."""
    size = settings.batch_size
    with memory_advice(f"lower --batch-size (now {size}); the same command continues from here"):
        return embed_shard(embedder, uri, workers=settings.workers, batch_size=size)


def _tidy(
    known: Mapping[str, Part], here: Mapping[str, str], broken: Container[str], prune: bool
) -> list[Part]:
    """Remove parts of rewritten shards and, with `prune`, of deleted ones.

    Returns the parts whose shards are gone.
    """
    contents = set(here.values())
    others = [part for content, part in known.items() if content not in contents]
    # Only now: until all shards were looked at, the bytes of a part might have been found at another path.
    for part in others:
        if part.info.shard in here and part.info.shard not in broken:
            remove_part(part.path)
    elsewhere = [part for part in others if part.info.shard not in here]
    try:
        shards = vanished([part.info.shard for part in elsewhere])
    except (OSError, ConfigError):  # a store that cannot be asked
        if prune:
            raise
        return []
    gone = [part for part in elsewhere if part.info.shard in shards]
    if prune:
        for part in gone:
            remove_part(part.path)
    return gone


def model_fingerprint(checkpoint: Path, mixing: InteractionConfig | None = None) -> str:
    """Sixteen hex digits over a local checkpoint's weights and model config. Raises ConfigError.

    How candidates are re-ranked changes no vector: `interaction.weight` and `top_k` count as their defaults,
    or as those of `mixing`.
    """
    config, mixing = read_config(checkpoint).to_dict(), mixing or InteractionConfig()
    config["interaction"] |= {"weight": mixing.weight, "top_k": mixing.top_k}
    tokenizer = config.pop("tokenizer")  # a path; the file's content counts
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    names = [WEIGHTS_FILE]
    if tokenizer is not None:
        names.append(TOKENIZER_FILE)
    for name in names:
        try:
            with (checkpoint / name).open("rb") as stream:
                while block := stream.read(1 << 22):
                    digest.update(block)
        except OSError as error:
            raise ConfigError(f"checkpoint {checkpoint}: {name} cannot be read: {error}") from None
    return digest.hexdigest()[:16]


def _open(checkpoint: str | Path, folder: str, settings: IndexSettings) -> tuple[Embedder, IndexInfo]:
    """The model, and the index begun or checked to be of this model."""
    before = read_info(folder)
    with ExitStack() as copy:
        try:
            local = copy.enter_context(local_copy(follow(checkpoint), model_files(checkpoint)))
        except OSError as error:
            raise ConfigError(f"checkpoint {checkpoint} cannot be read: {error}") from None
        fingerprint = model_fingerprint(local)
        if before is not None and before.model != fingerprint:
            mixing = read_config(join(folder, MODEL_FOLDER)).interaction  # older indexes counted theirs
            if before.model != model_fingerprint(local, mixing):
                raise ConfigError(
                    f"output={folder} was indexed by model {before.model}, {checkpoint} is {fingerprint}: "
                    "their vectors cannot "
                    "be compared; index into another folder"
                )
            fingerprint = before.model
        model = load_model(local)
        tokens = settings.tokens
        if tokens is None and before:
            tokens = before.tokens is not None
        elif tokens is None:
            tokens = model.config.interaction.enabled
        info = _index_info(model, fingerprint, tokens=tokens)
        if before is not None and before != info:
            was, remedy = "without", "drop"
            if before.tokens:
                was, remedy = "with", "add"
            raise ConfigError(
                f"output={folder} was created {was} tokens; {remedy} --tokens, or use a new folder"
            )
        if before is None:
            create(folder, local, info)
    with memory_advice("the GPU has no room for the model; is it in use? Free it, or give --device cpu"):
        return Embedder(model, choose_device(settings.device), settings.precision, tokens=tokens), info


def _index_info(model: CLIP2Video, fingerprint: str, *, tokens: bool) -> IndexInfo:
    """Describe an index of this model. With TAB one row holds both vectors of a clip."""
    width = model.width
    if model.tab is not None:
        width *= 2
    shape = None
    if tokens:
        shape = (model.config.max_frames, model.width)
    return IndexInfo(fingerprint, width, shape)


def _progress(shards: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    return tqdm(shards.items(), unit="shard", desc="index", disable=not sys.stderr.isatty(), leave=False)
