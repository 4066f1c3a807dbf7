import io
import json
import math
import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipelines.sources.annotations import json_entries as module
from pipelines.sources.annotations.json_entries import MAX_DEPTH, NOT_UTF8, JsonBytes, json_entries
from schemas.errors import ConfigError


@pytest.fixture
def entries(tmp_path: Path):
    def read(data: bytes, *arrays: str) -> list[tuple[str | None, Any]]:
        (tmp_path / "a.json").write_bytes(data)
        return list(json_entries(str(tmp_path / "a.json"), "source.annotations", arrays))

    return read


def test_arrays_objects_and_named_arrays(entries) -> None:
    assert entries(b'[1, {"a": [2.5, null]}]') == [(None, 1), (None, {"a": [2.5, None]})]
    assert entries(b'{"x": 1, "y": [2]}') == [("x", 1), ("y", [2])]
    data = b'{"info": {"images": [0]}, "images": [1, 2], "other": [3], "annotations": [{}]}'
    assert entries(data, "images", "annotations") == [("images", 1), ("images", 2), ("annotations", {})]


def test_marks_and_constants_that_json_does_not_have_are_read(entries) -> None:
    data = b'\xef\xbb\xbf[NaN, -Infinity, "NaN, \\"Infinity", {"a": Infinity}]'
    assert [entry for _, entry in entries(data)] == [None, None, 'NaN, "Infinity', {"a": None}]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_bytes_that_are_not_utf8_cost_the_texts_that_hold_them(size: int) -> None:
    data = '["caf\u00e9", "\u7530\U0001f600", '.encode() + b'"a\xe9b", "\xff\xfe", "\xed\xa0\x80", "c\xc3"]'
    stream = JsonBytes(io.BytesIO(data))
    read = b"".join(iter(partial(stream.read, size), b""))
    texts = ["caf\u00e9", "\u7530\U0001f600", f"a{NOT_UTF8}b", NOT_UTF8 * 2, NOT_UTF8 * 3, f"c{NOT_UTF8}"]
    assert json.loads(read) == texts


def test_values_below_the_depth_limit_read_as_null(entries) -> None:
    ((_, entry),) = entries(b'[{"id": 1, "x": ' + b"[" * 20_000 + b"]" * 20_000 + b', "y": 2}]')
    assert (entry["id"], entry["y"]) == (1, 2)
    depth = 0
    value = entry["x"]
    while value:
        value, depth = value[0], depth + 1
    assert value is None
    assert depth == MAX_DEPTH - 1


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "it is cut off"),
        (b'{"images": [{"id"', "it is cut off"),
        (b"nonsense", "lexical error"),
        (b"[1] x", "trailing garbage"),
        (b'["a\nb"]', "line break or control character"),
        ("[1]".encode("utf-16"), "UTF-16"),
        (b"[" + b"9" * 5000 + b"]", "does not fit 64 bits"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(entries, data: bytes, cause: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"source\.annotations: .*a\.json: not a readable JSON: .*{cause}"
    ) as caught:
        entries(data)
    assert "\n" not in str(caught.value)


def test_memory_of_one_entry_is_bounded(entries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_EVENTS", 100)
    monkeypatch.setattr(module, "MAX_TEXT", 100)
    monkeypatch.setattr(module, "BUFFER", 64)
    for data in (b"[[" + b"1," * 200 + b"1]]", b'["' + b"a" * 1000 + b'"]'):
        with pytest.raises(ConfigError, match="over 100"):
            entries(data)


def _random_value(rng: random.Random, depth: int = 0) -> Any:
    texts = ["NaN", 'a, NaN, "b\\" Infinity', "\\\\", "x\\", '"', "-Infinity", "é", ""]
    kind = rng.random()
    if depth > 3 or kind < 0.4:
        return rng.choice([None, True, 1, 2.5, math.nan, math.inf, -math.inf, *texts])
    if kind < 0.7:
        return [_random_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(texts) + str(i): _random_value(rng, depth + 1) for i in range(rng.randrange(4))}


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return {key: _finite(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def test_constants_become_null_and_strings_stay_for_any_size_of_chunk() -> None:
    rng = random.Random(0)
    for _ in range(500):
        value = [_random_value(rng) for _ in range(5)]
        stream = JsonBytes(io.BytesIO(json.dumps(value, ensure_ascii=rng.random() < 0.5).encode()))
        size = rng.choice([1, 2, 3, 5, 11, 17, 64, 1000])
        assert json.loads(b"".join(iter(partial(stream.read, size), b""))) == _finite(value)


HALVES = ("\\udfff", "\\ud83d", "\\ud83d\\ude00", "\\\\", "\\u4e2d", "udfff", "\\n", "a", '\\"')


def test_half_of_an_escaped_character_becomes_one_that_can_be_encoded(entries) -> None:
    """A second half alone would end the parse; a pair is one character, wherever a chunk ends."""
    rng = random.Random(1)
    for _ in range(500):
        text = "".join(rng.choices(HALVES, k=rng.randint(1, 12)))
        stream = JsonBytes(io.BytesIO(f'["{text}"]'.encode()))
        size = rng.choice([1, 2, 3, 5, 11, 17, 64])
        (read,) = json.loads(b"".join(iter(partial(stream.read, size), b"")))
        (whole,) = json.loads(f'["{text}"]')
        assert read == "".join("\ufffd" if "\udc00" <= letter <= "\udfff" else letter for letter in whole)
    document = b'{"captions": ["a", "b \\udfff c", "\\ud83d\\ude00"]}'
    found = [value for _, value in entries(document, "captions")]
    assert found == ["a", "b \ufffd c", "\U0001f600"]
