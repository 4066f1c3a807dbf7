"""The sources on an object store: an fsspec filesystem behind a scheme of its own."""

import io
import json
import tarfile
import zipfile

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec import AbstractFileSystem
from source_checks import read_all, source_of, told

from pipelines.sources.base import read_task
from schemas.errors import ConfigError
from schemas.records import Reason, Reference, SampleError
from storage.read import read_picture


class NotFoundError(Exception):
    """As an object store's client raises it: no OSError."""

    code = 404


class TestStore(AbstractFileSystem):
    """Objects by name. Folders are the prefixes of their names."""

    __test__ = False
    protocol = "teststore"
    objects: dict[str, bytes] = {}

    def ls(self, path, detail=True, **kwargs):
        base = path.rstrip("/") + "/"
        found = {}
        for name, data in self.objects.items():
            if name.startswith(base):
                inner, slash, _ = name[len(base) :].partition("/")
                kind, size = ("directory", 0) if slash else ("file", len(data))
                found[base + inner] = {"name": base + inner, "size": size, "type": kind}
            elif name == path:
                found[path] = {"name": path, "size": len(data), "type": "file"}
        if not found:
            raise NotFoundError(f"404 No such object: {path}")
        return list(found.values()) if detail else list(found)

    def info(self, path, **kwargs):
        if path in self.objects:
            return {"name": path, "size": len(self.objects[path]), "type": "file"}
        self.ls(path)
        return {"name": path, "size": 0, "type": "directory"}

    def _open(self, path, mode="rb", **kwargs):
        if path not in self.objects:
            raise NotFoundError(f"404 No such object: {path}")
        return io.BytesIO(self.objects[path])


fsspec.register_implementation("teststore", TestStore, clobber=True)


@pytest.fixture
def put():
    TestStore.objects.clear()
    yield lambda name, data: TestStore.objects.__setitem__(f"bucket/{name}", data)
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
    with pytest.raises(FileNotFoundError, match="is gone"):
        list(read_task(source, task))
