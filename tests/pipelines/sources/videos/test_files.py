import hashlib
from pathlib import Path

import pytest

from pipelines.sources.videos.files import VideoFiles, open_video, video_key
from schemas.errors import ConfigError
from schemas.records import Reason, SampleError

NAMES = ["v0.avi", "v0.mp4", "sub/V1.MKV", "caf\u00e9.webm", "notes.txt"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / name).write_bytes(name.encode())
    return tmp_path / "videos"


@pytest.mark.parametrize(
    ("video", "name"),
    [
        ("v0", "v0.mp4"),
        ("v0.avi", "v0.avi"),
        ("V0.MP4", "v0.mp4"),
        ("v0.webm", "v0.mp4"),
        ("sub\\v1.mkv", "sub/V1.MKV"),
        ("./v1", "sub/V1.MKV"),
        ("cafe\u0301", "caf\u00e9.webm"),
        ("v9", None),
        ("notes.txt", None),
    ],
)
def test_a_video_is_found_by_its_id(folder: Path, video: str, name: str | None) -> None:
    found = VideoFiles(str(folder)).get(video)
    assert found == (f"{folder}/{name}" if name else None)


def test_linked_folders_hold_videos_too(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(folder)
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "more").symlink_to(folder)
    assert VideoFiles(str(tmp_path / "all")).get("v1") == f"{tmp_path}/all/more/sub/V1.MKV"
    assert VideoFiles(f"{tmp_path}/linked/*.avi").get("v0") == f"{tmp_path}/linked/v0.avi"


def test_a_folder_without_videos_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.txt").touch()
    for place, message in ((tmp_path, "no video files there"), (tmp_path / "none", "no such folder")):
        with pytest.raises(ConfigError, match=rf"source\.videos: {place}: {message}"):
            VideoFiles(str(place))


def test_a_video_is_opened_with_its_digest_up_to_the_limit(folder: Path) -> None:
    with open_video(f"{folder}/v0.mp4", 100) as (stream, digest):
        assert stream.read() == b"v0.mp4"
        assert digest == hashlib.sha256(b"v0.mp4").hexdigest()
    for path, limit, reason in (("v0.mp4", 3, Reason.TOO_LARGE), ("gone.mp4", 9, Reason.MISSING_VIDEO)):
        with pytest.raises(SampleError) as caught, open_video(f"{folder}/{path}", limit):
            pass
        assert caught.value.reason == reason


def test_the_key_of_a_name_has_no_video_ending() -> None:
    assert [video_key(name) for name in ("A.MP4", "a", "a.b", "x/A.webm")] == ["a", "a", "a.b", "x/a"]


def test_an_absolute_path_in_the_folder_is_found_and_one_outside_is_not(folder: Path, tmp_path: Path) -> None:
    files = VideoFiles(str(folder))
    assert files.get(f"{folder}/v0.avi") == f"{folder}/v0.avi"
    assert files.get(f"{folder}/sub/V1") == f"{folder}/sub/V1.MKV"
    (tmp_path / "outside.mp4").write_bytes(b"x")
    assert files.get(f"{tmp_path}/outside.mp4") is None


@pytest.mark.parametrize("name", ["x\0.abc", "../notes.txt", "z" * 300 + ".q", "/notes.txt/.."])
def test_a_name_that_no_file_of_the_folder_has_is_a_missing_video(folder: Path, name: str) -> None:
    (folder.parent / "notes.txt").touch()
    assert VideoFiles(str(folder)).missing(name)[0] == Reason.MISSING_VIDEO
