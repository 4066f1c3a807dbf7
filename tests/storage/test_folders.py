import fsspec
import pytest
from mode_bits import mode_bits_count

from storage.find import find, find_under
from storage.folders import (
    file_sizes,
    first_name,
    folder_exists,
    is_local_folder,
    iter_below,
    list_names,
    list_uris,
)


@pytest.fixture(params=["disk", "memory"])
def place(request, tmp_path):
    """The same folder on a disk and in an object store: two files, a folder with a file."""
    contents = {"b.tar": b"12", "a.txt": b"1", "deep[1]/c.tar": b"123"}
    if request.param == "disk":
        for name, data in contents.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(data)
        return str(tmp_path)
    for name, data in contents.items():
        fsspec.filesystem("memory").pipe_file(f"/folders-{tmp_path.name}/{name}", data)
    return f"memory://folders-{tmp_path.name}"


def test_a_folder_lists_its_names_and_the_sizes_of_its_files(place):
    assert list_names(place) == ["a.txt", "b.tar", "deep[1]"]
    assert list_names(f"{place}/deep[1]") == ["c.tar"]
    assert list_uris(place, ".tar") == [f"{place}/b.tar"]
    assert file_sizes(place, "") == {"a.txt": 1, "b.tar": 2}
    assert first_name(place) in list_names(place)
    assert dict(iter_below(place)) == {"a.txt": 1, "b.tar": 2, "deep[1]/c.tar": 3}


def test_a_folder_that_does_not_exist_is_empty(place):
    gone = f"{place}/none"
    assert (list_names(gone), file_sizes(gone, ""), first_name(gone), list(iter_below(gone))) == (
        [],
        {},
        None,
        [],
    )
    assert folder_exists(place)
    assert not folder_exists(gone)


def test_the_walk_below_a_folder_follows_no_links_to_folders(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "up").symlink_to(tmp_path)
    assert [name for name, _ in iter_below(str(tmp_path))] == ["inner/up"]


def test_only_a_folder_on_this_machine_is_a_local_one(tmp_path):
    assert is_local_folder(str(tmp_path))
    assert not is_local_folder("memory://bucket/folder")


@pytest.fixture
def shut(tmp_path):
    """A folder whose names may be listed, and whose files may not be looked at."""
    folder = tmp_path / "shut"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"1")
    folder.chmod(0o400)
    with mode_bits_count():
        yield folder
    folder.chmod(0o700)


def test_files_of_a_folder_that_cannot_be_entered_are_not_left_out(shut):
    for listing in (find_under, lambda folder: find(f"{folder}/**"), lambda folder: find(f"{folder}/*/*")):
        with pytest.raises(OSError, match="Permission denied"):
            listing(str(shut.parent))


def test_what_may_not_be_looked_at_is_not_missing(shut):
    for question in (folder_exists, list_names, lambda path: list(iter_below(path))):
        with pytest.raises(PermissionError):
            question(str(shut / "inner"))


def test_a_folder_that_is_removed_during_a_listing_is_left_out(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    listed = iter_below(str(tmp_path))
    first, _ = next(listed)
    other = tmp_path / ("b" if first == "a/file" else "a")
    (other / "file").unlink()
    other.rmdir()
    assert list(listed) == []
