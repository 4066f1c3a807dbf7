"""The five sources through the real job, each output through the readers that people use."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from schemas.manifest import SAMPLES_FILE
from storage.shards.read import iter_shard
from storage.tables import iter_rows, read_manifest

KINDS = ["coco", "cc3m", "tars", "parquet", "folder"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_source_validates_and_reads_in_our_reader(animated, kind, capsys):
    from zoetrope import cli

    output = animated(kind)
    assert cli.main(["validate", str(output)]) == 0
    assert "10 samples" in capsys.readouterr().out
    rows = list(iter_rows(str(output), SAMPLES_FILE))
    keys = [
        sample.key for row in read_manifest(str(output)) for sample in iter_shard(str(output / row.shard))
    ]
    assert keys == [row["key"] for row in rows] == sorted(keys)
    assert len(set(keys)) == 10


@pytest.mark.parametrize("kind", KINDS)
def test_webdataset_reads_it(animated, kind):
    import webdataset as wds

    output = animated(kind)
    urls = [str(output / row.shard) for row in read_manifest(str(output))]
    samples = list(wds.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert len(samples) == 10
    for sample in samples:
        assert sample["011.jpg"].shape == (224, 224, 3)
        assert sample["json"]["caption"] == sample["txt"]
        assert np.asarray(sample["json"]["quads"]).shape == (12, 4, 2)


@pytest.mark.parametrize(("kind", "store"), [("coco", "frames"), ("tars", "still"), ("folder", "mp4")])
def test_hugging_face_datasets_reads_it(animated, kind, store, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    output = animated(kind, store)
    files = [str(output / row.shard) for row in read_manifest(str(output))]
    dataset = load_dataset("webdataset", data_files=files, split="train", cache_dir=str(tmp_path))
    member = {"frames": "000.jpg", "still": "jpg", "mp4": "mp4"}[store]
    assert dataset.num_rows == 10
    assert {"txt", "json", "__key__", member} <= set(dataset.column_names)


def test_wids_reads_it_at_random(animated, tmp_path):
    code = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "import sys, json, wids\n"
        "d = wids.ShardListDataset(sys.argv[1])\n"
        "print(json.dumps([len(d), d[7]['.json']['key'], d[7]['.txt']]))"
    )
    output = animated("coco")
    command = [sys.executable, "-c", code, str(output / "wids.json")]
    environment = {**os.environ, "WIDS_CACHE": str(tmp_path)}  # all users of a machine share the usual one
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    length, key, text = json.loads(done.stdout.splitlines()[-1])
    row = list(iter_rows(str(output), SAMPLES_FILE))[7]
    assert (length, key, text) == (10, row["key"], row["caption"])


def test_open_clip_reads_stills(animated):
    """Its evaluation reader: its training reader (3.3) stumbles over webdataset 1.0, with anyone's shards."""
    import open_clip
    from open_clip_train.data import get_dataset_size, get_wds_dataset

    output = animated("tars", "still")
    names = sorted(row.shard for row in read_manifest(str(output)))
    shards = f"{output}/{{{names[0][:-4]}..{names[-1][:-4]}}}.tar"
    assert get_dataset_size(shards) == (10, 2)
    args = SimpleNamespace(val_data=shards, val_num_samples=10, batch_size=4, workers=1, world_size=1)
    transform = open_clip.image_transform((32, 32), is_train=False)
    data = get_wds_dataset(args, transform, is_train=False, tokenizer=open_clip.get_tokenizer("ViT-B-32"))
    batches = list(data.dataloader)
    assert sum(len(images) for images, _ in batches) == 10
    assert batches[0][0].shape == (4, 3, 32, 32)
    assert batches[0][1].shape == (4, 77)


def test_croissant_validates_and_gives_the_rows(animated, monkeypatch):
    import mlcroissant as mlc

    output = animated("coco")
    dataset = mlc.Dataset(jsonld=str(output / "croissant.json"))
    assert not dataset.metadata.issues.errors
    rows = [record["samples/key"].decode() for record in dataset.records("samples")]
    assert rows == [row["key"] for row in iter_rows(str(output), SAMPLES_FILE)]
    written = json.loads((output / "croissant.json").read_text())
    assert json.loads(json.dumps(dataset.metadata.to_json(), default=str)) == written


def test_damage_is_named_by_validate(animated, tmp_path, capsys):
    import shutil

    from pipelines.output.validate import validate
    from zoetrope import cli

    output = tmp_path / "damaged"
    shutil.copytree(animated("coco"), output)
    first, second = sorted(output.glob("*.tar"))
    data = bytearray(first.read_bytes())
    data[700] ^= 0xFF  # inside the first JPEG
    first.write_bytes(data)
    second.write_bytes(second.read_bytes()[:-20_000])
    shutil.copy(first, output / "00099.tar")
    assert cli.main(["validate", str(output)]) == 1
    text = capsys.readouterr().out
    assert "00000.tar: not what the manifest says: sha256" in text
    assert "00001.tar: truncated" in text
    assert "00099.tar: not in manifest.parquet" in text
    second.unlink()
    assert any("00001.tar: cannot be opened" in p for p in validate(str(output)).problems)
    assert cli.main(["validate", str(tmp_path / "nothing")]) == 2
