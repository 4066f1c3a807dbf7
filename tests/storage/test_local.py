import os

import pytest

from storage.local import check_regular, local_copy
from storage.write import write_bytes


def test_a_local_file_is_its_own_copy(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"1")
    with local_copy(str(tmp_path / "a.bin")) as path:
        assert path == tmp_path / "a.bin"
    assert path.read_bytes() == b"1"


def test_a_copy_of_remote_files_is_removed_at_the_end():
    for name in ("weights", "state/run.json", "notes"):
        write_bytes(f"memory://local-copy/folder/{name}", name.encode())
    with local_copy("memory://local-copy/folder", ["weights", "state/run.json"]) as folder:
        assert (folder / "state" / "run.json").read_bytes() == b"state/run.json"
        assert sorted(os.listdir(folder)) == ["state", "weights"]
    assert not folder.exists()
    with local_copy("memory://local-copy/folder") as folder:
        assert sorted(os.listdir(folder)) == ["notes", "state", "weights"]


def test_a_pipe_is_refused_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for refused in (
        lambda: local_copy(str(tmp_path / "pipe")).__enter__(),
        lambda: local_copy(str(tmp_path), ["pipe"]).__enter__(),
        lambda: check_regular(tmp_path / "pipe"),
    ):
        with pytest.raises(OSError, match=r"not a regular file: .*pipe"):
            refused()


def test_a_missing_file_is_left_to_the_library_that_opens_it(tmp_path):
    check_regular(tmp_path / "gone")
