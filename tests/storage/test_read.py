import os
import threading

import pytest
from mode_bits import mode_bits_count

from schemas.records import Reason, SampleError
from storage.read import (
    MAX_JSON,
    capped_lines,
    file_size,
    open_input,
    open_uri,
    read_bytes,
    read_picture,
)


def test_a_file_that_has_gone(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.tsv: cannot be read: No such file"):
        open_input(str(tmp_path / "gone.tsv"))


def test_a_file_that_may_not_be_looked_at_is_not_missing(tmp_path):
    (tmp_path / "shut").mkdir()
    (tmp_path / "shut" / "a.tar").write_bytes(b"12")
    (tmp_path / "shut").chmod(0o600)
    with mode_bits_count(), pytest.raises(PermissionError, match=r"a\.tar"):
        file_size(str(tmp_path / "shut" / "a.tar"))
    (tmp_path / "shut").chmod(0o700)
    assert file_size(str(tmp_path / "shut" / "a.tar")) == 2
    assert file_size(str(tmp_path / "none.tar")) is None
    assert file_size(str(tmp_path / "shut")) is None


def test_a_pipe_or_device_is_refused_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    for name in ("pipe.jpg", "zero.jpg"):
        with pytest.raises(OSError, match=rf"{name}: cannot be read: not a regular file"):
            open_input(str(tmp_path / name))
        with pytest.raises(SampleError, match=rf"unreadable: .*{name}: not a regular file"):
            read_picture(str(tmp_path / name))
        for read in (open_uri, read_bytes):
            with pytest.raises(OSError, match=rf"not a regular file: .*{name}"):
                read(str(tmp_path / name))


def test_a_pipe_that_the_user_named_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(b"seed: 1"))
    writer.start()
    with open_uri(str(tmp_path / "pipe"), pipes=True) as stream:
        assert stream.read() == b"seed: 1"
    writer.join()


def test_a_name_that_no_file_can_have_is_an_error_of_reading(tmp_path):
    for name in ("a\0b", "\ud800"):
        with pytest.raises(OSError, match="no name of a file"):
            open_uri(f"{tmp_path}/{name}")


def test_a_small_file_that_is_large_is_not_read(tmp_path):
    with open(tmp_path / "index.json", "wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(OSError, match=r"larger than 67\.1 MB: .*index\.json"):
        read_bytes(str(tmp_path / "index.json"), MAX_JSON)


def test_reading_one_picture(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"picture")
    assert read_picture(str(path)) == b"picture"
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    for name, settings, reason in (
        ("a.jpg", {"max_bytes": 6}, Reason.TOO_LARGE),
        ("none.jpg", {}, Reason.MISSING_IMAGE),
        ("a.jpg/b.jpg", {}, Reason.MISSING_IMAGE),
        ("empty.jpg", {}, Reason.EMPTY_BODY),
        ("folder.jpg", {}, Reason.UNREADABLE),
    ):
        with pytest.raises(SampleError) as caught:
            read_picture(str(tmp_path / name), **settings)
        assert caught.value.reason == reason
        assert name in caught.value.detail


def test_lines_are_capped_across_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr("storage.read.READ_CHUNK", 7)
    lines = [b"short", b"", b"x" * 100, b"after", b"last"]
    (tmp_path / "a").write_bytes(b"\n".join(lines))
    size = len(b"\n".join(lines))
    with open_input(str(tmp_path / "a")) as stream:
        found = list(capped_lines(stream, size, "a", cap=10))
    assert [length for _, length in found] == [len(line) for line in lines]
    assert [line for line, length in found if length <= 10] == [line for line in lines if len(line) <= 10]
    assert all(len(line) < 30 for line, _ in found)
    with open_input(str(tmp_path / "a")) as stream, pytest.raises(OSError, match="ends 5 bytes early"):
        list(capped_lines(stream, size + 5, "a", cap=10))
