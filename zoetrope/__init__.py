"""The public face: what users import, loaded on first use so that nothing heavy happens at import time."""

from __future__ import annotations

import importlib

from schemas.version import VERSION

__version__ = VERSION

_EXPORTS = {  # public name -> the module that has it
    "sample_motion": "transforms.motions",
    "sample_trajectory": "transforms.motions",
    "motion": "transforms.motions",
    "Camera": "transforms.motions",
    "motions": "transforms.motions.describe",
    "Parameter": "transforms.motions",
    "MotionMix": "transforms.motions",
    "render": "transforms.rendering.render",
    "render_batch": "transforms.rendering.render",
    "iter_shard": "storage.shards.read",
    "decode_clip": "transforms.stores.webdataset",
    "Reference": "schemas.records",
    "Failure": "schemas.records",
    "Stage": "schemas.records",
    "Reason": "schemas.records",
    "SourceConfig": "pipelines.sources.config",
    "Source": "pipelines.sources.base",
    "make_source": "pipelines.sources.base",
    "VideoSource": "pipelines.sources.videos.base",
    "Entry": "pipelines.sources.videos.base",
    "AnimateConfig": "pipelines.config",
    "animate": "pipelines.animate",
    "retry": "pipelines.retry",
    "validate": "pipelines.output.validate",
    "ImportConfig": "pipelines.config",
    "import_videos": "pipelines.videos",
    "WriteShards": "pipelines.running.graph",
    "JobSpec": "pipelines.running.graph",
    "ShardConfig": "pipelines.making.config",
    "Made": "pipelines.making.maker",
    "Maker": "pipelines.making.maker",
    "Animator": "pipelines.making.clips",
    "ClipSettings": "transforms.settings",
    "TrainConfig": "trainer.fit.config",
    "ClipDataset": "trainer.data.clip_dataset",
    "render_stills": "trainer.data.clip_dataset",
    "train": "trainer.fit.train",
    "EvaluateConfig": "trainer.retrieval.config",
    "evaluate": "trainer.retrieval.evaluate",
    "evaluate_sets": "trainer.retrieval.evaluate",
    "convert": "trainer.model.weights.convert",
    "IndexSettings": "trainer.index.config",
    "index": "trainer.index.build",
    "open_index": "trainer.index.search",
    "search": "trainer.index.search",
    "preview": "preview.show.preview",
    "RunStats": "preview.report.report",
    "write_report": "preview.report.report",
    "studio": "preview.studio.studio",
}

__all__ = ["__version__", *_EXPORTS]


def __getattr__(name: str) -> object:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'zoetrope' has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
