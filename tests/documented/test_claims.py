"""Files and lines that the pages promise are those that the commands write and print."""

from __future__ import annotations

import re
import shlex
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from documented.lines import FENCE, ROOT

from zoetrope import cli

README = (ROOT / "README.md").read_text()


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def block_of(text: str, mark: str) -> str:
    """The code block that holds a mark."""
    (found,) = (body for _, body in FENCE.findall(text) if mark in body)
    return found


def first_column(text: str, head: str) -> list[str]:
    """The names in the first column of a table, by the beginning of its head row."""
    rows = text.partition(head)[2].partition("\n\n")[0].splitlines()[2:]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


@pytest.fixture
def here(place, monkeypatch) -> Path:
    folder = place.prepare("zoetrope animate pictures/ -o clips/")
    monkeypatch.chdir(folder)
    return folder


def run(text: str) -> None:
    assert cli.main(shlex.split(text)) == 0


@pytest.mark.parametrize("store", ["frames", "mp4", "still"])
def test_readme_lists_the_files_of_an_output_and_the_members_of_each_store(here, store: str) -> None:
    run(f"animate pictures/ -o clips/ workers=1 store={store}")
    listed = block_of(README, "clips/manifest.parquet")
    names = re.findall(r"[\w.]+\.(?:tar|parquet|html|json|yaml|md)\b", listed)
    assert len(names) > 8
    for name in set(names) - {"KEY.json"}:
        assert (here / "clips" / name).is_file(), name
    with tarfile.open(here / "clips" / "00000.tar") as tar:
        members = [name.removeprefix("folder-00000000-photo.") for name in tar.getnames() if "photo" in name]
    promised = {"frames": [f"{t:03d}.jpg" for t in range(12)], "mp4": ["mp4"], "still": ["jpg"]}[store]
    assert members == [*promised, "txt", "json"]
    assert f"KEY.{promised[0]}" in listed
    assert f"KEY.{promised[-1]}" in listed
    keys = pq.read_table(here / "clips" / "samples.parquet").column("key").to_pylist()
    shown = re.findall(r"clips/config\.yaml --key (\S+)", README)
    assert keys[:1] == shown


def test_training_lists_the_files_of_a_run(place) -> None:
    listed = block_of(page("training.md"), "runs/NAME/")
    run_folder = place.made("runs/x")
    names = re.findall(r"[\w/]+\.(?:yaml|jsonl|json|safetensors)", listed)
    assert len(names) == 8
    step = (run_folder / "last").resolve()
    assert re.fullmatch(r"step_\d{8}", step.name)
    for name in names:
        assert (run_folder / name).is_file() or (step / name).is_file(), name
    assert list((run_folder / "tensorboard").iterdir())
    assert {path.name for path in run_folder.iterdir()} >= {"last", "best"}


def test_searching_lists_the_files_of_an_index_and_the_columns_of_a_search(place, capsys) -> None:
    index = place.made("index")
    for name in first_column(page("searching.md"), "| file | content |"):
        pattern = name.rstrip("/").replace("NAME-HASH", "*")
        parts = pattern.rpartition("/")
        assert list(index.glob(pattern)) or list(index.glob(f"parts/*/{parts[2]}")), name
    capsys.readouterr()
    run(f"search {index} 'a dog'")
    head = capsys.readouterr().out.split()
    assert set(first_column(page("searching.md"), "| column | content |")) <= set(head)


@pytest.mark.parametrize("layout", ["open_clip", "huggingface", "clip2video", "parquet", "npy"])
def test_export_writes_what_its_table_says(place, tmp_path, capsys, layout: str) -> None:
    (row,) = (row for row in page("export.md").splitlines() if row.startswith(f"| `{layout}` |"))
    _, _, source, content, _, _ = row.split("|")
    made = place.made("index" if "index" in source else "runs/finetune/best")
    out = tmp_path / "exported"
    capsys.readouterr()
    run(f"export {made} --to {layout} -o {out}")
    printed = capsys.readouterr().out
    files = re.findall(r"`([\w.]+\.(?:json|safetensors|npy|parquet))`", content)
    assert all((out / file).is_file() for file in files)
    assert bool(files) == out.is_dir()
    assert str(out) in printed or layout == "clip2video"
    if "parquet" in layout:
        names = re.findall(r"`(\w+)`", content)
        assert pq.read_table(out).column_names == names


def test_preview_writes_the_kind_of_its_ending(place, monkeypatch) -> None:
    monkeypatch.chdir(place.prepare("zoetrope preview cat.jpg"))
    begins = {".webp": b"RIFF", ".png": b"\x89PNG", ".gif": b"GIF89a", ".mp4": b"\0\0\0"}
    assert first_column(page("preview.md"), "| extension |")[:1] == [".webp"]
    for ending in begins:
        assert f"| `{ending}` |" in page("preview.md")
        run(f"preview cat.jpg --frames 2 --size 32 -o shown{ending}")
        assert Path(f"shown{ending}").read_bytes().startswith(begins[ending])
