"""Listings of Google Cloud Storage page by page, with names and sizes only.

gcsfs keeps every property of every object until the last page has come: gigabytes for a million of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

NAMES_PER_PAGE = 1000  # the most that the service gives
FIELDS = "items(name,size),prefixes,nextPageToken"


def iter_objects(
    files: Any, path: str, *, prefix: str = "", recursive: bool = False
) -> Iterator[tuple[str, int | None]]:
    """Yield (name, bytes) of what a folder ``BUCKET/FOLDER`` holds, with None for its folders.

    `recursive` yields the objects of its folders too, by their paths below it. Names that do not begin with
    `prefix` are left out. A page is requested when the one before has been read.
    """
    bucket, _, folder = path.partition("/")
    base = ""
    if folder.strip("/"):
        base = f"{folder.rstrip('/')}/"
    query = {"prefix": base + prefix, "fields": FIELDS, "maxResults": NAMES_PER_PAGE}
    if not recursive:
        query["delimiter"] = "/"
    token = None
    while True:
        page = files.call("GET", "b/{}/o", bucket, json_out=True, **query, pageToken=token)
        for name in page.get("prefixes", ()):
            yield name[len(base) :].rstrip("/"), None
        for about in page.get("items", ()):
            if not about["name"].endswith("/"):  # a mark for an empty folder
                yield about["name"][len(base) :], int(about.get("size", 0))
        token = page.get("nextPageToken")
        if token is None:
            return
