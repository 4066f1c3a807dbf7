"""`zoetrope index`: embed every clip of some shards, once, so that they can be searched."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from schemas.config import Config, ConfigError
from schemas.manifest import read_manifest
from schemas.shards import ShardError
from schemas.storage import file_size, is_remote, join, local_copy

if TYPE_CHECKING:
    from trainer.embed import Embedder
    from trainer.index_store import IndexInfo
    from trainer.model.config import InteractionConfig

PROGRAM = "zoetrope index"
NAMED = 5  # what was left out, named on the console


class IndexSettings(Config):
    """How to embed."""

    workers: int = Field(4, ge=1, le=256, description="decoding threads")
    batch_size: int = Field(64, ge=1, description="clips embedded at a time; lower it if memory runs out")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA where there is one")
    precision: Literal["bf16", "fp32"] = Field("fp32", description="of the forward pass")
    tokens: bool | None = Field(
        None,
        description="keep frame tokens for re-ranking, T x D x 2 bytes a clip; null: where the model has an interaction module",
    )


@dataclass(frozen=True)
class Indexed:
    """What a run of `index` did."""

    shards: int  # embedded now
    skipped: int  # in the index already
    clips: int  # embedded now
    dropped: tuple[str, ...]  # samples that could not be used, each with its reason
    broken: tuple[str, ...]  # shards that could not be read to their end; they are not in the index


def index(
    checkpoint: str | Path, shards: str | Sequence[str], output: str | Path, settings: IndexSettings | None = None
) -> Indexed:
    """Embed the shards that the index in `output` does not have yet, each whole or not at all; an empty folder begins one.

    A shard is known by the SHA-256 that its manifest says, or by path and size where there is no manifest. One that was made
    anew replaces its former self. Raises ConfigError (another model's index, another process writing), ValueError if the
    model's features are not finite, MemoryError with what to lower.
    """
    from trainer.data.shards import ShardSet
    from trainer.index_shard import embed_shard
    from trainer.index_store import PartInfo, part_folder, read_parts, relocate, remove_part, write_part, writing
    from trainer.precision import memory_advice

    settings = settings or IndexSettings()
    found = ShardSet.find(shards)
    folder = str(output)
    with writing(folder):
        embedder, info = _open(checkpoint, folder, settings)
        parts = read_parts(folder, info)
        known = {part.info.content: part for part in parts}
        skipped = clips = 0
        dropped: list[str] = []
        broken: list[str] = []
        for uri, content in _progress(identify(found.uris)):
            part = known.get(content)
            if part is not None:
                skipped += 1
                if part.info.shard != uri:
                    relocate(part, uri)
                continue
            try:
                with memory_advice(f"lower --batch-size (now {settings.batch_size}); the same command goes on from here"):
                    arrays, left_out = embed_shard(embedder, uri, workers=settings.workers, batch_size=settings.batch_size)
            except (ShardError, OSError) as error:
                broken.append(" ".join(str(error).split()))
                continue
            made = PartInfo(uri, content, len(arrays.keys), len(left_out))
            write_part(folder, made, arrays)
            for old in parts:
                if old.info.shard == uri and old.path != part_folder(folder, made):
                    remove_part(old.path)
            clips += made.clips
            dropped += left_out
    return Indexed(len(found.uris) - skipped - len(broken), skipped, clips, tuple(dropped), tuple(broken))


def identify(uris: Sequence[str]) -> list[tuple[str, str]]:
    """Each shard's place (absolute) and what tells its bytes from others'. Raises ConfigError if one cannot be looked at."""
    sums: dict[str, dict[str, str]] = {}
    named: list[tuple[str, str]] = []
    for uri in uris:
        place = uri if is_remote(uri) else str(Path(uri).resolve())
        folder, _, name = place.rpartition("/")
        if folder not in sums:
            try:
                sums[folder] = {row.shard: row.sha256 for row in read_manifest(folder)}
            except FileNotFoundError:
                sums[folder] = {}
        try:
            size = file_size(uri)
        except OSError as error:
            raise ConfigError(f"shard {uri} cannot be read: {error}") from None
        sha256 = sums[folder].get(name)
        named.append((place, f"sha256:{sha256}" if sha256 else f"size:{size}:{place}"))
    return named


def model_fingerprint(checkpoint: Path, mixing: InteractionConfig | None = None) -> str:
    """Sixteen hex digits over a local checkpoint's weights and model config. Raises ConfigError.

    How candidates are re-ranked changes no vector: `interaction.weight` and `top_k` count as their defaults, or as those of
    `mixing`.
    """
    from trainer.model.config import InteractionConfig
    from trainer.model.io import WEIGHTS_FILE, read_config

    config, mixing = read_config(checkpoint).to_dict(), mixing or InteractionConfig()
    config["interaction"] |= {"weight": mixing.weight, "top_k": mixing.top_k}
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    try:
        with (checkpoint / WEIGHTS_FILE).open("rb") as stream:
            while block := stream.read(1 << 22):
                digest.update(block)
    except OSError as error:
        raise ConfigError(f"checkpoint {checkpoint}: {WEIGHTS_FILE} cannot be read: {error}") from None
    return digest.hexdigest()[:16]


def _open(checkpoint: str | Path, folder: str, settings: IndexSettings) -> tuple[Embedder, IndexInfo]:
    """The model, and the index begun or checked to be of this model."""
    from trainer.embed import Embedder
    from trainer.index_store import MODEL_FOLDER, IndexInfo, create, read_info
    from trainer.model.io import CONFIG_FILE, WEIGHTS_FILE, follow, load_model, read_config
    from trainer.precision import choose_device, memory_advice

    before = read_info(folder)
    with ExitStack() as copy:
        try:
            local = copy.enter_context(local_copy(follow(checkpoint), (WEIGHTS_FILE, CONFIG_FILE)))
        except OSError as error:
            raise ConfigError(f"checkpoint {checkpoint} cannot be read: {error}") from None
        fingerprint = model_fingerprint(local)
        if before is not None and before.model != fingerprint:
            mixing = read_config(join(folder, MODEL_FOLDER)).interaction  # older indexes counted theirs
            if before.model != model_fingerprint(local, mixing):
                raise ConfigError(
                    f"output={folder} was indexed by model {before.model}, {checkpoint} is {fingerprint}: their vectors cannot "
                    "be compared; index into another folder"
                )
            fingerprint = before.model
        model = load_model(local)
        tokens = before.tokens is not None if before and settings.tokens is None else settings.tokens
        tokens = model.config.interaction.enabled if tokens is None else tokens
        width = model.width * (1 if model.tab is None else 2)
        info = IndexInfo(fingerprint, width, (model.config.max_frames, model.width) if tokens else None)
        if before is not None and before != info:
            raise ConfigError(f"output={folder} was begun {'with' if before.tokens else 'without'} tokens; go on so, or anew")
        if before is None:
            create(folder, local, info)
    with memory_advice("the GPU has no room for the model; is it in use? Free it, or give --device cpu"):
        return Embedder(model, choose_device(settings.device), settings.precision, tokens=tokens), info


def _progress(shards: Sequence[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    from tqdm import tqdm

    return tqdm(shards, unit="shard", desc="index", disable=not sys.stderr.isatty(), leave=False)


def main(argv: Sequence[str] | None = None) -> int:
    """The command. 0 done, 2 bad usage or config, 130 Ctrl-C.

    1: some shards could not be read (the others are indexed), features are not finite, or there is too little memory.
    """
    args = _parser().parse_args(argv)
    names = ("workers", "batch_size", "device", "precision", "tokens")
    values = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    try:
        done = index(args.checkpoint, args.shards, args.output, IndexSettings.make(values))
    except ConfigError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    except (ValueError, OSError, MemoryError) as error:
        print(f"{PROGRAM}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{PROGRAM}: stopped; the same command goes on with the shards that are missing", file=sys.stderr)
        return 130
    print(f"{args.output}: {done.clips} clips of {done.shards} shards indexed, {done.skipped} shards were there already")
    for what, names_of in (("samples left out", done.dropped), ("shards not indexed", done.broken)):
        if names_of:
            more = f"; and {len(names_of) - NAMED} more" if len(names_of) > NAMED else ""
            print(f"{PROGRAM}: {len(names_of)} {what}: {'; '.join(names_of[:NAMED])}{more}", file=sys.stderr)
    return 1 if done.broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Embed shards for search. The same command again embeds only shards that are new or changed.",
    )
    fields = IndexSettings.model_fields
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a checkpoint folder, such as runs/finetune/best")
    parser.add_argument("shards", metavar="SHARDS", nargs="+", help="folders, globs or brace ranges of shards, local or gs://")
    parser.add_argument(
        "-o", "--output", metavar="DIR", required=True, help="the index: a new or empty folder, or one to add to"
    )
    parser.add_argument("--workers", type=int, metavar="N", help=f"{fields['workers'].description} (default 4)")
    parser.add_argument("--batch-size", type=int, metavar="N", help=f"{fields['batch_size'].description} (default 64)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), help=fields["device"].description)
    parser.add_argument("--precision", choices=("bf16", "fp32"), help=f"{fields['precision'].description} (default fp32)")
    parser.add_argument("--tokens", action=argparse.BooleanOptionalAction, help=fields["tokens"].description)
    return parser


if __name__ == "__main__":
    sys.exit(main())
