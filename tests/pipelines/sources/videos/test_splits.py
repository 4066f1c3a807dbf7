from pathlib import Path

import pytest

from pipelines.sources.videos.base import BadEntry, Entry
from pipelines.sources.videos.splits import Split, read_split, select
from schemas.errors import ConfigError
from schemas.records import Reason


def read(tmp_path: Path, data: bytes) -> Split:
    (tmp_path / "list").write_bytes(data)
    return read_split(str(tmp_path / "list"))


def test_a_list_is_one_id_per_line_or_a_csv(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfv1\r\n\r\nv0\r\n") == Split(("v1", "v0"))
    assert read(tmp_path, b"video_id\nv1\nv0\n") == Split(("v1", "v0"))
    assert read(tmp_path, b"key, Video_ID\n1,v1\n") == Split(("v1",))
    sentences = read(tmp_path, b'key,video_id,sentence\n0,v1,a man, with a hat\n1,v1,"b"\n')
    assert sentences == Split(("v1",), {"v1": ("a man, with a hat", "b")})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "an empty list"),
        (b"video_id,sentence\n\n", "an empty list"),
        (b"a,b\n1,2\n", "no column video_id or video"),
        (b"\xff\xfe", "not UTF-8"),
        (b'video_id,sentence\nv1,"open\n', "line 2: a quote is not closed"),
        (b"sentence,video_id\na,v1\nshort\n", "line 3: no video in column video_id"),
        (b"video_id,sentence\n ,a\n", "line 2: no video in column video_id"),
    ],
)
def test_a_list_that_cannot_be_read_is_one_line(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, data)


def test_entries_are_selected_in_the_order_of_the_list() -> None:
    entries = [Entry("v0", ("a",)), BadEntry(Reason.MALFORMED_ROW, "x"), Entry("V1.mp4", ("b",))]
    assert list(select(None, entries)) == entries
    assert list(select(Split(("v1", "v0", "v9")), entries)) == [entries[2], entries[0], Entry("v9", ())]
    (chosen,) = select(Split(("v1",), {"v1": ("own",)}), entries)
    assert isinstance(chosen, Entry)
    assert (chosen.video, chosen.captions) == ("v1", ("own",))
