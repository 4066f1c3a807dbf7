"""Training, evaluation and search: data loading, CLIP2Video, losses, metrics, the search index."""

from typing import Any

_LAZY = {  # public name -> its module, loaded at first use: `import trainer` loads no torch
    "load_official": "trainer.model.weights.official",
    "retrieval_metrics": "trainer.retrieval.metrics",
}
__all__ = sorted(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'trainer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
