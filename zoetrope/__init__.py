"""The public face: what users import, loaded on first use so that nothing heavy happens at import time."""

from __future__ import annotations

import importlib
from typing import Any

from schemas.version import VERSION

__version__ = VERSION

_EXPORTS = {
    "sample_motion": "transforms.motions",
    "render": "transforms.rendering.render",
    "render_batch": "transforms.rendering.render",
    "animate": "pipelines.animate",
    "retry": "pipelines.retry",
    "validate": "pipelines.output.validate",
    "motions": "zoetrope.commands.motions",
    "import_videos": "pipelines.videos",
    "train": "trainer.fit.train",
    "evaluate": "trainer.retrieval.evaluate",
    "convert": "trainer.model.convert",
    "index": "trainer.index.build",
    "search": "trainer.index.search",
    "decode_clip": "transforms.stores.webdataset",
    "preview": "preview.show.preview",
    "studio": "preview.studio.studio",
}

__all__ = ["__version__", *_EXPORTS]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'zoetrope' has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
