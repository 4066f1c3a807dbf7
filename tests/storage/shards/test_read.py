import hashlib
import io
import tarfile

import pytest

from schemas.clip import ClipMeta
from storage.shards.read import ShardError, iter_shard
from storage.shards.write import ShardWriter, sample_tar, tar_header


def write(samples):
    out = io.BytesIO()
    writer = ShardWriter(out)
    for key, members in samples:
        writer.write(key, members)
    writer.close()
    return out.getvalue(), writer


META = ClipMeta(
    key="a",
    caption="c",
    captions=("c",),
    source="folder",
    store="still",
    frames=1,
    fps=8.0,
    width=2,
    height=2,
)


def test_round_trip_is_a_plain_tar_with_fixed_headers():
    members = {"jpg": b"\xff\xd8x", "txt": b"c", "json": META.to_json()}
    data, writer = write([("a", members), ("b", {"jpg": b"y" * 700, "txt": b"d"})])
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        infos = tar.getmembers()
    assert [i.name for i in infos] == ["a.jpg", "a.txt", "a.json", "b.jpg", "b.txt"]
    assert {(i.mtime, i.uid, i.gid, i.uname, i.mode) for i in infos} == {(0, 0, 0, "", 0o644)}
    assert writer.sha256 == hashlib.sha256(data).hexdigest()
    assert (writer.samples, writer.bytes, writer.first_key, writer.last_key) == (2, len(data), "a", "b")
    assert len(data) % tarfile.RECORDSIZE == 0
    first, second = iter_shard("mem", stream=io.BytesIO(data))
    assert first.members == members
    assert first.meta() == META
    assert second.members["jpg"] == b"y" * 700
    assert sample_tar("a", members) == data[: 3 * 1024]


@pytest.mark.parametrize("cut", [100, 600, 1500, 3000])
def test_truncated_shard_names_the_shard(tmp_path, cut):
    data, _ = write([("a", {"jpg": b"y" * 700, "txt": b"d"}), ("b", {"jpg": b"y" * 700, "txt": b"d"})])
    path = tmp_path / "x.tar"
    path.write_bytes(data[:cut])
    with pytest.raises(ShardError, match=r"x\.tar"):
        list(iter_shard(str(path)))


def test_hostile_and_mixed_up_members_are_refused():
    for samples, words in [
        ([("a", {"pyd": b"x"})], "a.pyd"),
        ([("a", {"txt": b"x"}), ("b", {"txt": b"x"}), ("a", {"json": b"{}"})], "key a appears twice"),
        ([("../a", {"txt": b"x"})], r"\.\./a"),
    ]:
        data, _ = write(samples)
        with pytest.raises(ShardError, match=words):
            list(iter_shard("mem.tar", stream=io.BytesIO(data)))


@pytest.mark.parametrize(
    ("name", "size"), [("a.txt", 0), ("k" * 90 + ".000.webp", 7), ("a_b-0.mp4", 8**11 - 1)]
)
def test_headers_are_those_of_tarfile(name, size):
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o644, 0
    assert tar_header(name, size) == info.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize(("name", "size"), [("k" * 101, 1), ("a.mp4", 8**11)])
def test_what_a_header_cannot_hold_is_an_error(name, size):
    with pytest.raises(ValueError, match="at most 100 bytes"):
        tar_header(name, size)


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tars_of_other_writers_are_read(kind):
    members = {
        "a.jpg": b"x" * 700,
        "b.jpg": b"y",
        "b.txt": b"",
        "k" * 120 + ".txt": b"long",
        "z.txt": b"after",
    }
    if kind == tarfile.USTAR_FORMAT:
        members = {name: data for name, data in members.items() if len(name) < 100}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as tar:
        folder = tarfile.TarInfo("./")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, data in members.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size, info.mtime = len(data), 1.5
            tar.addfile(info, io.BytesIO(data))
    read = [
        (f"{s.key}.{ext}", data)
        for s in iter_shard("m.tar", stream=io.BytesIO(out.getvalue()))
        for ext, data in s.members.items()
    ]
    assert read == list(members.items())


@pytest.mark.parametrize("byte", [0, 126, 150, 300])
def test_a_header_damaged_in_the_middle_is_an_error(byte):
    data, _ = write([(key, {"txt": b"x"}) for key in "abc"])
    broken = bytearray(data)
    broken[1024 + byte] ^= 0x55
    with pytest.raises(ShardError, match=r"m\.tar: .*after key a"):
        list(iter_shard("m.tar", stream=io.BytesIO(broken)))
