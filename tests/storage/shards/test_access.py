import pytest

from preview.show.clips import load_frames
from storage.shards.access import ShardAccess
from storage.shards.read import ShardError, iter_shard


def test_reads_what_the_stream_reader_reads(output):
    access = ShardAccess(keep=1)
    for shard in ("00000.tar", "00001.tar", "00000.tar"):
        for sample in iter_shard(f"{output}/{shard}"):
            assert access.read(f"{output}/{shard}", sample.key).members == sample.members


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
