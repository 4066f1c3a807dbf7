"""May this run continue the one in its output? The checks of configs, checkpoints and ranks."""

from __future__ import annotations

from typing import Any

from schemas.config import flatten
from schemas.errors import ConfigError
from schemas.text import one_line
from trainer.data.loader import LoaderState
from trainer.device.ranks import Ranks, gather_objects
from trainer.fit.checkpoint import RunState, find_last, saved_config
from trainer.fit.config import TrainConfig

# A resumed run may differ in these: they move no weight (deterministic: none by more than rounding).
FREE = (
    "resume",
    "init",
    "output",
    "log",
    "evaluate",
    "eval_every",
    "save_every",
    "keep",
    "device",
    "deterministic",
    "data.shards",
    "data.eval_shards",
    "data.eval_batch_size",
    "data.eval_motion_phrases",
    "data.batches_ahead",
    "data.read_ahead",
    "data.broken_shards",
)


def check_output(config: TrainConfig) -> str | None:
    """Return the checkpoint to resume from, or None. Raises ConfigError if the output holds another run."""
    try:
        last = find_last(config.output)
    except OSError as error:
        raise ConfigError(f"output={config.output} cannot be read: {one_line(error)}") from None
    if last is None:
        return None
    name = last.rpartition("/")[2]
    if not config.resume:
        raise ConfigError(
            f"output={config.output} holds a run up to {name}: set resume=true to continue it, or another "
            "output"
        )
    before, now = _settings(_with_defaults(saved_config(last))), _settings(config.to_dict())
    for field in sorted(before.keys() | now.keys()):
        if before.get(field) != now.get(field) and not _is_free(field):
            raise ConfigError(
                f"resume: {field} was {before.get(field)!r} in {name} and is {now.get(field)!r}; set it "
                f"back, or start a new run with init={config.output}/last"
            )
    return last


def _is_free(field: str) -> bool:
    return any(field == free or field.startswith(f"{free}.") for free in FREE)


def _settings(values: dict[str, Any]) -> dict[str, Any]:
    """Flatten a config. The places of the shards in a mix may change, as those of `data.shards` may."""
    flat = flatten(values)
    for number, entry in enumerate(flat.pop("data.mix", None) or ()):
        flat |= {f"data.mix.{number}.{name}": value for name, value in entry.items() if name != "shards"}
    return flat


def _with_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """Add the fields that the version which wrote a checkpoint did not have yet, with their defaults."""
    try:
        return TrainConfig.make(values).to_dict()
    except ConfigError:  # fields that this version does not have; the comparison names them
        return values


def check_ranks(ranks: Ranks, last: str | None) -> None:
    """Raise ConfigError unless all ranks resume from the same step.

    Their output must be one that all of them see.
    """
    seen = gather_objects(last and last.rpartition("/")[2], ranks)
    if len(set(seen)) > 1:
        other = next(rank for rank, name in enumerate(seen) if name != seen[0])
        raise ConfigError(
            f"resume: rank 0 sees {seen[0] or 'no checkpoint'} and rank {other} sees "
            f"{seen[other] or 'none'}; `output` must be on storage that every machine of the run shares: "
            "give an absolute path, or gs://"
        )


def loader_state(state: RunState | None, ranks: Ranks) -> LoaderState | None:
    """Return where this rank's loader continues. Raises ConfigError for another number of ranks."""
    if state is None:
        return None
    if len(state.ranks) != ranks.world:
        raise ConfigError(
            f"resume: the run had {len(state.ranks)} ranks and now has {ranks.world}; start as many, or a "
            "new run with init="
        )
    try:
        return LoaderState.from_dict(state.ranks[ranks.rank].loader)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"resume: the loader's state of rank {ranks.rank} in state/run.json is damaged "
            f"({type(error).__name__}: {one_line(error, 100)}); start a new run with init="
        ) from None
