"""Tables of captions next to pictures, as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.sources.annotations.folder_tables import Captions, read_tables
from schemas.errors import ConfigError
from schemas.records import Reason
from storage.find import FileInfo


def read(folder: Path, name: str, text: str, pictures: tuple[str, ...] = ("a.jpg", "b.jpg")) -> Captions:
    (folder / name).write_text(text)
    table = FileInfo(str(folder / name), (folder / name).stat().st_size)
    return read_tables([table], [f"{folder}/{picture}" for picture in pictures], None)


def captions(folder: Path, found: Captions) -> dict[str, list[str]]:
    return {path.removeprefix(f"{folder}/"): texts for path, texts in found.of.items()}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("captions.csv", "file_name,caption\na.jpg,one\nb.jpg,two\n"),
        ("captions.csv", "sep=;\nfile_name;caption\na.jpg;one\nb.jpg;two\n"),
        ("captions.csv", "image_name| comment| caption\na.jpg| x| one\nb.jpg| y| two\n"),
        ("captions.csv", "filepath,text\na.jpg,one\nb.jpg,two\n"),
        ("metadata.tsv", "file_name\tcaption\na.jpg\tone\nb.jpg\ttwo\n"),
        ("captions.jsonl", '{"file_name":"a.jpg","caption":"one"}\n{"image":"b.jpg","captions":["two"]}'),
        ("captions.jsonl", '{"file_name":"a.jpg","text":"one"}\n{"file_name":"b.jpg","x":1,"text":"two"}'),
    ],
)
def test_every_form_gives_the_same_captions(tmp_path: Path, name: str, text: str) -> None:
    found = read(tmp_path, name, text)
    assert captions(tmp_path, found) == {"a.jpg": ["one"], "b.jpg": ["two"]}
    assert not found.problems
    assert not found.others


def test_an_absolute_path_in_the_folder_is_one_of_its_pictures(tmp_path: Path) -> None:
    found = read(tmp_path, "captions.csv", f"file_name,caption\n{tmp_path}/a.jpg,one\n/etc/b.jpg,two\n")
    assert captions(tmp_path, found) == {"a.jpg": ["one"]}
    assert [reason for reason, _ in found.others] == [Reason.MALFORMED_ROW]
    assert "line 3: file name '/etc/b.jpg' is an absolute path" in found.others[0][1]


@pytest.mark.parametrize(
    ("value", "shown"), [("7", "7"), ('{"en": "one"}', "{'en': 'one'}"), ("[[1]]", "[[1]]")]
)
def test_a_caption_that_is_no_text_is_named(tmp_path: Path, value: str, shown: str) -> None:
    found = read(tmp_path, "captions.jsonl", f'{{"file_name":"a.jpg","caption":{value}}}\n')
    detail = f"{tmp_path}/captions.jsonl: line 1: the caption is no text: {shown}"
    assert found.problems == {f"{tmp_path}/a.jpg": (Reason.MALFORMED_ROW, detail)}


def test_json_lines_need_one_row_with_both_columns(tmp_path: Path) -> None:
    found = read(tmp_path, "captions.jsonl", '{"file_name":"a.jpg"}\n{"file_name":"b.jpg","caption":"two"}\n')
    assert captions(tmp_path, found) == {"a.jpg": [], "b.jpg": ["two"]}
    with pytest.raises(ConfigError, match="no column caption or captions or text; it has file_name, prompt"):
        read(tmp_path, "captions.jsonl", '{"file_name":"a.jpg","prompt":"one"}\n')
