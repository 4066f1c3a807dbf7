"""Beam's options for object stores as settings of our own file systems, for this process and the workers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

_S3 = {  # Beam's option -> the argument of s3fs
    "s3_access_key_id": "key",
    "s3_secret_access_key": "secret",
    "s3_session_token": "token",
    "s3_endpoint_url": "endpoint_url",
}
_S3_CLIENT = {"s3_region_name": "region_name", "s3_api_version": "api_version", "s3_verify": "verify"}


def store_options(beam_args: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The options for `storage.login.set_options` in Beam arguments such as ``--s3_endpoint_url=...``."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in (*_S3, *_S3_CLIENT):
        parser.add_argument(f"--{name}")
    parser.add_argument("--s3_disable_ssl", action="store_true")
    given = vars(parser.parse_known_args(list(beam_args))[0])
    options: dict[str, Any] = {ours: given[name] for name, ours in _S3.items() if given[name] is not None}
    client = {ours: given[name] for name, ours in _S3_CLIENT.items() if given[name] is not None}
    if client:
        options["client_kwargs"] = client
    if given["s3_disable_ssl"]:
        options["use_ssl"] = False
    if options:
        return {"s3": options}
    return {}
