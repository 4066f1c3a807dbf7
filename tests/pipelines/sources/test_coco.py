import json
import shutil
import zipfile

import pytest
from source_checks import plan_of, read_all, source_of, told

from pipelines.sources.base import read_task
from schemas.errors import ConfigError
from schemas.records import Failure, Reason, Reference

IMAGES = [
    {
        "id": 30,
        "file_name": "000000000030.jpg",
        "coco_url": "http://images.cocodataset.org/train2017/000000000030.jpg",
    },
    {"id": 9, "file_name": "000000000009.jpg", "height": 480.5},
    {"id": 25, "file_name": "000000000025.jpg"},
]
ANNOTATIONS = [
    {"id": 1, "image_id": 9, "caption": "nine, first"},
    {"id": 2, "image_id": 30, "caption": "thirty"},
    {"id": 3, "image_id": 9, "caption": "nine, second"},
    {"id": 4, "image_id": 25, "caption": "twenty-five"},
]


def write_json(path, images=IMAGES, annotations=ANNOTATIONS, images_last=False):
    parts = {"info": {"year": 2017}, "images": images, "annotations": annotations}
    path.write_text(json.dumps(dict(reversed(parts.items())) if images_last else parts))
    return path


@pytest.fixture
def coco(tmp_path):
    folder = tmp_path / "train2017"
    folder.mkdir()
    for image in IMAGES:
        (folder / image["file_name"]).write_bytes(f"picture {image['id']}".encode())
    return write_json(tmp_path / "captions.json"), folder


def zipped(folder, path, inside="train2017/"):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, inside + file.name)
    return path


@pytest.mark.parametrize("images_last", [False, True])
def test_one_sample_an_image_with_all_captions_in_id_order(coco, images_last):
    annotations, folder = coco
    write_json(annotations, images_last=images_last)
    items = read_all(source_of(kind="coco", annotations=annotations, images=folder))
    assert [item.key for item in items] == ["coco-000000000009", "coco-000000000025", "coco-000000000030"]
    first, _, last = items
    assert isinstance(first, Reference)
    assert isinstance(last, Reference)
    assert first.captions == ("nine, first", "nine, second")
    assert (first.image_id, first.path, first.image) == ("9", f"{folder}/000000000009.jpg", None)
    assert last.url == IMAGES[0]["coco_url"]


@pytest.mark.parametrize("inside", ["train2017/", ""])
def test_pictures_from_the_zip_are_the_same_without_a_folder(coco, tmp_path, inside):
    annotations, folder = coco
    archive = zipped(folder, tmp_path / "train2017.zip", inside)
    shutil.rmtree(folder)
    source = source_of(kind="coco", annotations=annotations, images=archive)
    items = read_all(source)
    assert [item.image for item in items if isinstance(item, Reference)] == [
        b"picture 9",
        b"picture 25",
        b"picture 30",
    ]
    assert "images_names" in source.fingerprint()


def test_a_glob_of_annotations_and_of_zips(coco, tmp_path):
    annotations, folder = coco
    zipped(folder, tmp_path / "a.zip")
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "7.jpg").write_bytes(b"picture 7")
    zipped(tmp_path / "val", tmp_path / "b.zip", "val2017/")
    write_json(
        tmp_path / "captions_val.json",
        [{"id": 7, "file_name": "7.jpg"}],
        [{"image_id": 7, "caption": "seven"}],
    )
    items = read_all(
        source_of(kind="coco", annotations=f"{tmp_path}/captions*.json", images=f"{tmp_path}/*.zip")
    )
    assert told(items) == ["seven", "nine, first", "twenty-five", "thirty"]
    items = read_all(source_of(kind="coco", annotations=annotations, images=f"{folder}/*.jpg"))
    assert items[0].path == f"{folder}/000000000009.jpg"


