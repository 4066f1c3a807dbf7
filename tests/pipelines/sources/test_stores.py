"""The sources on an object store: a Beam filesystem without folders, behind a scheme of its own."""

import io
import json
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata, FileSystem
from source_checks import read_all, source_of, told

from pipelines.sources.base import read_task
from schemas.errors import ConfigError
from schemas.records import Reason, Reference, SampleError
from storage.inputs import read_picture


class NotFoundError(Exception):
    """As an object store's client raises it: no OSError."""

    code = 404


class TestStore(FileSystem):
    """Objects by name, listed by prefix."""

    __test__ = False
    objects: dict[str, bytes] = {}

    @classmethod
    def scheme(cls):
        return "teststore"

    def has_dirs(self):
        return False

    def _list(self, dir_or_prefix):
        yield from (
            FileMetadata(path, len(data), 0.0)
            for path, data in self.objects.items()
            if path.startswith(dir_or_prefix)
        )

    def open(self, path, mime_type="", compression_type=CompressionTypes.AUTO):
        if path not in self.objects:
            raise NotFoundError(f"404 No such object: {path}")
        return io.BytesIO(self.objects[path])

    def exists(self, path):
        return path in self.objects

    def metadata(self, path):
        if path not in self.objects:
            raise BeamIOError("Metadata operation failed", {path: None})
        return FileMetadata(path, len(self.objects[path]), 0.0)

    def _unused(self, *args, **kwargs):
        raise NotImplementedError

    join = split = mkdirs = create = copy = rename = size = last_updated = delete = _unused


@pytest.fixture
def put():
    TestStore.objects.clear()
    yield lambda name, data: TestStore.objects.__setitem__(f"teststore://bucket/{name}", data)
    TestStore.objects.clear()


BASE = "teststore://bucket"


def test_tables(put):
    put("cc3m.tsv", b"a\thttp://x/1\nb\thttp://x/2\nc\thttp://x/3\n")
    assert told(read_all(source_of(kind="cc3m", uri=f"{BASE}/cc3m.tsv"))) == ["a", "b", "c"]
    out = io.BytesIO()
    pq.write_table(pa.table({"image": [b"1", b"2"], "caption": ["a", "b"]}), out)
    put("t/0.parquet", out.getvalue())
    put("t/1.parquet", out.getvalue())
    assert told(read_all(source_of(3, kind="parquet", uri=f"{BASE}/t/*.parquet"))) == ["a", "b", "a", "b"]


def test_tars(put):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in (("k.jpg", b"picture"), ("k.txt", b"a")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    put("tars/00000.tar", out.getvalue())
    put("tars/00000_stats.json", b'{"successes": 1}')
    assert told(read_all(source_of(kind="tars", uri=f"{BASE}/tars/*.tar"))) == ["a"]


def test_coco_from_a_prefix_and_from_a_zip(put):
    put(
        "captions.json",
        json.dumps(
            {"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": [{"image_id": 1, "caption": "a"}]}
        ).encode(),
    )
    put("train/1.jpg", b"picture")
    fields = {"kind": "coco", "annotations": f"{BASE}/captions.json"}
    for images in (f"{BASE}/train", f"{BASE}/train/"):
        (item,) = read_all(source_of(images=images, **fields))
        assert isinstance(item, Reference)
        assert read_picture(item.path or "") == b"picture"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("train/1.jpg", b"picture")
    put("train.zip", out.getvalue())
    (item,) = read_all(source_of(images=f"{BASE}/train.zip", **fields))
    assert isinstance(item, Reference)
    assert item.image == b"picture"
    with pytest.raises(ConfigError, match=rf"source\.images: {BASE}/none: no such folder"):
        list(source_of(images=f"{BASE}/none", **fields).plan())


def test_a_folder(put):
    for name, data in (
        ("a.jpg", b"picture"),
        ("a.txt", b"a"),
        ("deep/b.jpg", b"picture"),
        ("c.jpg", b"picture"),
    ):
        put(f"photos/{name}", data)
    put("photos/deep/captions.csv", b"file_name,caption\nb.jpg,from the table\n")
    put("photographs/x.jpg", b"another prefix")
    source = source_of(kind="folder", uri=f"{BASE}/photos/")
    items = read_all(source)
    assert told(items) == ["a", "missing_caption", "from the table"]
    with pytest.raises(SampleError) as caught:
        read_picture(f"{BASE}/photos/none.jpg")
    assert caught.value.reason == Reason.MISSING_IMAGE
    task = next(source.plan())
    TestStore.objects.clear()
    with pytest.raises(FileNotFoundError, match="has gone"):
        list(read_task(source, task))
