"""The source `huggingface` on data sets that `datasets` itself has written."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_checks import plan_of, read_all, source_of, told

from pipelines.guess import guess_source
from pipelines.sources.apart import with_limits
from pipelines.sources.hub.layout import hub_name
from pipelines.workers.config import SampleLimits
from schemas.errors import ConfigError
from schemas.manifest import SAMPLES_FILE
from storage.tables import iter_rows
from zoetrope import cli
from zoetrope.samples import pictures

os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def rows() -> dict[str, list]:
    """Five photographs, each with two captions."""
    taken = list(pictures(5, long_side=96))
    images = [{"bytes": picture.jpeg, "path": f"{picture.name}.jpg"} for picture in taken]
    return {"image": images, "captions": [list(picture.captions) for picture in taken]}


@pytest.fixture(scope="module")
def dataset(rows):
    from datasets import Dataset, Features, Image, List, Value

    return Dataset.from_dict(rows, Features({"image": Image(), "captions": List(Value("string"))}))


@pytest.fixture(scope="module")
def saved(tmp_path_factory, dataset) -> dict[str, Path]:
    """The data set in each form on disk."""
    from datasets import DatasetDict

    base = tmp_path_factory.mktemp("saved")
    dataset.save_to_disk(base / "arrow", num_shards=2)
    DatasetDict(train=dataset, test=dataset.select([0])).save_to_disk(base / "dict")
    for number in range(2):
        part = dataset.select(range(number, 5, 2) if number else (0, 2, 4))
        part.to_parquet(base / "parquet" / "data" / f"train-0000{number}-of-00002.parquet")
    dataset.select([0]).to_parquet(base / "parquet" / "data" / "validation-00000-of-00001.parquet")
    return {path.name: path for path in base.iterdir()}


def test_arrow_and_parquet_give_the_rows_under_the_same_keys(saved, rows):
    items = read_all(source_of(kind="huggingface", uri=saved["arrow"]))
    assert [item.key for item in items] == [f"hf-{number:09d}" for number in range(5)]
    assert [item.image for item in items] == [image["bytes"] for image in rows["image"]]
    assert [list(item.captions) for item in items] == rows["captions"]
    other = read_all(source_of(kind="huggingface", uri=saved["parquet"]))
    assert [item.key for item in other] == [item.key for item in items]
    assert sorted(item.image for item in other) == sorted(item.image for item in items)


@pytest.mark.parametrize(
    ("form", "split", "count"),
    [("dict", None, 5), ("dict", "test", 1), ("parquet", "validation", 1), ("parquet", "train", 5)],
)
def test_a_split_is_train_unless_one_is_named(saved, form, split, count):
    source = source_of(kind="huggingface", uri=saved[form], split=split)
    assert len(read_all(source)) == count
    assert source.fingerprint()["split"] == (split or "train")


def test_a_plan_cuts_files_into_tasks_and_honours_the_limit(saved):
    tasks = plan_of(source_of(kind="huggingface", uri=saved["arrow"], limit=4))
    assert [task.samples for task in tasks] == [2, 2]
    assert [len(task.payload["pieces"]) for task in tasks] == [1, 2]  # the second crosses to the next file


@pytest.mark.parametrize(
    ("form", "fields", "message"),
    [
        ("dict", {"split": "tset"}, r"has no 'tset'; it has train, test; the nearest is test"),
        ("arrow", {"subset": "en"}, "no subsets"),
        ("arrow", {"revision": "v1"}, "no effect on a folder"),
        ("arrow", {"caption_column": "text"}, "has no column 'text'; it has image, captions"),
        ("parquet", {"subset": "en"}, "has no folder 'en'"),
        (None, {}, "no such folder"),
    ],
)
def test_a_mistake_names_what_there_is(saved, tmp_path, form, fields, message):
    uri = saved[form] if form else tmp_path / "not there"
    with pytest.raises(ConfigError, match=message):
        list(source_of(kind="huggingface", uri=uri, **fields).plan())


def test_front_matter_says_which_files_are_a_subset_and_a_split(saved, tmp_path):
    root = tmp_path / "set"
    shutil.copytree(saved["parquet"] / "data", root / "files")
    configs = [
        {"config_name": "en", "data_files": [{"split": "all", "path": ["files/train-*", "files/val*"]}]},
        {"config_name": "small", "data_files": "files/val*.parquet"},
    ]
    (root / "README.md").write_text(f"---\nconfigs: {json.dumps(configs)}\n---\n# a set\n")
    assert len(read_all(source_of(kind="huggingface", uri=root, subset="en"))) == 6
    assert len(read_all(source_of(kind="huggingface", uri=root, subset="small", split="train"))) == 1
    with pytest.raises(ConfigError, match=r"has en, small: give source\.subset"):
        list(source_of(kind="huggingface", uri=root).plan())


def test_a_long_front_matter_is_read_for_its_configs_alone(saved, tmp_path):
    root = tmp_path / "set"
    shutil.copytree(saved["parquet"] / "data", root / "files")
    noise = "dataset_info:\n" + "- name: x\n" * 90_000
    configs = "configs:\n- config_name: small\n  data_files: files/val*.parquet\n"
    (root / "README.md").write_text(f"---\n{noise}{configs}license: mit\n---\n# a set\n")
    began = time.process_time()
    assert len(read_all(source_of(kind="huggingface", uri=root, split="train"))) == 1
    assert time.process_time() - began < 5
    (root / "README.md").write_text(f"---\nconfigs:\n{noise[14:]}---\n")
    with pytest.raises(ConfigError, match=r"README\.md: its 'configs' have over 100000 characters"):
        list(source_of(kind="huggingface", uri=root).plan())


def test_the_only_column_of_images_is_found_whatever_its_name(saved, tmp_path, dataset):
    dataset.rename_column("image", "jpg").save_to_disk(tmp_path / "set")
    assert (
        len([item for item in read_all(source_of(kind="huggingface", uri=tmp_path / "set")) if item.image])
        == 5
    )


def test_a_column_of_urls_is_fetched(tmp_path):
    from datasets import Dataset

    Dataset.from_dict({"URL": ["http://a.org/1.jpg"], "TEXT": ["one"]}).save_to_disk(tmp_path / "set")
    source = source_of(kind="huggingface", uri=tmp_path / "set")
    (item,) = read_all(source)
    assert (source.is_remote, item.url, item.captions) == (True, "http://a.org/1.jpg", ("one",))


def test_a_picture_by_path_is_read_from_the_folder_and_from_nowhere_else(tmp_path, rows):
    import pyarrow as pa

    root = tmp_path / "set"
    root.mkdir()
    paths = ["a.jpg", str(root / "b.jpg"), "../secret.jpg", "/etc/hostname", None]
    table = pa.table({"image": [{"bytes": None, "path": path} for path in paths], "text": ["x"] * 5})
    table = table.cast(
        pa.schema([("image", pa.struct({"bytes": pa.binary(), "path": pa.string()})), ("text", pa.string())])
    )
    with pa.ipc.new_stream(str(root / "data.arrow"), table.schema) as writer:
        writer.write_table(table)
    (root / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data.arrow"}]}))
    items = read_all(source_of(kind="huggingface", uri=root))
    assert [item.path for item in items[:2]] == [str(root / "a.jpg"), str(root / "b.jpg")]
    assert told(items[2:]) == ["missing_image"] * 3


def test_a_folder_of_pictures_is_read_by_its_metadata(tmp_path, rows):
    for split in ("train", "test"):
        folder = tmp_path / "set" / split
        folder.mkdir(parents=True)
        lines = []
        for image, captions in zip(rows["image"], rows["captions"], strict=True):
            (folder / image["path"]).write_bytes(image["bytes"])
            lines.append(json.dumps({"file_name": image["path"], "text": f"{split}: {captions[0]}"}))
        (folder / "metadata.jsonl").write_text("\n".join(lines))
    items = read_all(source_of(kind="huggingface", uri=tmp_path / "set", split="test"))
    assert all(item.captions[0].startswith("test: ") and "/test/" in item.path for item in items)
    assert len(items) == 5


@pytest.mark.parametrize("name", ["../other.arrow", "gone.arrow", None])
def test_a_state_that_names_files_elsewhere_is_refused(tmp_path, name):
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    with pytest.raises(ConfigError, match="which is not there"):
        list(source_of(kind="huggingface", uri=tmp_path).plan())


@pytest.mark.parametrize("cut", [0.5, 0.9])
def test_a_file_that_broke_after_the_plan_costs_its_rows_alone(saved, tmp_path, cut):
    root = tmp_path / "set"
    shutil.copytree(saved["arrow"], root)
    source = with_limits(source_of(kind="huggingface", uri=root, shard_samples=10), SampleLimits())
    try:
        (task,) = source.plan()
        first = sorted(root.glob("*.arrow"))[0]
        first.write_bytes(first.read_bytes()[: int(first.stat().st_size * cut)])
        words = told(list(source.read(task)))
        assert len(words) == 5
        assert words[:3] == ["unreadable"] * 3
        assert "unreadable" not in words[3:]
    finally:
        source.close()


def test_a_file_that_is_broken_before_the_plan_is_named(saved, tmp_path):
    root = tmp_path / "set"
    shutil.copytree(saved["arrow"], root)
    sorted(root.glob("*.arrow"))[0].write_bytes(b"no Arrow file")
    with pytest.raises(ConfigError, match=r"data-00000-of-00002\.arrow: not a readable Arrow file"):
        list(source_of(kind="huggingface", uri=root).plan())


def test_a_saved_data_set_is_guessed_and_a_job_makes_a_clip_of_every_row(saved, tmp_path):
    assert guess_source(str(saved["dict"])).fields == {"kind": "huggingface", "uri": str(saved["dict"])}
    output = tmp_path / "clips"
    arguments = ["animate", str(saved["dict"]), "-o", str(output), "workers=1", "clip.size=32", "store=still"]
    assert cli.main(arguments) == 0
    found = list(iter_rows(str(output), SAMPLES_FILE))
    assert [row["key"] for row in found] == [f"hf-{number:09d}" for number in range(5)]
    assert {row["source"] for row in found} == {"hf"}


def test_a_name_on_the_hub_is_never_guessed_but_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"say source\.kind=huggingface source\.uri=user/pictures"):
        guess_source("user/pictures")


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("user/name", "user/name"),
        ("hf://datasets/user/name", "user/name"),
        ("name", "name"),
        ("./name", None),
        ("/a/b", None),
        ("gs://a/b", None),
        ("a/b/c", None),
    ],
)
def test_a_name_is_no_path(uri, name):
    assert hub_name(uri) == name


def numbered(folder: Path, count: int, *, first: int = 0) -> None:
    """A Parquet file of rows with pictures, named by its first row."""
    taken = list(pictures(first + count, long_side=96))[first:]
    images = [{"bytes": picture.jpeg, "path": f"{picture.name}.jpg"} for picture in taken]
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table({"image": images, "caption": [f"number {first + i}" for i in range(count)]})
    pq.write_table(table, folder / f"train-{first:05d}.parquet")


@pytest.mark.parametrize("form", ["parquet", "pictures"])
def test_an_output_grows_with_its_data_set(tmp_path, form):
    folder, output = tmp_path / "set", tmp_path / "clips"

    def add(first: int, count: int) -> None:
        if form == "parquet":
            numbered(folder / "data", count, first=first)
            return
        (folder / "train").mkdir(parents=True, exist_ok=True)
        for picture in list(pictures(first + count, long_side=96))[first:]:
            (folder / "train" / f"{picture.name}.jpg").write_bytes(picture.jpeg)
            (folder / "train" / f"{picture.name}.txt").write_text(picture.captions[0])

    command = ["animate", f"source.uri={folder}", "source.kind=huggingface", f"output={output}"]
    command += ["clip.size=32", "store=still", "shard.max_samples=2", "workers=1"]
    add(0, 3)
    assert cli.main(command) == 0
    before = {path.name: path.read_bytes() for path in output.glob("*.tar")}
    add(3, 2)
    assert cli.main(command) == 0
    after = {path.name: path.read_bytes() for path in output.glob("*.tar")}
    assert before.items() < after.items(), "what is there keeps its bytes"
    keys = [row["key"] for row in iter_rows(str(output), SAMPLES_FILE)]
    assert len(set(keys)) == 5
    if form == "parquet":
        assert keys == [f"hf-{number:09d}" for number in range(5)]
    assert cli.main(["validate", str(output)]) == 0


def test_a_saved_data_set_grows_by_a_raised_limit_alone(saved, tmp_path, capsys):
    command = [
        "animate",
        f"source.uri={saved['arrow']}",
        "source.kind=huggingface",
        f"output={tmp_path}/clips",
    ]
    command += ["clip.size=32", "store=still", "shard.max_samples=2", "workers=1"]
    assert cli.main([*command, "source.limit=3"]) == 0
    assert cli.main(command) == 0
    assert len(list(iter_rows(str(tmp_path / "clips"), SAMPLES_FILE))) == 5
    copy = tmp_path / "copy"
    shutil.copytree(saved["arrow"], copy)
    state = json.loads((copy / "state.json").read_text())
    state["_data_files"].append({"filename": "more.arrow"})
    shutil.copy(copy / state["_data_files"][0]["filename"], copy / "more.arrow")
    (copy / "state.json").write_text(json.dumps(state))
    capsys.readouterr()
    assert cli.main([command[0], f"source.uri={copy}", *command[2:]]) == 2
    assert "started with another config" in capsys.readouterr().err
