import pytest

from preview.show.clips import load_frames
from storage.shards.access import ShardAccess
from storage.shards.read import ShardError, iter_shard
from storage.shards.write import ShardWriter
from storage.write import create_file


def test_reads_what_the_stream_reader_reads(output):
    access = ShardAccess(keep=1)
    for shard in ("00000.tar", "00001.tar", "00000.tar"):
        for sample in iter_shard(f"{output}/{shard}"):
            assert access.read(f"{output}/{shard}", sample.key).members == sample.members


@pytest.mark.parametrize("place", ["disk", "memory://shards"])
def test_a_shard_that_was_replaced_is_read_again(tmp_path, place):
    uri, access = f"{place}/00000.tar".replace("disk", str(tmp_path)), ShardAccess()
    for size in (3, 30_000):
        with create_file(uri) as stream:
            writer = ShardWriter(stream)
            writer.write("0000000", {"txt": b"a" * size})
            writer.write("0000001", {"txt": b"b" * size})
            writer.close()
        assert access.read(uri, "0000001").members == {"txt": b"b" * size}


def test_errors_name_shard_and_key(output, tmp_path):
    uri = f"{output}/00000.tar"
    with pytest.raises(ShardError, match=r"00000\.tar: holds no sample nothing"):
        ShardAccess().read(uri, "nothing")
    data = (tmp_path / "clips" / "00000.tar").read_bytes()
    for cut in (100, 5000):
        (tmp_path / "clips" / "00000.tar").write_bytes(data[:cut])
        with pytest.raises(ShardError, match=r"00000\.tar"):
            ShardAccess().read(uri, "0000003")
    (tmp_path / "clips" / "00000.tar").write_bytes(b"x" * 2048)
    with pytest.raises(ShardError, match="no tar header at byte 0"):
        ShardAccess().read(uri, "0000003")


def test_a_sample_that_does_not_decode_is_named(output):
    sample = ShardAccess().read(f"{output}/00000.tar", "0000001")
    sample.members["002.png"] = b"broken"
    with pytest.raises(ShardError, match=r"00000\.tar: 0000001"):
        load_frames(sample)
