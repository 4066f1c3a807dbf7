"""LSMDC's tables in the form in which they are published: tabs, no header, misspelt test."""

from __future__ import annotations

from pathlib import Path

import pytest
from video_lists import planned

from schemas.errors import ConfigError

ONE, TWO = "0001_American_Beauty_00.00.51.926-00.00.54.129", "1010_TITANIC_00.41.32.072-00.41.40.196"
TIMES = "00.00.51.926\t00.00.54.129\t00.00.51.926\t00.00.54.129"
ROWS = f"{ONE}\t{TIMES}\tSOMEONE smiles, and leaves.\n{TWO}\t{TIMES}\tThe ship turns.\n{ONE}\t{TIMES}\tHe waves.\n"


def test_rows_of_a_clip_are_its_captions_and_files_may_be_in_folders_of_movies(tmp_path: Path) -> None:
    (tmp_path / "LSMDC16_annos_training.csv").write_text(ROWS)
    files = [f"0001_American_Beauty/{ONE}.avi", f"1010_TITANIC/{TWO}.avi"]
    rows = planned(tmp_path, files, kind="lsmdc", annotations=tmp_path, split="train")
    assert [row[1:] for row in rows] == [("SOMEONE smiles, and leaves.", "He waves."), ("The ship turns.",)]


def test_the_test_split_is_the_challenge_of_1000(tmp_path: Path) -> None:
    (tmp_path / "LSMDC16_challenge_1000_publictect.csv").write_text(ROWS.splitlines()[1] + "\n")
    rows = planned(tmp_path, [f"{TWO}.avi"], kind="lsmdc", annotations=tmp_path, split="test")
    assert [row[1] for row in rows] == ["The ship turns."]


def test_a_row_without_a_sentence_and_a_row_of_few_fields_are_failures(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(f"{ONE}\t{TIMES}\n{TWO}\tThe ship\n\n{TWO}\t{TIMES}\ta\tb\n".encode() + b"\xff\xfe\n")
    rows = planned(tmp_path, [f"{ONE}.avi", f"{TWO}.avi"], kind="lsmdc", annotations=path)
    assert [row[1] for row in rows] == ["missing_caption", "a b", "malformed_row", "not_utf8"]
    assert rows[2][2].endswith("line 2: 2 fields; an LSMDC row has 6, separated by tabs")


@pytest.mark.parametrize("content", [b"video,caption\na,b\n", b"", b"\0\1\2"])
def test_another_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=r"six fields, separated by tabs|save it as UTF-8"):
        planned(tmp_path, [f"{ONE}.avi"], kind="lsmdc", annotations=tmp_path / "x.csv")
