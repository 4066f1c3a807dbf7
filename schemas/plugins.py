"""Plug-in lookup: a user's own motion, filter or source, named in a config as ``module:name``."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

from schemas.errors import ConfigError
from schemas.text import nearest_hint, one_line


def is_plugin(name: str) -> bool:
    """Is this name an import path and not the name of something built in?"""
    return ":" in name


def as_callable(found: Any) -> Any:
    """An instance of a class; a function as it is."""
    if isinstance(found, type):
        return found()
    return found


def find_plugin(path: str, field: str) -> Any:
    """The object at ``module:name``, imported; a module that is not installed may be in the current folder.

    `field` is the config field that names it and opens the message. Raises ConfigError of one line: the path
    is not written this way, the module cannot be imported, whatever that raised, or it has no such name.
    """
    module_name, colon, name = path.partition(":")
    if not (module_name and colon and name):
        raise ConfigError(f"{field}: {path!r} cannot be imported: write it as module:name")
    try:
        module = _import(module_name)
    except (Exception, SystemExit) as error:  # a user's module can raise anything
        raise ConfigError(
            f"{field}: {path} cannot be imported: {one_line(error, 300)}; "
            "install its package, or put its folder on PYTHONPATH"
        ) from error
    try:
        return getattr(module, name)
    except AttributeError:
        public = [known for known in vars(module) if not known.startswith("_")]
        raise ConfigError(
            f"{field}: {path} cannot be imported: {module_name} has no {name!r}{nearest_hint(name, public)}"
        ) from None


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        top, folder = name.partition(".")[0], os.getcwd()
        if error.name != top or folder in sys.path or PathFinder.find_spec(top, [folder]) is None:
            raise
    sys.path.append(folder)  # last, so that it hides nothing; the processes that a job starts get it as well
    return importlib.import_module(name)
