"""Paths and URIs as text.

Nothing here touches a disk or a network, except `is_glob`, which looks for a local name.
"""

from __future__ import annotations

import os

GLOB_CHARACTERS = "*?["
_FILE_SCHEME = "file://"


def is_remote(uri: str) -> bool:
    """Is it a URI with a scheme, and not a path on this machine?"""
    return "://" in uri


def scheme_of(uri: str) -> str:
    """``gs`` of ``gs://bucket/a``; '' for a local path and for ``file://``."""
    scheme, separator, _ = uri.partition("://")
    if separator and scheme != "file":
        return scheme
    return ""


def local_path(uri: str) -> str | None:
    """The absolute local path of a path or ``file://`` URI, with ``~`` expanded. None for a remote URI."""
    path = uri.removeprefix(_FILE_SCHEME)
    if is_remote(path):
        return None
    return os.path.abspath(os.path.expanduser(path))


def absolute(pattern: str) -> str:
    """A local path or glob made absolute, so that it means the same on every worker.

    Remote URIs are unchanged.
    """
    path = local_path(pattern)
    if path is None:
        return pattern
    return path


def join(folder: str, *names: str) -> str:
    """``gs://bucket/clips/`` and ``a.tar`` -> ``gs://bucket/clips/a.tar``."""
    if not folder:
        return "/".join(names)
    return "/".join([folder.rstrip("/"), *names])


def name_of(uri: str) -> str:
    """The last part of a path or URI."""
    return uri.rstrip("/").rpartition("/")[2]


def is_glob(pattern: str) -> bool:
    """Does a path have glob characters (``*``, ``**``, ``?``, ``[...]``) and name nothing local literally?"""
    if not any(character in pattern for character in GLOB_CHARACTERS):
        return False
    path = local_path(pattern)
    return path is None or not os.path.lexists(path)


def why_unsafe(name: object) -> str:
    """Why a file name of an index names no file inside its folder: `safe_relative` gives None for it."""
    if not isinstance(name, str):
        return "is no text"
    if not name.strip():
        return "is empty"
    if "://" in name:
        return "is a URL; this source reads files"
    if name.startswith("/"):
        return "is an absolute path; give it relative to its folder"
    if ".." in name.split("/"):
        return "leads out of its folder"
    return "is no usable file name"


def safe_relative(name: str) -> str | None:
    """A file name from an index, if it stays inside its folder. None if it could leave the folder."""
    has_control_characters = any(ord(character) < 32 for character in name)
    if not name or "\\" in name or "://" in name or name.startswith("/") or has_control_characters:
        return None
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        return None
    return "/".join(parts)
