"""The table of stores. A new store is registered here, and nowhere else."""

from __future__ import annotations

from transforms.stores.base import Store
from transforms.stores.frames import FramesStore
from transforms.stores.mp4 import Mp4Store
from transforms.stores.still import StillStore

STORES: dict[str, Store] = {store.name: store for store in (FramesStore(), Mp4Store(), StillStore())}


def find_store(name: str) -> Store:
    """The store of a `store` field. Raises ValueError for an unknown name."""
    store = None
    if isinstance(name, str):
        store = STORES.get(name)
    if store is None:
        raise ValueError(f"store {name!r} is not known; it must be one of {', '.join(STORES)}")
    return store


def summaries() -> str:
    """One line on all stores, for the config's help."""
    return "; ".join(f"{store.name}: {store.summary}" for store in STORES.values())
