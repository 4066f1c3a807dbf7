import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.sources.annotations.coco_index import identifier_of, read_images


def images(tmp_path: Path, value: Any) -> list[tuple[Any, str, list[str]]]:
    (tmp_path / "a.json").write_text(json.dumps(value))
    return [(i.id, i.file, i.captions) for i in read_images([str(tmp_path / "a.json")], "source.annotations")]


def coco(image_ids: list[Any], annotation_ids: list[Any]) -> dict[str, Any]:
    return {
        "images": [{"id": i, "file_name": f"{n}.jpg"} for n, i in enumerate(image_ids)],
        "annotations": [{"image_id": i, "caption": f"c{n}"} for n, i in enumerate(annotation_ids)],
    }


@pytest.mark.parametrize(
    ("image_ids", "annotation_ids", "ids"),
    [
        (["1", "2"], [1, 2], ["1", "2"]),
        ([1, 2], ["1", "2"], [1, 2]),
        ([1.0, 2.0], [1.0, 2.0], [1, 2]),
        (["001", "002"], [1, 2], ["001", "002"]),
        (["a", "b"], ["a", "b"], ["a", "b"]),
    ],
)
def test_captions_find_their_image_whatever_the_type_of_the_id(
    tmp_path, image_ids, annotation_ids, ids
) -> None:
    assert images(tmp_path, coco(image_ids, annotation_ids)) == [
        (ids[0], "0.jpg", ["c0"]),
        (ids[1], "1.jpg", ["c1"]),
    ]


def test_an_id_that_two_images_could_mean_belongs_to_none(tmp_path) -> None:
    found = images(tmp_path, coco(["1", "01"], [1, "01"]))
    assert found == [(1, "", ["c0"]), ("01", "1.jpg", ["c1"]), ("1", "0.jpg", [])]


def test_karpathys_split_file(tmp_path) -> None:
    value = {
        "dataset": "coco",
        "images": [
            {
                "filepath": "val2014",
                "filename": "COCO_val2014_000000522418.jpg",
                "imgid": 0,
                "cocoid": 522418,
                "split": "test",
                "sentences": [{"raw": "A woman.", "tokens": ["a", "woman"]}, {"raw": "A cake."}],
            },
            {"filename": "36979.jpg", "imgid": 1, "sentences": [{"raw": "Two men."}]},
        ],
    }
    assert images(tmp_path, value) == [
        (1, "36979.jpg", ["Two men."]),
        (522418, "val2014/COCO_val2014_000000522418.jpg", ["A woman.", "A cake."]),
    ]


def test_lists_of_image_and_caption(tmp_path) -> None:
    test = [{"image": "val/2.jpg", "caption": ["a", "b"]}, {"image": "val/1.jpg", "caption": ["c"]}]
    assert images(tmp_path, test) == [
        ("val/1.jpg", "val/1.jpg", ["c"]),
        ("val/2.jpg", "val/2.jpg", ["a", "b"]),
    ]
    train = [{"image": "1.jpg", "image_id": "coco_1", "caption": caption} for caption in "ab"]
    assert images(tmp_path, train) == [("coco_1", "1.jpg", ["a", "b"])]


def test_values_that_are_no_id() -> None:
    assert [identifier_of(value) for value in (True, 1.5, float("nan"), None, [], {})] == [None] * 6
    assert [identifier_of(value) for value in (7, 7.0, "7")] == [7, 7, "7"]


def test_a_picture_that_has_only_a_url_is_named_by_its_path(tmp_path: Path) -> None:
    """LVIS has no file names."""
    url = "http://images.cocodataset.org/train2017/a%20b.jpg"
    value = {
        "images": [{"id": 1, "coco_url": url}, {"id": 2, "coco_url": "http://["}],
        "annotations": [{"image_id": 1, "captions": ["one", "two"]}, {"image_id": 2, "caption": "three"}],
    }
    assert images(tmp_path, value) == [(1, "train2017/a b.jpg", ["one", "two"]), (2, "", ["three"])]


def test_in_a_list_of_captions_the_id_of_the_image_joins_them(tmp_path: Path) -> None:
    rows = [{"id": n, "image_id": 7, "image": "a.jpg", "caption": f"c{n}"} for n in range(3)]
    assert images(tmp_path, rows) == [(7, "a.jpg", ["c0", "c1", "c2"])]
    assert images(tmp_path, [{"id": 5, "image": "a.jpg", "caption": "c"}]) == [(5, "a.jpg", ["c"])]
