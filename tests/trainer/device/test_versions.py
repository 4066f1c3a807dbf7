"""Versions recorded with results."""

from __future__ import annotations

import importlib.metadata

from schemas.version import VERSION
from trainer.device import versions


def test_versions_name_our_packages() -> None:
    found = versions.versions()
    assert found["zoetrope"] == VERSION
    assert found["torch"] == importlib.metadata.version("torch")


def test_a_bare_checkout_has_versions(monkeypatch) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(versions, "version", absent)
    found = versions.versions()
    assert (found["zoetrope"], found["torch"]) == (VERSION, "unknown")