def test_what_does_not_fit_together_is_counted(coco):
    annotations, folder = coco
    images = [
        *IMAGES,
        {"id": 1, "file_name": "1.jpg"},
        {"id": 2, "file_name": "2.jpg"},
        {"id": 9, "file_name": "000000000009.jpg"},
        {"id": 40, "file_name": "../../etc/passwd"},
        {"id": 41},
        {"id": "B 7", "file_name": "000000000025.jpg"},
        {"file_name": "x.jpg"},
        "nonsense",
    ]
    captions = [
        {"image_id": i, "caption": c}
        for i, c in [(2, " "), (40, "out"), (41, "no name"), ("B 7", "text id"), (99, "?")]
    ]
    write_json(annotations, images, [*ANNOTATIONS, *captions, {"caption": "of nothing"}, 5])
    items = read_all(source_of(kind="coco", annotations=annotations, images=folder))
    assert told(items) == [
        "missing_caption",  # 1
        "empty_caption",  # 2
        "nine, first",
        "duplicate_key",  # 9 again
        "twenty-five",
        "thirty",
        "malformed_row",  # 40
        "malformed_row",  # 41
        "missing_image",  # 99
        "text id",
        "malformed_row",
        "malformed_row",
    ]
    assert [item.key for item in items] == sorted(item.key for item in items)


def test_members_that_cannot_be_read_are_failures(coco, tmp_path):
    annotations, folder = coco
    archive = zipped(folder, tmp_path / "a.zip")
    data = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as whole:
        info = whole.getinfo("train2017/000000000025.jpg")
    start = info.header_offset + 30 + len(info.filename)
    data[start + 2] ^= 0xFF
    archive.write_bytes(data)
    write_json(
        annotations,
        [*IMAGES, {"id": 31, "file_name": "31.jpg"}],
        [*ANNOTATIONS, {"image_id": 31, "caption": "-"}],
    )
    items = read_all(source_of(kind="coco", annotations=annotations, images=archive))
    assert told(items) == ["nine, first", "unreadable", "thirty", "missing_image"]
    assert isinstance(items[1], Failure)
    assert "000000000025.jpg" in items[1].detail


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a readable JSON"),
        ('{"images": [{"id": 1, "file_na', "not a readable JSON"),
        ("not json", "not a readable JSON"),
        ("[]", "no 'images'"),
        ('{"annotations": [{"image_id": 1, "caption": "c"}]}', "no 'images'"),
    ],
)
def test_an_index_that_is_none_is_told_with_its_path(coco, text, message):
    annotations, folder = coco
    annotations.write_text(text)
    with pytest.raises(ConfigError, match=rf"{annotations}: .*{message}"):
        list(source_of(kind="coco", annotations=annotations, images=folder).plan())


def test_places_that_are_not_there(coco, tmp_path):
    annotations, folder = coco
    with pytest.raises(ConfigError, match=r"source\.annotations: .*none\.json: no such file"):
        list(source_of(kind="coco", annotations=tmp_path / "none.json", images=folder).plan())
    for images in ("none", "none.zip", "none/*.jpg"):
        with pytest.raises(ConfigError, match=rf"source\.images: {tmp_path}/none"):
            list(source_of(kind="coco", annotations=annotations, images=tmp_path / images).plan())
    (tmp_path / "broken.zip").write_bytes(b"PK not a zip")
    with pytest.raises(ConfigError, match=r"broken\.zip: not a whole zip"):
        list(source_of(kind="coco", annotations=annotations, images=tmp_path / "broken.zip").plan())
    with pytest.raises(ConfigError, match="unpack it"):
        list(
            source_of(
                kind="coco", annotations=zipped(folder, tmp_path / "annotations.zip"), images=folder
            ).plan()
        )


def test_a_folder_that_vanishes_ends_the_job_and_is_not_many_missing_pictures(coco):
    annotations, folder = coco
    source = source_of(kind="coco", annotations=annotations, images=folder)
    task = plan_of(source)[0]
    shutil.rmtree(folder)
    with pytest.raises(FileNotFoundError, match=f"{folder}: no such folder"):
        list(read_task(source, task))


