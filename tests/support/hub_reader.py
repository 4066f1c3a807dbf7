"""Reads data sets by name in a process of its own, whose hub is HF_ENDPOINT. Prints a line of JSON per data set.

Each argument is the JSON of the fields of a source; ``"apart": true`` reads in reader processes, as a job does.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from typing import Any

from source_checks import read_all, source_of

from pipelines.sources.apart import with_limits
from pipelines.sources.base import Source
from pipelines.workers.config import SampleLimits
from schemas.errors import ConfigError
from schemas.records import Failure, Reference


def read(fields: dict[str, Any]) -> dict[str, Any]:
    apart = fields.pop("apart", False)
    source = source_of(kind="huggingface", **fields)
    if apart:
        source = with_limits(source, SampleLimits())
    try:
        items = list(read_apart(source) if apart else read_all(source))
        return {"items": [shown(item) for item in items], "remote": source.is_remote, **source.fingerprint()}
    except ConfigError as error:
        return {"error": str(error)}
    finally:
        source.close()


def read_apart(source: Source) -> Iterator[Reference | Failure]:
    for task in source.plan():
        yield from source.read(task)


def shown(item: Reference | Failure) -> list[str | None]:
    if isinstance(item, Failure):
        return [item.key, str(item.reason), None]
    return [item.key, item.captions[0], hashlib.sha256(item.image).hexdigest() if item.image else item.url]


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(json.dumps(read(json.loads(argument))))
