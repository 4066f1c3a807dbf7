import pytest

from schemas.errors import ConfigError
from schemas.records import Reason, SampleError
from storage.inputs import (
    FileInfo,
    capped_lines,
    find,
    find_some,
    identity,
    open_input,
    read_picture,
    safe_relative,
)


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


def test_what_a_store_says_is_not_buried(tree):
    with pytest.raises(OSError, match=r"^azfs://bucket/a: cannot be listed: [^{]*; check the path"):
        find("azfs://bucket/a")


@pytest.mark.parametrize("name", ["none.tar", "none*.tar", "deep"])
def test_nothing_there_names_the_field_and_the_path(tree, name):
    with pytest.raises(ConfigError, match=rf"source\.uri: {tree}/{name.replace('*', '.')}"):
        find_some(f"{tree}/{name}", "source.uri")


def test_an_address_that_cannot_be_read_says_what_to_do():
    with pytest.raises(ConfigError, match=r"https://example.org/a.tsv: .*download it"):
        find("https://example.org/a.tsv")


def test_a_file_that_has_gone(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.tsv: cannot be read: No such file"):
        open_input(str(tmp_path / "gone.tsv"))


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
    monkeypatch.setattr("storage.inputs.READ_CHUNK", 7)
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


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "a/../../b", "/etc/passwd", "a\\b", "http://x/a", "a\x00b", "x/.."]
)
def test_names_that_could_leave_the_folder(name):
    assert safe_relative(name) is None


def test_names_that_stay():
    assert safe_relative("a.jpg") == "a.jpg"
    assert safe_relative("./train//a b.jpg") == "train/a b.jpg"
    assert safe_relative("..a") == "..a"


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