def test_the_limit_is_of_images(coco):
    annotations, folder = coco
    items = read_all(source_of(1, kind="coco", annotations=annotations, images=folder, limit=2))
    assert told(items) == ["nine, first", "twenty-five"]


def test_lone_surrogates_never_reach_a_table(coco):
    annotations, folder = coco
    (folder / "1.jpg").write_bytes(b"one")
    annotations.write_text(
        '{"images": [{"id": 1, "file_name": "1.jpg"}], '
        '"annotations": [{"image_id": 1, "caption": "a \\ud83d cat"}]}'
    )
    (item,) = read_all(source_of(kind="coco", annotations=annotations, images=folder))
    assert isinstance(item, Reference)
    assert item.captions[0].encode() == b"a ? cat"


def test_a_caption_that_is_not_utf8_costs_itself_and_not_the_file(coco):
    annotations, folder = coco
    for number in (1, 2, 3, 4):
        (folder / f"{number}.jpg").write_bytes(b"one")
    data = {
        "images": [{"id": number, "file_name": f"{number}.jpg"} for number in (1, 2, 3)],
        "annotations": [
            {"image_id": 1, "caption": "caf\xe9"},
            {"image_id": 2, "caption": "caf\xe9"},
            {"image_id": 2, "caption": "a cup"},
            {"image_id": 3, "caption": "a cat"},
        ],
    }
    data["images"].append({"id": 4, "file_name": "\xe9.jpg"})
    annotations.write_bytes(json.dumps(data, ensure_ascii=False).encode("latin-1"))
    one, two, three, four, other = read_all(source_of(kind="coco", annotations=annotations, images=folder))
    assert [two.captions, three.captions] == [("a cup",), ("a cat",)]
    assert [(item.key, item.reason, item.detail) for item in (one, four, other)] == [
        ("coco-000000000001", Reason.NOT_UTF8, "image id 1: caption 'caf?'"),
        ("coco-000000000004", Reason.NOT_UTF8, "image id 4: file name '?.jpg'"),
        ("coco-x000000000", Reason.NOT_UTF8, "image id 2: caption 'caf?'"),
    ]


def test_file_names_that_differ_from_the_annotations_are_found(coco):
    annotations, folder = coco
    images = [
        {"id": 1, "file_name": "train2017\\A.JPG"},
        {"id": 2, "file_name": "cafe\u0301.jpg"},
        {"id": 3, "file_name": "000000000030"},
        {"id": 4, "file_name": "gone.jpg"},
    ]
    (folder / "a.jpg").write_bytes(b"a")
    (folder / "caf\u00e9.jpg").write_bytes(b"b")
    write_json(annotations, images, [{"image_id": i, "caption": f"c{i}"} for i in range(1, 5)])
    for place in (folder, zipped(folder, folder.parent / "a.zip")):
        items = read_all(source_of(kind="coco", annotations=annotations, images=place))
        assert told(items[:3]) == ["c1", "c2", "c3"]
        names = [item.path.rpartition("/")[2] if item.path else item.image for item in items[:3]]
        assert names in (["a.jpg", "caf\u00e9.jpg", "000000000030.jpg"], [b"a", b"b", b"picture 30"])
        missing = items[3]
        assert isinstance(missing, Failure) or missing.path == f"{folder}/gone.jpg"


def test_a_folder_without_any_annotated_picture_is_one_line_at_planning(coco, tmp_path):
    annotations, _ = coco
    for images in (tmp_path / "other", tmp_path / "other.zip"):
        (tmp_path / "other").mkdir(exist_ok=True)
        (tmp_path / "other" / "x.jpg").write_bytes(b"x")
        zipped(tmp_path / "other", tmp_path / "other.zip", "")
        message = r"source\.images: .*none of the 3 .* is there, such as 000000000009\.jpg; it holds x\.jpg"
        with pytest.raises(ConfigError, match=message):
            list(source_of(kind="coco", annotations=annotations, images=images).plan())


