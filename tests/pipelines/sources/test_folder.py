import json
import os
import shutil

import pytest
from source_checks import plan_of, read_all, source_of, told

from pipelines.sources.base import read_task
from schemas.errors import ConfigError
from schemas.records import Reference


def put(root, name, data=b"picture"):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "photos"
    for name in ("b.jpg", "a.png", "deep/er/C C.JPEG"):
        put(root, name, name.encode())
        put(root, f"{name.rpartition('.')[0]}.txt", f"caption of {name}".encode())
    return root


def test_text_files_beside_pictures_at_any_depth(photos):
    items = read_all(source_of(kind="folder", uri=photos))
    assert [item.key for item in items] == ["folder-00000000-a", "folder-00000001-b", "folder-00000002-c-c"]
    assert told(items) == ["caption of a.png", "caption of b.jpg", "caption of deep/er/C C.JPEG"]
    last = items[2]
    assert isinstance(last, Reference)
    assert last.path == f"{photos}/deep/er/C C.JPEG"
    assert last.meta == {"file": "deep/er/C C.JPEG"}
    assert last.image is None
    assert told(read_all(source_of(kind="folder", uri=f"{photos}/"))) == told(items)
    assert read_all(source_of(kind="folder", uri=photos, limit=2)) == items[:2]


def test_a_glob_of_pictures_or_of_folders(photos):
    assert told(read_all(source_of(kind="folder", uri=f"{photos}/*.jpg"))) == ["caption of b.jpg"]
    assert told(read_all(source_of(kind="folder", uri=f"{photos}/de*"))) == ["caption of deep/er/C C.JPEG"]


def test_lines_are_captions_and_what_lacks_one_is_a_failure(photos):
    put(photos, "a.txt", b"\xef\xbb\xbffirst\r\n\r\n  second \n")
    put(photos, "b.txt", b" \n")
    put(photos, "d.gif")
    put(photos, "e.bmp")
    put(photos, "e.txt", b"caf\xe9")
    put(photos, ".hidden/f.jpg")
    put(photos, "__MACOSX/g.jpg")
    items = read_all(source_of(kind="folder", uri=photos))
    assert told(items) == [
        "first",
        "empty_caption",
        "missing_caption",
        "caption of deep/er/C C.JPEG",
        "not_utf8",
    ]
    assert items[0].captions == ("first", "second")


def test_a_csv_with_quotes_newlines_and_several_captions(tmp_path):
    for name in ("a.jpg", "b.jpg", "sub/c.jpg", "d.jpg", "e.jpg"):
        put(tmp_path, name)
    put(tmp_path, "e.txt", b"from its text file")
    rows = [
        'b.jpg,x,"with, comma\nand ""newline"""',
        "a.jpg,x,one",
        "a.jpg,x,two",
        "sub/c.jpg,x,deep",
        "none.jpg,x,lost",
        "../out.jpg,x,out",
        "/etc/passwd,x,out",
        "d.jpg,x,",
        "z" * 200_000 + ",x,long",
    ]
    text = "\r\n".join(["\ufefffile_name,split,caption", *rows, ""])
    put(tmp_path, "captions.csv", text.encode() + b"caf\xe9.jpg,x,latin\r\n")
    items = read_all(source_of(kind="folder", uri=tmp_path))
    assert told(items) == [
        "one",
        'with, comma\nand "newline"',
        "empty_caption",
        "from its text file",
        "missing_image",
        "deep",
        "malformed_row",
        "malformed_row",
        "row_too_long",
        "not_utf8",
    ]
    assert items[0].captions == ("one", "two")
    assert [item.key for item in items] == sorted(item.key for item in items)


@pytest.mark.parametrize("name", ["captions.jsonl", "train/metadata.jsonl"])
def test_json_lines_speak_of_their_own_folder(tmp_path, name):
    root = (tmp_path / name).parent
    for picture in ("a.jpg", "b.jpg", "c.jpg"):
        put(root, picture)
    rows = [
        {"file_name": "b.jpg", "text": "b's"},
        {"file_name": "a.jpg", "text": ["one", "two", 3]},
        {"text": "of nothing"},
        {"file_name": "c.jpg"},
    ]
    put(tmp_path, name, "\n".join([*map(json.dumps, rows), "{broken", "[1]", ""]).encode())
    items = read_all(source_of(kind="folder", uri=tmp_path))
    assert told(items[:3]) == ["one", "b's", "empty_caption"]
    assert items[0].captions == ("one", "two")
    assert told(items[3:]) == ["malformed_row"] * 3


def test_columns_of_another_name(tmp_path):
    put(tmp_path, "a.jpg")
    put(tmp_path, "captions.csv", b"filename,alt\na.jpg,the alt text\n")
    assert told(read_all(source_of(kind="folder", uri=tmp_path, caption_column="alt"))) == ["the alt text"]
    with pytest.raises(
        ConfigError, match=r"captions\.csv: no column caption or captions or text; it has filename, alt"
    ):
        list(source_of(kind="folder", uri=tmp_path).plan())


def test_names_that_are_not_utf8_or_repeat_as_slugs(tmp_path):
    for name in (b"\xff.jpg", b"A B.jpg", b"a-b.jpg"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as stream:
            stream.write(b"picture")
    for name in ("A B.txt", "a-b.txt"):
        put(tmp_path, name, b"c")
    items = read_all(source_of(kind="folder", uri=tmp_path))
    assert told(items) == ["c", "c", "not_utf8"]
    items[2].detail.encode()


def test_places_that_are_not_there_or_empty(tmp_path, photos):
    put(tmp_path, "empty/readme.txt")
    for uri, what in (
        (tmp_path / "none", "no such folder"),
        (photos / "a.png", "no such folder"),
        (tmp_path / "empty", "no pictures"),
        (f"{photos}/*.webp", "no pictures"),
    ):
        with pytest.raises(ConfigError, match=rf"source\.uri: .*{what}"):
            list(source_of(kind="folder", uri=uri).plan())
    source = source_of(kind="folder", uri=photos)
    task = plan_of(source)[0]
    shutil.rmtree(photos)
    with pytest.raises(FileNotFoundError, match="has gone"):
        list(read_task(source, task))


def test_the_fingerprint_sees_captions_too(photos):
    source = source_of(kind="folder", uri=photos)
    before = source.fingerprint()
    put(photos, "a.txt", b"another caption, longer")
    assert source.fingerprint() != before


def test_a_folder_s_name_may_hold_any_character(tmp_path):
    from storage.tables import expand_shards
    from zoetrope import cli
    from zoetrope.samples import write_folder

    source, output = tmp_path / "odd [x] 100% {a}*", tmp_path / "out [1] %41 ü"
    write_folder(source, 2)
    small = ["clip.size=32", "clip.frames=2", "workers=1"]
    assert (
        cli.main(["animate", "source.kind=folder", f"source.uri={source}", f"output={output}", *small]) == 0
    )
    assert cli.main(["validate", str(output)]) == 0
    assert expand_shards(str(output)) == [str(output / "00000.tar")]
