"""Conditional writes: create a file that does not exist, or replace one that has not changed.

A disk links a finished file to its name. Google Cloud Storage compares generations, S3 compares ETags, and
the in-memory store of one process compares under a lock. Other stores only look before they write
(`is_atomic`).
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from pathlib import Path
from typing import Any

from fsspec.spec import AbstractFileSystem

from storage.login import GOOGLE, as_os_error, filesystem
from storage.read import read_bytes
from storage.uris import local_path, scheme_of
from storage.write import create_file, flush_to_disk, partial_name, remove_file, write_bytes

MAX_BYTES = 1 << 20  # of an object that is compared; a larger one is none of ours
ATOMIC = (*GOOGLE, "s3", "memory")
_memory = threading.Lock()


def is_atomic(uri: str) -> bool:
    """Does the store of an object decide which of two writers comes first?"""
    return scheme_of(uri) in ATOMIC


def create_exclusively(uri: str, data: bytes) -> bool:
    """Write a small file if it does not exist. Returns whether this call made it.

    `data` must differ from every other writer's: a request whose answer was lost is recognised by its bytes.
    """
    here = local_path(uri)
    if here is not None:
        return _link_exclusively(here, data)
    files, path = filesystem(uri)
    try:
        with as_os_error(uri):
            files.pipe_file(path, data, mode="create")
    except FileExistsError:
        return _holds(uri, data)
    return True


def _link_exclusively(path: str, data: bytes) -> bool:
    folder = os.path.dirname(path)
    partial = partial_name(path)
    try:
        with create_file(partial) as stream:
            stream.write(data)
        try:
            # A link fails where the name is taken; a rename would replace the file.
            os.link(partial, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
                raise
            return _create_where_links_are_unknown(partial, path)
    finally:
        Path(partial).unlink(missing_ok=True)
    flush_to_disk(folder)
    return True


def _create_where_links_are_unknown(partial: str, path: str) -> bool:
    """Reserve the name (O_EXCL), then rename the whole file over it.

    A crash in between leaves an empty file.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    except FileExistsError:
        return False
    os.replace(partial, path)
    flush_to_disk(os.path.dirname(path))
    return True


def _holds(uri: str, data: bytes) -> bool:
    try:
        return read_bytes(uri) == data
    except FileNotFoundError:
        return False


def read_version(uri: str) -> tuple[bytes, str] | None:
    """A small object and its version, for `replace_version`. None if there is none.

    Of a large one the content is left out. Raises OSError, which names it.
    """
    files, path = filesystem(uri)
    try:
        with as_os_error(uri):
            if scheme_of(uri) in GOOGLE:
                return _read_google(files, path)
            if scheme_of(uri) == "s3":
                return _read_s3(files, path)
            if files.size(path) > MAX_BYTES:
                return b"", f"size {files.size(path)}"
            data: bytes = files.cat_file(path)
    except FileNotFoundError:
        return None
    return data, _digest(data)


def replace_version(uri: str, data: bytes, version: str) -> str | None:
    """Replace an object if it still has this version. Returns the new version.

    Returns None if another writer was faster.

    `data` must differ from every other version: a request whose answer was lost is recognised by its bytes.
    """
    files, path = filesystem(uri)
    try:
        with as_os_error(uri):
            if scheme_of(uri) in GOOGLE:
                return _replace_google(files, path, data, version)
            if scheme_of(uri) == "s3":
                return _replace_s3(files, path, data, version)
    except (FileExistsError, FileNotFoundError):
        current = read_version(uri)
        if current is not None and current[0] == data:
            return current[1]
        return None
    with _memory:
        current = read_version(uri)
        if current is None or current[1] != version:
            return None
        write_bytes(uri, data)
    return _digest(data)


def remove_version(uri: str, version: str) -> None:
    """Remove an object if it still has this version."""
    files, path = filesystem(uri)
    if scheme_of(uri) in GOOGLE:
        bucket, _, name = path.partition("/")
        try:
            with as_os_error(uri):
                files.call("DELETE", "b/{}/o/{}", bucket, name, ifGenerationMatch=version)
        except (FileExistsError, FileNotFoundError):
            return
        return
    # The store does not compare here: another machine may write between the look and the removal.
    with _memory:
        current = read_version(uri)
        if current is not None and current[1] == version:
            remove_file(uri)


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _read_google(files: Any, path: str) -> tuple[bytes, str]:
    bucket, _, name = path.partition("/")
    about = files.call("GET", "b/{}/o/{}", bucket, name, json_out=True)
    if int(about.get("size", 0)) > MAX_BYTES:
        return b"", str(about["generation"])
    # Of the same generation, in case the object is replaced between the two requests.
    _, data = files.call("GET", "b/{}/o/{}", bucket, name, alt="media", generation=about["generation"])
    return data, str(about["generation"])


def _replace_google(files: Any, path: str, data: bytes, version: str) -> str:
    bucket, _, name = path.partition("/")
    address = files.base.replace("/storage/v1/", "/upload/storage/v1/") + "b/{}/o"
    about = files.call(
        "POST",
        address,
        bucket,
        uploadType="media",
        name=name,
        ifGenerationMatch=version,
        headers={"Content-Type": "application/octet-stream"},
        data=data,
        json_out=True,
    )
    return str(about["generation"])


def _read_s3(files: AbstractFileSystem, path: str) -> tuple[bytes, str]:
    bucket, _, key = path.partition("/")
    # The ETag first: if the object is replaced before it is read, an old ETag only fails the next write.
    about = files.call_s3("head_object", Bucket=bucket, Key=key)
    if about.get("ContentLength", 0) > MAX_BYTES:
        return b"", about["ETag"]
    return files.cat_file(path), about["ETag"]


def _replace_s3(files: AbstractFileSystem, path: str, data: bytes, version: str) -> str:
    bucket, _, key = path.partition("/")
    about = files.call_s3("put_object", Bucket=bucket, Key=key, Body=data, IfMatch=version)
    return str(about["ETag"])
