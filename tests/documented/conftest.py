"""The folder of files that documented commands name, and towers small enough to train in a second."""

from __future__ import annotations

from collections.abc import Iterator

import open_clip
import pytest
from documented.models import TOWERS
from documented.place import Place


@pytest.fixture(scope="session")
def place(tmp_path_factory, serve) -> Place:
    """Makes what a command names, once per session."""
    return Place(tmp_path_factory.mktemp("documented"), serve)


@pytest.fixture(autouse=True)
def small_towers() -> Iterator[None]:
    """open_clip builds small towers for the names of the recipes."""
    with pytest.MonkeyPatch.context() as patch:
        for name, settings in TOWERS.items():
            patch.setitem(open_clip.factory._MODEL_CONFIGS, name, settings)
        yield
