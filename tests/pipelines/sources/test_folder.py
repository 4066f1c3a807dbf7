import json
import os
import shutil

import pytest
from source_checks import plan_of, read_all, source_of, told

from pipelines.sources.base import read_task
from schemas.errors import ConfigError
from schemas.records import Failure, Reason, Reference, SampleError
from storage.read import read_picture


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


def test_one_picture_is_named_by_its_path_and_no_other_is_taken(photos):
    put(photos, "captions.csv", b"file_name,caption\nb.jpg,of the table\n")
    items = read_all(source_of(kind="folder", uri=photos / "b.jpg"))
    assert [(item.key, item.path) for item in items] == [("folder-00000000-b", f"{photos}/b.jpg")]
    assert told(items) == ["of the table"]
    assert told(read_all(source_of(kind="folder", uri=photos / "a.png"))) == ["caption of a.png"]
    photos.rename(photos.with_suffix(".jpg"))  # a folder whose name is that of a picture
    assert len(read_all(source_of(kind="folder", uri=photos.with_suffix(".jpg")))) == 3


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


def test_a_text_that_cannot_be_read_costs_its_picture_alone(photos):
    put(photos, "a.txt", b"x" * 2_000_000)
    (photos / "b.txt").unlink()
    (photos / "b.txt").mkdir()
    put(photos, "c.png")
    os.mkfifo(photos / "c.txt")
    items = read_all(source_of(kind="folder", uri=photos))
    assert told(items) == ["too_large", "unreadable", "unreadable", "caption of deep/er/C C.JPEG"]
    details = [item.detail for item in items[:3] if isinstance(item, Failure)]
    assert details == [
        f"{photos}/a.txt: over 1048576 bytes",
        f"{photos}/b.txt: cannot be read: Is a directory",
        f"{photos}/c.txt: cannot be read: not a regular file",
    ]


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
        (photos / "none.png", "no such picture"),
        (tmp_path / "empty", "no pictures"),
        (f"{photos}/*.webp", "no pictures"),
    ):
        with pytest.raises(ConfigError, match=rf"source\.uri: .*{what}"):
            list(source_of(kind="folder", uri=uri).plan())
    source = source_of(kind="folder", uri=photos)
    task = plan_of(source)[0]
    shutil.rmtree(photos)
    with pytest.raises(FileNotFoundError, match="is gone"):
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


def test_every_picture_is_a_clip_or_a_failure_row(tmp_path):
    root = tmp_path / "photos"
    for name in ("a.jpg", "b.avif", "c.heic", "D.JXL"):
        put(root, name)
    put(tmp_path, "other/f.jpg")
    (root / "e.jpg").symlink_to("gone.jpg")
    (root / "more").symlink_to("../other")
    (root / "loop").symlink_to(".")
    for path in (root, tmp_path / "other"):
        for name in "abcDef":
            put(path, f"{name}.txt", name.encode())
    items = read_all(source_of(kind="folder", uri=root))
    assert told(items) == ["D", "a", "b", "c", "e", "f"]
    assert items[-1].path == f"{root}/more/f.jpg"
    with pytest.raises(SampleError) as caught:
        read_picture(items[4].path)
    assert caught.value.reason == Reason.MISSING_IMAGE


