import json

import numpy as np
import pytest

from schemas.clip import ClipMeta, json_member, quads_to_json
from schemas.keys import check_key, derive_seed, slug
from schemas.records import SampleError


def test_seeds_depend_on_seed_key_and_purpose_alone():
    assert derive_seed(0, "a") == derive_seed(0, "a")
    assert (
        derive_seed(1, "abc", "epoch", 3) == 12166477027178542578
    )  # fixed for ever: other values would change every clip
    assert (
        len({derive_seed(s, k, *p) for s in range(3) for k in "abc" for p in [(), (1,), ("1", "2"), (12,)]})
        == 36
    )
    assert 0 <= derive_seed(7, "x") < 2**64


def test_keys_have_no_dots_slashes_or_capitals():
    assert check_key("coco-000000000009_1") == "coco-000000000009_1"
    for bad in ["a.b", "A", "a/b", "", "é", "x" * 121]:
        with pytest.raises(ValueError, match="keys are"):
            check_key(bad)
    assert slug("Été/Photo 1.JPG") == "t-photo-1-jpg"


def test_key_json_round_trips_exactly():
    quads = np.random.default_rng(0).random((12, 4, 2), dtype=np.float32)
    meta = ClipMeta(
        key="a", caption="é ☕", captions=("é ☕", "b"), source="folder", store="frames",
        frames=12, fps=8.0, width=224, height=224, motion="zoom_in", motion_parameters={"zoom": 1.5},
        quads=quads_to_json(quads),
    )  # fmt: skip
    again = ClipMeta.from_json(meta.to_json())
    assert again == meta
    assert np.array_equal(again.quads_T42(), quads)
    assert again.quads_T42().dtype == np.float32


@pytest.mark.parametrize("data", [b"[]", b'{"format": 99}', b'{"format": 1}', b'{"key": "a"}'])
def test_a_json_of_another_kind_is_refused(data):
    with pytest.raises(ValueError, match=r"KEY\.json"):
        ClipMeta.from_json(data)


@pytest.mark.parametrize(
    "change",
    [
        {"quads": 5},
        {"quads": [[[0, 0], [1]]]},
        {"quads": None},
        {"quads": [[["x", 0], [1, 0], [1, 1], [0, 1]]]},
        {"quads": [[[0, 0], [1, 0], [1, 1]]]},
        {"quads": [[["0", "0"], ["1", "0"], ["1", "1"], ["0", "1"]]]},
        {"quads": [[[False, False], [True, False], [True, True], [False, True]]]},
        {"captions": 5},
        {"captions": "abc"},
        {"captions": {"a": 1}},
        {"captions": [1]},
        {"captions": None},
        {"width": "x"},
        {"frames": -1},
        {"frames": True},
        {"fps": None},
        {"fps": "8"},
        {"timestamps": [[1]]},
        {"timestamps": ["x"]},
        {"timestamps": "123"},
        {"kind": "picture"},
        {"meta": []},
        {"caption": None},
        {"format": 9},
    ],
)
def test_key_json_of_another_form_is_a_value_error(change):
    meta = ClipMeta(
        "k", "c", ("c",), "coco", "frames", 1, 8.0, 4, 4, quads=(((0, 0), (1, 0), (1, 1), (0, 1)),)
    )
    values = json.loads(meta.to_json())
    assert ClipMeta.from_json(json.dumps(values)).quads == meta.quads
    with pytest.raises(ValueError, match=r"^KEY\.json: "):
        ClipMeta.from_json(json.dumps({**values, **change}))


def test_a_key_json_that_readers_would_refuse_is_neither_written_nor_parsed(monkeypatch):
    meta = ClipMeta("k", "c", ("c" * 1000,), "coco", "frames", 1, 8.0, 4, 4)
    assert json_member(meta) == meta.to_json()
    monkeypatch.setattr("schemas.clip.MAX_JSON_BYTES", 1000)
    with pytest.raises(SampleError, match=r"too_large: KEY\.json: \d+ bytes, over the limit of 1000"):
        json_member(meta)
    with pytest.raises(ValueError, match=r"^KEY\.json: \d+ bytes, over the limit of 1000$"):
        ClipMeta.from_json(meta.to_json())


def test_a_message_quotes_little_of_key_json():
    with pytest.raises(ValueError, match="format must be 1") as caught:
        ClipMeta.from_json(json.dumps({"format": "x" * 10**6}))
    assert len(str(caught.value)) < 100


TRICKY = '"quads":0 close-up 3e-5 \\"quads\\":0'


@pytest.mark.parametrize("scale", [1.0, 1e-5, 1e-38, 0.0, float("nan")])
def test_key_json_has_the_bytes_that_json_writes(scale):
    quads = np.random.default_rng(0).random((12, 4, 2)).astype(np.float32) * np.float32(scale)
    meta = ClipMeta(
        "k", TRICKY, (TRICKY, "é ☕"), "coco", "frames", 12, 8.0, 4, 4, url=TRICKY, version=TRICKY,
        quads=quads_to_json(quads), meta={"quads": 0, "a": [1e-7, 2**70]},
    )  # fmt: skip
    fields = {name: value for name, value in vars(meta).items() if name != "scores"}  # there are none
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert meta.to_json() == text.encode()
    digits = [float(f"{x:.9g}") for x in quads.ravel().tolist()]
    np.testing.assert_array_equal(np.ravel(meta.quads), digits)
