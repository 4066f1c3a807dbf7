"""Beam's FileSystems, with one S3 client a process.

Beam makes a boto3 session and client for each request: a tenth of a second to read boto's service descriptions, a new
connection, and in AWS the credentials looked up anew. boto3's clients are thread-safe and renew their credentials themselves.
"""

from __future__ import annotations

import threading
from typing import Any

from apache_beam.io.filesystems import FileSystems

CONNECTIONS = 64  # kept open by a client; botocore's own 10 are fewer than the threads of a worker


def beam_files(uri: str) -> type[FileSystems]:
    """What opens, lists, moves and removes `uri`."""
    if uri.startswith("s3://"):
        from apache_beam.io.aws.clients.s3 import boto3_client

        if boto3_client.boto3 is not None and not isinstance(boto3_client.boto3, _Shared):
            boto3_client.boto3 = _Shared(boto3_client.boto3)
    return FileSystems


class _Shared:
    """Stands for boto3 in Beam's S3 client, which asks it for ``session.Session().client(...)`` and nothing else."""

    def __init__(self, boto3: Any) -> None:
        self._boto3, self._lock = boto3, threading.Lock()
        self._clients: dict[tuple[tuple[str, Any], ...], Any] = {}
        self.session = self

    def Session(self) -> _Shared:
        return self

    def client(self, **arguments: Any) -> Any:
        """The client with these arguments. One without credentials is not kept: they may be there at the next request."""
        key = tuple(sorted(arguments.items()))
        with self._lock:
            if key in self._clients:
                return self._clients[key]
            from botocore.config import Config

            session = self._boto3.session.Session()
            client = session.client(**arguments, config=Config(max_pool_connections=CONNECTIONS))
            if arguments.get("aws_access_key_id") or session.get_credentials() is not None:
                self._clients[key] = client
            return client