def test_a_folder_that_cannot_be_listed_is_not_left_out(tmp_path, photos, monkeypatch):
    real = os.scandir

    def refuse(path):
        if str(path).endswith("/deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(OSError, match=r"photos: cannot be listed: .*Permission denied.*deep"):
        list(source_of(kind="folder", uri=photos).plan())


def test_names_differ_in_case_unicode_form_slashes_and_endings(tmp_path):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    for name in ("A.JPG", f"{composed}.jpg", f"{decomposed} 2.jpg", "sub/c.jpg", "d.png", "e #1.jpg"):
        put(tmp_path, name, name.encode())
    put(tmp_path, "A.TXT", b"upper case")
    rows = [f"{decomposed}.jpg,one", f"{composed} 2.JPG,two", "sub\\c.jpg,three", "d,four", "e #1.jpg,five"]
    put(tmp_path, "captions.csv", "\n".join(["File_Name , Caption", *rows]).encode())
    items = read_all(source_of(kind="folder", uri=tmp_path))
    assert told(items) == ["upper case", "two", "one", "four", "five", "three"]


@pytest.mark.parametrize(
    ("table", "captions"),
    [
        ("file_name,caption\na.jpg,a man, with a hat\nb.jpg,a cup\n", ["a man, with a hat", "a cup"]),
        ("file_name;caption\na.jpg;a man, with a hat\nb.jpg;a cup\n", ["a man, with a hat", "a cup"]),
        (
            "file_name\tcaption\r\na.jpg\ta man,\twith a hat\r\nb.jpg\ta cup\r\n",
            ["a man,\twith a hat", "a cup"],
        ),
        ('file_name, caption\na.jpg, "a man, with a hat"\nb.jpg, a cup\n', ["a man, with a hat", "a cup"]),
        ("file_name,caption,,\na.jpg,a man,,\nb.jpg,a cup,,\n", ["a man", "a cup"]),
        ("caption,file_name\na man, with a hat,a.jpg\na cup,b.jpg\n", ["malformed_row line 2", "a cup"]),
        ('file_name,caption\na.jpg,"a man\nb.jpg,a cup\n', ["malformed_row line 2", "a cup"]),
        ('file_name,caption\na.jpg,"a man\nb.jpg,"a cup"\n', ["malformed_row line 2", "a cup"]),
        ('file_name,caption\na.jpg,"a man\nb.jpg,a cup"\n', ["malformed_row line 2", 'a cup"']),
        ('file_name,caption\na.jpg,"a man" he said\nb.jpg,a cup\n', ["malformed_row line 2", "a cup"]),
        ('file_name,caption\na.jpg,a 5" pipe\nb.jpg,"a\nb"\n', ['a 5" pipe', "a\nb"]),
    ],
)
def test_a_caption_of_a_table_comes_whole_or_its_line_is_named(tmp_path, table, captions):
    for name in ("a.jpg", "b.jpg"):
        put(tmp_path, name)
    put(tmp_path, "captions.csv", table.encode())
    items = read_all(source_of(kind="folder", uri=tmp_path))
    words = []
    for item, wanted in zip(items, captions, strict=False):
        if isinstance(item, Failure):
            _, _, line = wanted.partition(" ")
            assert f"captions.csv: {line}" in item.detail
            words.append(f"{item.reason} {line}")
        else:
            words.append(item.captions[0])
    assert words == captions
    counted = [item for item in items if not item.key.startswith("folder-x")]
    assert len(counted) == 2


def test_a_glob_reads_the_tables_in_the_folders_of_its_pictures(tmp_path):
    for name in ("a.jpg", "b.jpg", "sub/c.jpg"):
        put(tmp_path, name)
    put(tmp_path, "captions.csv", b"file_name,caption\na.jpg,one\nb.jpg,two\nsub/c.jpg,three\n")
    assert told(read_all(source_of(kind="folder", uri=f"{tmp_path}/a*.jpg"))) == ["one"]
    assert told(read_all(source_of(kind="folder", uri=f"{tmp_path}/*.jpg"))) == ["one", "two"]
    assert told(read_all(source_of(kind="folder", uri=f"{tmp_path}/*/*.jpg"))) == ["three"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"a.jpg": b"", "b.jpg": b""},
            "2 pictures and no captions; add a NAME.txt for each picture, or one captions.csv",
        ),
        (
            {"a.jpg": b"", "captions.csv": b"file_name,caption\nx/a.jpg,one\n"},
            "none of its 1 pictures is there",
        ),
        ({"a.jpg": b"", "captions.csv": "file_name,caption\na.jpg,x".encode("utf-16")}, "its text is UTF-16"),
        ({"a.jpg": b"", "captions.csv": b"file_name,caption\ra.jpg,x\r"}, "carriage return"),
        (
            {"a.jpg": b"", "captions.txt": b"image,caption\na.jpg,one\n"},
            "1 text file, none named like a picture, such as .*captions.txt; call a table",
        ),
    ],
)
def test_a_wrong_guess_about_the_folder_is_one_line_at_planning(tmp_path, files, message):
    for name, data in files.items():
        put(tmp_path, name, data)
    with pytest.raises(ConfigError, match=message) as caught:
        list(source_of(kind="folder", uri=tmp_path).plan())
    assert "\n" not in str(caught.value)


def test_boxes_of_tables_are_kept_on_request(tmp_path):
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg"):
        put(tmp_path, name)
    lines = [
        {"file_name": "a.jpg", "text": "a", "objects": {"bbox": [[1, 2, 3, 4]]}},
        {"file_name": "b.jpg", "text": "b"},
    ]
    put(tmp_path, "metadata.jsonl", "\n".join(map(json.dumps, lines)).encode())
    csv = 'file_name,objects.bbox,caption\nc.jpg,"[[5, 6, 7, 8]]",c\nd.jpg,"[[5, 6]]",d\n'
    put(tmp_path, "captions.csv", csv.replace("objects.bbox", "boxes").encode())
    a, b, *_ = read_all(source_of(kind="folder", uri=tmp_path, boxes="objects.bbox"))
    assert a.meta == {"file": "a.jpg", "boxes": [[1.0, 2.0, 3.0, 4.0]]}
    assert b.meta == {"file": "b.jpg"}
    *_, c, d = read_all(source_of(kind="folder", uri=tmp_path, boxes="boxes"))
    assert c.meta == {"file": "c.jpg", "boxes": [[5.0, 6.0, 7.0, 8.0]]}
    assert isinstance(d, Failure)
    assert "captions.csv: line 3: boxes: '[5, 6]' is no box" in d.detail
    assert all("boxes" not in item.meta for item in read_all(source_of(kind="folder", uri=tmp_path)))
