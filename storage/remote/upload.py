"""Objects that are being written: they appear whole when they are closed, and otherwise not at all."""

from __future__ import annotations

import io
import tempfile
from contextlib import suppress
from types import TracebackType
from typing import IO, Any, Self, cast

from fsspec.spec import AbstractBufferedFile

from storage.login import as_os_error, filesystem

UPLOAD_BLOCK = 16 << 20  # bytes per request of a large upload; a smaller file is one request


class Upload(io.BufferedIOBase):
    """An object that is being written. It appears whole when it is closed, and otherwise not at all.

    A small one is a single request. A larger one is streamed to stores that upload in parts, and kept in a
    temporary file for the others.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._small = io.BytesIO()
        self._large: IO[bytes] | None = None
        self._files, self._name = filesystem(path)

    def writable(self) -> bool:
        """True: it takes bytes."""
        return True

    def write(self, data: Any) -> int:
        """Append bytes. Raises OSError that names the object."""
        target = self._large or self._small
        with as_os_error(self._path):
            target.write(data)
            if self._large is None and self._small.tell() > UPLOAD_BLOCK:
                self._large = self._begin()
        return len(data)

    def close(self) -> None:
        """End the upload. Raises OSError that names the object, which is then not there."""
        if self.closed:
            return
        try:
            with as_os_error(self._path):
                self._finish()
        except BaseException:
            self.discard()
            raise
        super().close()

    def discard(self) -> None:
        """Give the upload up, in whatever state it is."""
        if self.closed:
            return
        large, self._large = self._large, None
        if large is not None:
            _abort(large)
        super().close()

    def _begin(self) -> IO[bytes]:
        """Where a file goes that is larger than one request."""
        if _uploads_in_parts(self._files):
            large = self._files.open(self._name, "wb", block_size=UPLOAD_BLOCK)
        else:
            large = tempfile.NamedTemporaryFile(prefix="zoetrope-")  # noqa: SIM115 - closed with the upload
        try:
            large.write(self._small.getbuffer())
        except BaseException:
            _abort(large)
            raise
        return cast("IO[bytes]", large)

    def _finish(self) -> None:
        if self._large is None:
            self._files.pipe_file(self._name, self._small.getvalue())
        elif isinstance(self._large, AbstractBufferedFile):
            self._large.close()
        else:
            self._large.flush()
            self._files.put_file(self._large.name, self._name)
            self._large.close()
        self._large = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def __enter__(self) -> Self:
        return self

    def __del__(self) -> None:
        """A forgotten upload is not a finished one."""
        with suppress(Exception):
            self.discard()


def _uploads_in_parts(files: Any) -> bool:
    protocols = files.protocol
    if isinstance(files.protocol, str):
        protocols = (files.protocol,)
    return bool({"gs", "s3"} & set(protocols))


def _abort(stream: Any) -> None:
    """Drop an upload. A client's own file would complete it when it is garbage-collected."""
    if isinstance(stream, AbstractBufferedFile):
        with suppress(Exception):  # the store forgets the parts by itself after some days
            stream.discard()
        stream.closed = True
    else:
        stream.close()
