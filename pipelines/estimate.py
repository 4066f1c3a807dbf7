"""How long a task takes, from a rate that was measured."""

from __future__ import annotations

from schemas.text import duration

CLIPS_A_CORE_SECOND = 65.0  # 12 frames of 224x224 as JPEG or stills, a busy core; see docs/scale.md
CORES = 4  # of a worker of a cluster, where `workers` does not say it
LONG_SECONDS = 300.0  # a task that is lost after that long costs too much


def task_seconds(inputs: int, cores: int | None) -> float:
    """Estimate the seconds that a task of so many pictures takes on a worker of so many cores."""
    return inputs / (CLIPS_A_CORE_SECOND * (cores or CORES))


def long_task(task: int, inputs: int, cores: int | None) -> str | None:
    """A warning about the longest task of a plan; None if it is short enough."""
    seconds = task_seconds(inputs, cores)
    if seconds <= LONG_SECONDS:
        return None
    return (
        f"task {task} has about {inputs} inputs and takes about {duration(seconds)} on {cores or CORES} "
        "cores, which is lost where a worker is; smaller tasks: a smaller shard.max_samples, or for tars "
        "source.task_bytes"
    )
