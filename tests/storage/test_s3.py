"""S3 through the real client, against a server on loopback (moto). Skipped where s3fs or moto is not
installed.
"""

import socket
import time

import pytest

from schemas.errors import ConfigError
from schemas.records import Reason, SampleError
from storage.find import find
from storage.folders import list_names
from storage.locks.lock import Lock
from storage.login import filesystem, set_options
from storage.read import file_exists, file_size, read_bytes, read_picture, read_range
from storage.remote.conditional import create_exclusively, read_version, remove_version, replace_version
from storage.write import create_file, move_file, remove_tree, write_bytes

pytest.importorskip("s3fs")
moto = pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def place():
    with socket.socket() as probe, pytest.MonkeyPatch.context() as patch:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "tests")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=port)
        server.start()
        set_options({"s3": {"endpoint_url": f"http://127.0.0.1:{port}"}})
        try:
            filesystem("s3://bucket/a")[0].mkdir("bucket")
            yield "s3://bucket/place"
        finally:
            set_options({})
            server.stop()


def test_files_are_written_read_moved_found_and_removed(place):
    write_bytes(f"{place}/a.txt", b"hello")
    write_bytes(f"{place}/empty", b"")
    assert read_bytes(f"{place}/a.txt") == b"hello"
    assert read_range(f"{place}/a.txt", 1, 2) == b"el"
    assert [file_size(f"{place}/{name}") for name in ("a.txt", "empty", "none")] == [5, 0, None]
    move_file(f"{place}/a.txt", f"{place}/b.txt", 5)
    move_file(f"{place}/a.txt", f"{place}/b.txt", 5)  # the answer to the first request was lost
    assert [file.path for file in find(f"{place}/*.txt")] == [f"{place}/b.txt"]
    for name, reason in (("empty", Reason.EMPTY_BODY), ("none", Reason.MISSING_IMAGE)):
        with pytest.raises(SampleError) as error:
            read_picture(f"{place}/{name}")
        assert error.value.reason == reason
    remove_tree(place)
    assert list_names(place) == []


def test_a_large_upload_appears_whole_or_not_at_all(place):
    piece = b"z" * (1 << 20)
    with create_file(f"{place}/large") as stream:
        for _ in range(40):
            stream.write(piece)
    assert file_size(f"{place}/large") == 40 << 20
    broken = create_file(f"{place}/broken")
    for _ in range(40):
        broken.write(piece)
    broken.discard()
    assert not file_exists(f"{place}/broken")


def test_one_of_two_writers_comes_first(place):
    uri = f"{place}/record"
    assert [create_exclusively(uri, data) for data in (b"1", b"2", b"1")] == [True, False, True]
    data, version = read_version(uri) or (b"", "")
    assert data == b"1"
    newer = replace_version(uri, b"3", version)
    assert newer is not None
    assert replace_version(uri, b"4", version) is None
    remove_version(uri, version)
    assert file_exists(uri)
    remove_version(uri, newer)
    assert not file_exists(uri)


def test_a_lease_is_held_by_one(place):
    with Lock(f"{place}/lock", str, beat=0.1, lease=30) as held:
        with pytest.raises(ConfigError), Lock(f"{place}/lock", str, beat=0.1, lease=30):
            pass
        time.sleep(0.5)
        assert not held.lost
    assert not file_exists(f"{place}/lock")