def test_karpathys_split_file_with_and_without_its_folders(coco, tmp_path):
    annotations, folder = coco
    image = {
        "filepath": "train2017",
        "filename": "000000000009.jpg",
        "cocoid": 9,
        "split": "val",
        "sentences": [{"raw": "one"}, {"raw": "two"}],
    }
    annotations.write_text(json.dumps({"images": [image], "dataset": "coco"}))
    for images in (folder, tmp_path):
        (item,) = read_all(source_of(kind="coco", annotations=annotations, images=images))
        assert isinstance(item, Reference)
        assert (item.key, item.captions) == ("coco-000000000009", ("one", "two"))
        assert (item.path, item.meta) == (f"{folder}/000000000009.jpg", {"split": "val"})


def test_a_mark_and_deep_values_in_the_annotations_are_read(coco):
    annotations, folder = coco
    text = annotations.read_text().replace('"year": 2017', '"year": NaN, "x": ' + "[" * 5000 + "]" * 5000)
    annotations.write_bytes(b"\xef\xbb\xbf" + text.encode())
    items = read_all(source_of(kind="coco", annotations=annotations, images=folder))
    assert told(items) == ["nine, first", "twenty-five", "thirty"]


def test_encrypted_and_unknown_members_are_a_failure_each(coco, tmp_path):
    annotations, folder = coco
    data = bytearray(zipped(folder, tmp_path / "a.zip").read_bytes())
    for name, offset, value in (("000000000009", 8, 1), ("000000000025", 10, 99)):  # flags, method
        place = data.rindex(b"PK\x01\x02", 0, data.rindex(name.encode()))
        data[place + offset] = value
    (tmp_path / "a.zip").write_bytes(data)
    items = read_all(source_of(kind="coco", annotations=annotations, images=tmp_path / "a.zip"))
    assert told(items) == ["unreadable", "unreadable", "thirty"]
    assert "encrypted" in items[0].detail


def test_annotations_without_captions_are_one_line_at_planning(coco):
    annotations, folder = coco
    write_json(annotations, annotations=[{"image_id": 9, "bbox": [0, 0, 1, 1]}])
    with pytest.raises(ConfigError, match=r"no captions in it; give a captions_\*\.json"):
        list(source_of(kind="coco", annotations=annotations, images=folder).plan())


def test_boxes_of_an_instances_file_reach_their_images(coco, tmp_path):
    annotations, folder = coco
    boxes = [
        {"image_id": 9, "bbox": [10.123, 20.5, 30, 40], "iscrowd": 0},
        {"image_id": 9, "bbox": [1, 2, 3, 4], "iscrowd": 1},
        {"image_id": 25, "bbox": "none"},
        {"image_id": 9, "bbox": [0, 0, 5, 6]},
    ]
    instances = tmp_path / "instances.json"
    instances.write_text(json.dumps({"images": IMAGES, "annotations": boxes}))
    source = source_of(kind="coco", annotations=annotations, images=folder, boxes=instances)
    nine, other, _ = read_all(source)
    assert nine.meta == {"boxes": [[10.12, 20.5, 30.0, 40.0], [0.0, 0.0, 5.0, 6.0]]}
    assert other.meta == {}
    without = source_of(kind="coco", annotations=annotations, images=folder)
    assert read_all(without)[0].meta == {}
    assert source.fingerprint() != without.fingerprint()
    assert str(tmp_path) not in str(source.fingerprint())
    instances.write_text(json.dumps({"annotations": ANNOTATIONS}))
    with pytest.raises(ConfigError, match=r"source.boxes: .*: no boxes in it; give an instances_"):
        plan_of(source)


@pytest.mark.parametrize("name", ["../a.jpg", "/data/a.jpg", "http://x/a.jpg", ""])
def test_names_that_cannot_be_in_the_folder_do_not_hide_what_it_holds(coco, name):
    annotations, folder = coco
    write_json(annotations, [{"id": 1, "file_name": name}], [{"image_id": 1, "caption": "c"}])
    with pytest.raises(ConfigError, match=r"none of the 1 .*; it holds 0000.*\.jpg"):
        list(source_of(kind="coco", annotations=annotations, images=folder).plan())
