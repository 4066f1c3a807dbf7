import os

import fsspec
import pytest
from fsspec import AbstractFileSystem

from schemas.errors import ConfigError
from storage.find import FileInfo, find, find_some, find_under, identity


@pytest.fixture
def tree(tmp_path):
    for name in ("b.tar", "a.tar", "deep/c.tar", "odd[1].tar", "note.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * len(name))
    return tmp_path


def test_find_by_name_glob_and_bracket(tree, monkeypatch):
    def names(pattern):
        return [file.path.removeprefix(f"{tree}/") for file in find(pattern)]

    assert names(f"{tree}/*.tar") == ["a.tar", "b.tar", "odd[1].tar"]
    assert names(f"{tree}/**.tar") == ["a.tar", "b.tar", "deep/c.tar", "odd[1].tar"]
    assert names(f"{tree}/odd[1].tar") == ["odd[1].tar"]
    assert names(f"{tree}/deep") == []
    assert names(f"{tree}/none*") == []
    assert names(f"file://{tree}/a.tar") == ["a.tar"]
    monkeypatch.chdir(tree)
    assert names("*.tar") == ["a.tar", "b.tar", "odd[1].tar"]
    assert find("a.tar")[0].size == 5


def test_pipes_are_no_files_and_links_that_lead_nowhere_are_empty_ones(tree):
    os.mkfifo(tree / "pipe.tar")
    (tree / "loop.tar").symlink_to("loop.tar")
    (tree / "gone.tar").symlink_to("nowhere.tar")
    names = ["a.tar", "b.tar", "gone.tar", "loop.tar", "odd[1].tar"]
    assert [file.path.removeprefix(f"{tree}/") for file in find(f"{tree}/*.tar")] == names
    assert len(find_under(str(tree))) == len(names) + 2
    with pytest.raises(ConfigError, match=r"source\.uri: .*/gone\.tar: a link that leads nowhere"):
        find_some(f"{tree}/*.tar", "source.uri")


def test_brace_ranges_must_be_whole(tmp_path):
    for i in range(8, 12):
        (tmp_path / f"cc-{i:04d}.tar").touch()
    (tmp_path / "cc-x.tar").touch()
    found = find_some(f"{tmp_path}/cc-{{0008..0011}}.tar", "source.uri")
    assert [file.path[-8:] for file in found] == ["0008.tar", "0009.tar", "0010.tar", "0011.tar"]
    with pytest.raises(ConfigError, match=r"source\.uri: .*cc-0012\.tar: no such file, but .* names it"):
        find_some(f"{tmp_path}/cc-{{0008..0012}}.tar", "source.uri")
    (tmp_path / "odd{1}.tar").touch()
    assert len(find_some(f"{tmp_path}/odd{{1}}.tar", "source.uri")) == 1


class Refusing(AbstractFileSystem):
    """A store that refuses everybody, with an exception of its own."""

    protocol = "refusing"

    def ls(self, path, detail=True, **kwargs):
        raise RuntimeError("403: no\n  right to list")

    info = ls


def test_what_a_store_says_is_not_buried():
    fsspec.register_implementation("refusing", Refusing, clobber=True)
    for pattern in ("refusing://bucket/a", "refusing://bucket/*.tar", "refusing://bucket/**.tar"):
        with pytest.raises(
            OSError, match=r"cannot be listed: .*403: no right to list; check the path"
        ) as error:
            find(pattern)
        assert str(error.value).startswith(pattern)


def test_globs_on_a_store_are_those_of_a_disk(tree):
    files = fsspec.filesystem("memory")
    base = f"globs-{tree.name}"
    for path in tree.rglob("*.*"):
        if path.is_file():
            files.pipe_file(f"/{base}/{path.relative_to(tree)}", path.read_bytes())
    for pattern in (
        "*.tar",
        "**.tar",
        "**/*.tar",
        "?.tar",
        "[!a].tar",
        "deep/*",
        "none*",
        "*/*.tar",
        "a.tar",
    ):
        local = [(file.path.removeprefix(f"{tree}/"), file.size) for file in find(f"{tree}/{pattern}")]
        remote = [
            (file.path.removeprefix(f"memory://{base}/"), file.size)
            for file in find(f"memory://{base}/{pattern}")
        ]
        assert remote == local, pattern


def test_a_local_folder_may_have_brackets_in_its_name(tmp_path):
    for name in ("set[1]", "set1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.tar").touch()
    assert [file.path for file in find(f"{tmp_path}/set[1]/*.tar")] == [f"{tmp_path}/set[1]/a.tar"]
    assert [file.path for file in find(f"{tmp_path}/set[12]/*.tar")] == [f"{tmp_path}/set1/a.tar"]
    assert [file.path for file in find_under(f"{tmp_path}/set[1]")] == [f"{tmp_path}/set[1]/a.tar"]


@pytest.mark.parametrize("name", ["none.tar", "none*.tar", "deep"])
def test_nothing_there_names_the_field_and_the_path(tree, name):
    with pytest.raises(ConfigError, match=rf"source\.uri: {tree}/{name.replace('*', '.')}"):
        find_some(f"{tree}/{name}", "source.uri")


def test_an_address_that_cannot_be_read_says_what_to_do():
    with pytest.raises(ConfigError, match=r"https://example.org/a.tsv: .*download it"):
        find("https://example.org/a.tsv")


def test_identity_is_of_names_and_sizes_not_of_place(tree, tmp_path_factory):
    other = tmp_path_factory.mktemp("elsewhere")
    for name in ("a.tar", "b.tar"):
        (other / name).write_bytes((tree / name).read_bytes())
    here = identity(find(f"{tree}/[ab].tar"))
    assert here == identity(find(f"{other}/*.tar"))
    (other / "b.tar").write_bytes(b"longer now")
    assert here != identity(find(f"{other}/*.tar"))
    assert identity([])["files"] == 0
    there = [FileInfo(f"gs://bucket/{name}.tar", 5) for name in "ab"]
    assert here == identity(there)


def test_a_glob_of_inputs_matches_no_hidden_file_unless_it_names_one(tree):
    for name in ("._a.tar", ".hidden/d.tar"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).touch()

    def names(pattern):
        return [file.path.removeprefix(f"{tree}/") for file in find_some(pattern, "source.uri")]

    assert names(f"{tree}/*.tar") == ["a.tar", "b.tar", "odd[1].tar"]
    assert names(f"{tree}/**/*.tar") == ["a.tar", "b.tar", "deep/c.tar", "odd[1].tar"]
    assert names(f"{tree}/._*.tar") == ["._a.tar"]
    assert names(f"{tree}/.hidden/*.tar") == [".hidden/d.tar"]
    assert names(f"{tree}/._a.tar") == ["._a.tar"]
