"""README.md of real outputs: its code runs as it is written, for every store."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml
from tiny_output import encoded
from tiny_output import picture as picture_of

from pipelines.output.pages.facts import Facts
from pipelines.output.pages.readme import readme_md
from pipelines.output.pages.snippets import reading
from schemas.clip import ClipMeta
from schemas.manifest import ShardRow
from storage.shards.read import iter_shard
from storage.shards.write import ShardWriter
from storage.tables import read_manifest
from zoetrope import cli

STORES = [("coco", "frames"), ("tars", "still"), ("folder", "mp4")]


@pytest.fixture
def offline(monkeypatch, tmp_path):
    import datasets.config

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def python_of(readme: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", readme.read_text(), re.S | re.M)


@pytest.mark.parametrize(("kind", "store"), STORES)
def test_every_snippet_runs_and_prints_each_clip(
    animated, kind, store, offline, tmp_path, monkeypatch, capsys
):
    output = animated(kind, store)
    monkeypatch.chdir(output.parent)
    codes = python_of(output / "README.md")
    assert ["load_dataset" in code for code in codes] == [True, False, False, False]
    capsys.readouterr()
    printed = []
    for code in codes:
        exec(compile(code, "README.md", "exec"), {})
        printed.append([line for line in capsys.readouterr().out.splitlines() if line])
    assert [len(lines) for lines in printed] == [10, 10, 10, 0]
    assert "(12, 224, 224, 3)" in printed[1][0]


@pytest.mark.parametrize(("kind", "store"), STORES)
def test_load_dataset_reads_the_folder_whole(animated, kind, store, offline):
    from datasets import Video, load_dataset

    output = animated(kind, store)
    dataset = load_dataset(str(output))["train"]
    if store == "mp4":
        dataset = dataset.cast_column("mp4", Video(decode=False))
    samples = [sample for shard in sorted(output.glob("*.tar")) for sample in iter_shard(str(shard))]
    assert [row["__key__"] for row in dataset] == [sample.key for sample in samples]
    for row, sample in zip(dataset, samples, strict=True):  # no motion loses its parameters
        assert row["json"]["motion_parameters"] == pytest.approx(dict(sample.meta().motion_parameters))
        assert row["txt"] == sample.members["txt"].decode()


def test_fields_that_come_late_do_not_stop_the_loading(tmp_path, offline):
    from datasets import load_dataset

    phrases = [None] * 6 + ["as the camera zooms in"]
    with (tmp_path / "00000.tar").open("wb") as stream:
        writer = ShardWriter(stream)
        for number, phrase in enumerate(phrases):
            key, meta = f"{number:03d}", {"a": number} if phrase else {}
            clip = ClipMeta(
                key, "a", ("a",), "folder", "still", 4, 8.0, 8, 8, motion_phrase=phrase, meta=meta
            )
            picture = encoded(picture_of(8, 8))
            writer.write(key, {"jpg": picture, "txt": b"a", "json": clip.to_json()})
        writer.close()
    config = {"store": "still", "clip": {"frames": 4}}
    (tmp_path / "README.md").write_bytes(readme_md(Facts("clips", config, [], 7, 0, {}, "0.1.0", "0")))
    rows = list(load_dataset(str(tmp_path), split="train"))
    assert [row["json"]["motion_phrase"] for row in rows] == phrases
    assert [row["json"]["meta"] for row in rows] == [{}] * 6 + [{"a": 6}]


@pytest.fixture
def make_pictures(tmp_path):
    from zoetrope.samples import write_folder

    return lambda count: str(write_folder(tmp_path / "pictures", count, long_side=160))


def test_the_dataset_section_reaches_the_pages_and_a_later_run_may_change_it(tmp_path, make_pictures):
    output = tmp_path / "clips"
    command = ["animate", make_pictures(3), "-o", str(output), "store=still", "clip.size=32", "workers=1"]
    assert cli.main(command) == 0
    shards = {path.name: path.read_bytes() for path in output.glob("*.tar")}
    assert "remain under the terms of the source" in (output / "README.md").read_text()
    about = ["dataset.name=Three pictures", "dataset.license=cc-by-4.0", "dataset.citation=@misc{three}"]
    assert cli.main([*command, *about, "dataset.description=Three sample photographs."]) == 0
    text = (output / "README.md").read_text()
    assert "# Three pictures\n\nThree sample photographs.\n\n3 clips" in text
    assert "License: cc-by-4.0." in text
    assert "```bibtex\n@misc{three}\n```" in text
    head = yaml.safe_load(text.split("---\n")[1])
    assert (head["pretty_name"], head["license"]) == ("Three pictures", "cc-by-4.0")
    assert '"name": "Three pictures"' in (output / "croissant.json").read_text()
    assert {path.name: path.read_bytes() for path in output.glob("*.tar")} == shards


def test_names_with_gaps_are_read_by_a_glob(animated, tmp_path, monkeypatch):
    output = tmp_path / "it's a copy"
    shutil.copytree(animated("coco"), output)
    config = yaml.safe_load((output / "config.yaml").read_text())
    shards = [row for row in read_manifest(str(output)) if row.shard != "00000.tar"]
    (output / "00001.tar").rename(output / "00001-000.tar")
    shards = [type(row)(**{**vars(row), "shard": "00001-000.tar"}) for row in shards]
    facts = Facts(output.name, config, shards, 5, 0, {}, "0.1.0", "0")
    monkeypatch.chdir(tmp_path)
    code = re.findall(r"^```python\n(.*?)^```$", reading(facts), re.S | re.M)[1]
    assert "glob(" in code
    exec(compile(code, "README.md", "exec"), {})


def test_one_clip_is_one_clip_and_bytes_are_readable():
    shard = ShardRow("00000.tar", 1, 2_170_880, "0" * 64, "a", "a", "f", 0)
    config = {"store": "still", "clip": {"frames": 4}}
    text = readme_md(Facts("clips", config, [shard], 1, 1, {"http_404": 1}, "0", "0")).decode()
    assert "\n1 clip with captions in 1 WebDataset shard (2.17 MB), made by" in text
    assert "\n1 input gave no clip; `failures.parquet` gives the reason of each." in text
