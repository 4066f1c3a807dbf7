"""Which runs may be compared in a metric: those that measured the same thing.

A metric of retrieval depends on the set that it was measured on. The loss depends on the batch, the data and
the parts that it sums. A run whose config cannot be read is compared with none.
"""

from __future__ import annotations

import json

from preview.runs.read import Run

LOSS = "loss"
OF_THE_LOSS = (
    "global_batch_size",
    "loss.",
    "data.",
    "model.center_type",
    "model.center_weight",
    "model.interaction.",
    "model.logit_bias",
    "model.patch_dropout",
)
NOT_OF_THE_LOSS = (  # fields of `data` that change no sample and no batch, or serve evaluation
    "data.workers",
    "data.batches_ahead",
    "data.read_ahead",
    "data.shuffle_megabytes",
    "data.shuffle_samples",
    "data.broken_shards",
    "data.eval_",
)
OF_THE_PLAIN_SET = ("data.eval_shards", "data.eval_motion_phrases")


def measured_by(run: Run, metric: str) -> str | None:
    """Return the settings that decide what a metric means, as text: equal for runs that may be compared.

    None if the run's config does not say.
    """
    if not run.config:
        return None
    if metric == LOSS:
        names = [name for name in run.config if name.startswith(OF_THE_LOSS)]
        names = [name for name in names if not name.startswith(NOT_OF_THE_LOSS)]
    elif "/" in metric:
        prefix = f"evaluate.sets.{metric.rpartition('/')[0]}."
        names = [name for name in run.config if name.startswith(prefix)]
    else:
        names = [name for name in run.config if name in OF_THE_PLAIN_SET]
    return json.dumps({name: run.config[name] for name in names}, sort_keys=True, default=str)
