"""Sample corpora: real photographs in each form that the job reads."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from zoetrope.samples import pictures, write_coco, write_folder, write_parquet, write_tars, write_tsv


def test_the_pictures_are_different_and_the_same_in_each_run():
    first, second = list(pictures(10, long_side=64)), list(pictures(10, long_side=64))
    assert [p.jpeg for p in first] == [p.jpeg for p in second]
    assert len({p.jpeg for p in first}) == len({p.name for p in first}) == 10
    for picture in first:
        image = Image.open(io.BytesIO(picture.jpeg))
        assert image.size == (picture.width, picture.height)
        assert max(image.size) == 64
        assert np.asarray(image).std() > 5
        assert len(picture.captions) == 2


def test_each_form_holds_every_picture_with_its_captions(tmp_path):
    folder = write_folder(tmp_path / "folder", 3, long_side=64)
    assert len(list(folder.glob("*.jpg"))) == len(list(folder.glob("*.txt"))) == 3
    index, images = write_coco(tmp_path / "coco", 3, long_side=64)
    listed = json.loads(index.read_text())
    assert {image["file_name"] for image in listed["images"]} == {path.name for path in images.iterdir()}
    assert len(listed["annotations"]) == 6
    _, archive = write_coco(tmp_path / "zipped", 3, zipped=True, long_side=64)
    assert len(zipfile.ZipFile(archive).namelist()) == 3
    tars = write_tars(tmp_path / "tars", 3, per_tar=2, long_side=64)
    members = 0
    for path in sorted(tars.glob("*.tar")):
        with tarfile.open(path) as opened:
            members += len(opened.getnames())
    assert members == 9
    table = write_parquet(tmp_path / "parquet", 3, per_file=2, long_side=64)
    assert sum(pq.read_table(path).num_rows for path in table.glob("*.parquet")) == 3
    for layout, column in (("cc3m", 1), ("cc12m", 0)):
        tsv = write_tsv(tmp_path / layout, 3, "http://127.0.0.1:1", layout=layout, long_side=64)
        rows = [line.split("\t") for line in tsv.read_text().splitlines()]
        assert all(row[column].startswith("http://127.0.0.1:1/") for row in rows)
