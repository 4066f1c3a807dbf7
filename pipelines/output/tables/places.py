"""Where the rows of a part are: still under a temporary name, or in the table that readers see.

A table of one part is a file, ``samples.parquet``. A table of several is a folder of files,
``samples/00003.parquet``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from pipelines.output.folder import Output
from pipelines.output.listing import TABLE_FOLDERS, Listing, part_of_table
from pipelines.output.retries import read_retries
from pipelines.output.tables.parts import TABLES, Part, plan_parts, rows_path
from schemas.manifest import MANIFEST_FILE
from storage.write import move_file, remove_empty_folder, remove_file

MOVES_AT_ONCE = 32


def table_path(part: Part, table: str, *, single: bool) -> str:
    """Path below the output of a part's rows in a table (``samples.parquet``, ``failures.parquet``)."""
    if single:
        return table
    return f"{table.removesuffix('.parquet')}/{part.index:05d}.parquet"


def find_rows(output: Output, listing: Listing, part: Part, table: str) -> str | None:
    """Where the rows of a folded part are now. None if they are gone."""
    if f"{part.name}.{table}" in listing.parts:
        return rows_path(output, part, table)
    places = [table_path(part, table, single=False)]
    if part.index == 0:  # it was the only part when it was put there
        places.append(table_path(part, table, single=True))
    return next((output.path(place) for place in places if place in listing.files), None)


def is_complete(output: Output, part: Part, listing: Listing) -> bool:
    """Is the part folded, and are its rows there?"""
    return part.is_folded(listing) and all(find_rows(output, listing, part, table) for table in TABLES)


def parts_due(output: Output, listing: Listing, expected: Iterable[int], size: int) -> list[Part]:
    """The parts that have to be folded once these tasks are done. `listing` is of the time before.

    Call it after `forget_parts`. Reads the retry plans as they are now. Raises OSError, ConfigError.
    """
    parts = plan_parts(expected, read_retries(output), size)
    return [part for part in parts if not is_complete(output, part, listing)]


def has_tables(listing: Listing) -> bool:
    """Does the output have every table, in files or folders?"""
    folders = {path.partition("/")[0] for path in listing.files if part_of_table(path) is not None}
    return MANIFEST_FILE in listing.files and all(
        table in listing.files or table.removesuffix(".parquet") in folders for table in TABLES
    )


def place_rows(output: Output, listing: Listing, parts: Sequence[Part]) -> None:
    """Move the rows of all parts into the tables, and remove what belongs to no part any more.

    Every part is complete. May be cut off anywhere, and run again. Raises OSError.
    """
    single = len(parts) <= 1
    moves = []
    for part in parts:
        for table in TABLES:
            target = table_path(part, table, single=single)
            source = find_rows(output, listing, part, table)
            if source is not None and source != output.path(target):
                moves.append((source, output.path(target)))
            listing.files.add(target)
    # All moves before the first removal: a run that is cut off finds every row under one of its two names.
    with ThreadPoolExecutor(MOVES_AT_ONCE) as pool:
        list(pool.map(lambda move: move_file(*move), moves))
    kept = {table_path(part, table, single=single) for part in parts for table in TABLES}
    heads = {f"{part.name}.parquet" for part in parts}
    old = [
        output.path(path)
        for path in listing.files - kept
        if path in TABLES or part_of_table(path) is not None
    ]
    old += [output.state("parts", name) for name in listing.parts - heads - _moved(parts)]
    with ThreadPoolExecutor(MOVES_AT_ONCE) as pool:
        list(pool.map(remove_file, old))
    for folder in TABLE_FOLDERS:
        remove_empty_folder(output.path(folder))


def _moved(parts: Sequence[Part]) -> set[str]:
    return {f"{part.name}.{table}" for part in parts for table in TABLES}
