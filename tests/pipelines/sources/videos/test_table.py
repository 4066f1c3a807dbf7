from pathlib import Path

import pytest
from video_lists import planned

from schemas.errors import ConfigError

FILES = ["a.mp4", "b.mp4", "c d.webm"]


def rows(
    tmp_path: Path, text: str | bytes, more: tuple[str, ...] = (), **fields: object
) -> list[tuple[str, ...]]:
    table = tmp_path / "c.csv"
    table.write_bytes(text.encode() if isinstance(text, str) else text)
    return planned(tmp_path, [*FILES, *more], kind="csv", annotations=table, **fields)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_rows_of_one_video_are_its_captions(tmp_path: Path, delimiter: str) -> None:
    lines = [
        "\ufeff Video , Caption ",
        "b,two",
        "a.mp4, one, and more",
        "./a.MP4,three",
        ",,",
        "c d.mp4,four",
    ]
    text = "\n".join(line.replace(",", delimiter) for line in lines)
    more = "one" + delimiter + " and more"
    assert rows(tmp_path, text) == [
        ("0000000-b", "two"),
        ("0000001-a-mp4", more, "three"),
        ("0000002-c-d-mp4", "four"),
    ]


def test_every_row_is_a_video_or_a_failure_that_names_its_line(tmp_path: Path) -> None:
    text = 'video,caption\n,orphan\na,"open\nb,two\nc d,"x" y\nb,"never closed\n'
    found = rows(tmp_path, text)
    assert [row[:2] for row in found] == [
        ("0000000-b", "two"),
        ("0000001-a", "malformed_row"),
        ("0000002-c-d", "malformed_row"),
        ("x0000000", "malformed_row"),
        ("x0000001", "malformed_row"),
    ]
    lines = [row[2].partition("c.csv: ")[2].partition(":")[0] for row in found[1:]]
    assert lines == ["line 3", "line 5", "line 2", "line 6"]


def test_a_surplus_field_is_never_cut_off(tmp_path: Path) -> None:
    assert rows(tmp_path, "caption,video\na man, with a hat,a\na cup,b\n")[-1][1:] == (
        "malformed_row",
        f"{tmp_path}/c.csv: line 2: 3 fields for 2 columns; quote what holds a comma",
    )


def test_a_split_by_name_and_by_list(tmp_path: Path) -> None:
    text = "video,caption,split\na,one,train\nb,two,test\n"
    assert rows(tmp_path, text, split="test") == [("0000000-b", "two")]
    (tmp_path / "list.txt").write_text("b.mp4\na\nz\n")
    found = rows(tmp_path, text, split_file=tmp_path / "list.txt")
    assert [row[:2] for row in found] == [
        ("0000000-b", "two"),
        ("0000001-a", "one"),
        ("0000002-z", "missing_caption"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "clip,caption\na,b\n",
            "source.video_column: .*no column video or video_id or path or file; .*: clip, caption",
        ),
        ("", "an empty table; it needs the column video or"),
        ("video,caption\nx,one\ny,two\n", "none of the 2 videos is there.* such as x.mp4"),
        ("video,caption\n", "no rows in it"),
        ("video,caption\na,b\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_a_wrong_table_is_one_line_at_planning(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        rows(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_files_that_differ_in_their_ending_are_videos_of_their_own(tmp_path: Path) -> None:
    """Names with other endings, or with none, are the same video where only one file has the name."""
    (tmp_path / "c.csv").write_text(
        "video,caption\na.mp4,one\na.mkv,two\na,three\nb.avi,four\nb,five\nb.mp4,six\na.webm,\n"
    )
    files = ["a.mp4", "a.mkv", "a.webm", "b.mp4"]
    assert planned(tmp_path, files, kind="csv", annotations=tmp_path / "c.csv") == [
        ("0000000-a-mp4", "one", "three"),
        ("0000001-a-mkv", "two"),
        ("0000002-a-webm", "missing_caption", "video a.webm has no captions in the annotations"),
        ("0000003-b-avi", "four", "five", "six"),
    ]


def test_ids_that_differ_in_case_are_two_videos_if_both_files_exist(tmp_path: Path) -> None:
    """The ids of YouTube do."""
    (tmp_path / "c.csv").write_text("video,caption\n-ab_cD,one\n-AB_cd,two\nx,three\nX,four\n")
    files = ["-ab_cD.mp4", "-AB_cd.mp4", "x.mp4"]
    assert planned(tmp_path, files, kind="csv", annotations=tmp_path / "c.csv") == [
        ("0000000-ab_cd", "one"),
        ("0000001-ab_cd", "two"),
        ("0000002-x", "three", "four"),
    ]


def test_a_file_of_a_kind_that_is_not_read_is_not_called_missing(tmp_path: Path) -> None:
    found = rows(tmp_path, "video,caption\na.mp4,one\nd.mxf,two\ne.mxf,three\n", ("d.mxf", "f.VOB"))
    place = tmp_path / "videos"
    assert found[1:] == [
        (
            "0000001-d-mxf",
            "unsupported_format",
            f"{place}/d.mxf: the ending mxf is not that of a video which is read",
        ),
        ("0000002-e-mxf", "missing_video", f"no file of video e.mxf in {place}"),
    ]
    assert rows(tmp_path, "video,caption\nf,four\n") == [("0000000-f", "four")]
