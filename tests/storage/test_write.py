import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage import write
from storage.folders import list_names
from storage.login import filesystem
from storage.read import file_exists, file_size, read_bytes
from storage.remote.conditional import create_exclusively, read_version, remove_version, replace_version
from storage.remote.upload import UPLOAD_BLOCK
from storage.write import create_file, move_file, remove_empty_folder, write_bytes


@pytest.fixture(params=["disk", "memory"])
def place(request, tmp_path) -> str:
    return str(tmp_path / "place") if request.param == "disk" else f"memory://{tmp_path.name}/place"


@pytest.mark.parametrize("size", [0, 10, UPLOAD_BLOCK + 10])
def test_a_new_file_is_whole_once_it_is_closed(place, size):
    with create_file(f"{place}/new") as stream:
        stream.write(b"x" * size)
    assert file_size(f"{place}/new") == size
    assert list_names(place) == ["new"]


def test_an_upload_that_fails_or_is_forgotten_leaves_no_object(tmp_path):
    place = f"memory://{tmp_path.name}/place"
    for size in (10, UPLOAD_BLOCK + 10):
        with pytest.raises(KeyError), create_file(f"{place}/broken") as stream:  # noqa: PT012
            stream.write(b"x" * size)
            raise KeyError
        forgotten = create_file(f"{place}/forgotten")
        forgotten.write(b"x" * size)
        del forgotten
    assert list_names(place) == []


def test_files_reach_the_disk_before_they_count(tmp_path, monkeypatch):
    flushed: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        flushed.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with create_file(str(tmp_path / "a.tar")) as stream:
        stream.write(b"x")
    move_file(str(tmp_path / "a.tar"), str(tmp_path / "out" / "a.tar"))
    assert flushed == [str(tmp_path / "a.tar"), str(tmp_path / "out")]
    flushed.clear()
    write_bytes(str(tmp_path / "b"), b"x")
    assert flushed[0].endswith(".partial")
    assert flushed[1:] == [str(tmp_path)]


def test_a_move_that_was_done_already_is_no_error_if_the_size_fits(place):
    write_bytes(f"{place}/a", b"12345")
    move_file(f"{place}/a", f"{place}/b", 5)
    move_file(f"{place}/a", f"{place}/b", 5)
    assert read_bytes(f"{place}/b") == b"12345"
    for size in (None, 6):
        with pytest.raises(FileNotFoundError):
            move_file(f"{place}/a", f"{place}/b", size)


def test_one_of_many_creators_at_once_succeeds(place):
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda n: create_exclusively(f"{place}/record", str(n).encode()), range(16)))
    assert sum(made) == 1
    assert read_bytes(f"{place}/record") == str(made.index(True)).encode()
    assert create_exclusively(f"{place}/record", read_bytes(f"{place}/record")) is (
        place.startswith("memory")
    ), "a lost answer is recognised by the bytes"
    assert list_names(place) == ["record"]


def test_a_version_is_replaced_and_removed_by_its_holder_only(tmp_path):
    uri = f"memory://{tmp_path.name}/lease"
    write_bytes(uri, b"1")
    _, first = read_version(uri) or (b"", "")
    second = replace_version(uri, b"2", first)
    assert second is not None
    assert replace_version(uri, b"3", first) is None
    remove_version(uri, first)
    assert file_exists(uri)
    remove_version(uri, second)
    assert not file_exists(uri)


def test_a_forked_process_reads_and_writes(tmp_path):
    uri = f"memory://{tmp_path.name}/a"
    write_bytes(uri, b"before")
    child = os.fork()
    if child == 0:
        write_bytes(uri, b"in the child")
        os._exit(0 if read_bytes(uri) == b"in the child" and filesystem(uri)[0]._pid == os.getpid() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert write.file_size(uri) == 6


def test_an_empty_folder_is_removed_and_a_link_to_one_stays(tmp_path):
    empty, full, link = tmp_path / "empty", tmp_path / "full", tmp_path / "link"
    empty.mkdir()
    full.mkdir()
    (full / "a").write_bytes(b"a")
    link.symlink_to(empty)
    for folder in (link, full, tmp_path / "gone"):
        remove_empty_folder(str(folder))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "full", "link"]
    remove_empty_folder(str(empty))
    assert not empty.exists()


def test_a_folder_that_two_threads_remove_at_once_is_no_error(tmp_path):
    """Two workers of a cluster may finish the moves of one attempt."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(2) as pool:
            for number in range(200):
                folder, both = tmp_path / str(number), threading.Barrier(2)
                folder.mkdir()

                def remove(folder: Path = folder, both: threading.Barrier = both) -> None:
                    both.wait()
                    remove_empty_folder(str(folder))

                for removal in [pool.submit(remove), pool.submit(remove)]:
                    removal.result()
    finally:
        sys.setswitchinterval(interval)
    assert not list(tmp_path.iterdir())
