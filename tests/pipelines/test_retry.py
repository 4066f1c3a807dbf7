"""zoetrope retry: only what failed, as new shards; each input stays in exactly one row."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.animate import animate, make_job
from pipelines.config import AnimateConfig
from pipelines.output.folder import Output
from pipelines.retry import retry
from pipelines.running.submit import run_job
from pipelines.sources.base import make_source
from schemas.errors import ConfigError
from schemas.manifest import FAILURES, FAILURES_FILE, SAMPLES_FILE
from storage.shards.read import iter_shard
from storage.tables import iter_rows, read_manifest
from tests.pipelines.running.test_graph import leftovers, shards
from zoetrope import cli
from zoetrope.samples import write_folder, write_tars


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """A folder with the pictures and the output of `begun`, and the same again as `kept`."""
    folder = tmp_path_factory.mktemp("begun")
    source, output = folder / "now" / "pictures", folder / "now" / "clips"
    write_folder(source, 6)
    pictures = sorted(path for path in source.rglob("*.jpg"))
    for path in (pictures[1], pictures[4]):
        whole = path.read_bytes()
        path.with_suffix(".whole").write_bytes(whole)
        path.write_bytes(whole[: len(whole) // 2].ljust(len(whole), b"\0"))
    config = AnimateConfig.make(
        {
            "source": {"kind": "folder", "uri": str(source)}, "output": str(output), "workers": 1,
            "clip": {"size": 32, "frames": 3}, "shard": {"max_samples": 3}, "max_failure_ratio": 1.0,
        }
    )  # fmt: skip
    assert animate(config).totals.failed == 2
    shutil.copytree(folder / "now", folder / "kept")
    return folder


@pytest.fixture
def begun(kept) -> tuple[Path, Path, dict[Path, bytes]]:
    """An output whose pictures 1 and 4 of 6 were broken, and the pictures as they should be."""
    now = kept / "now"
    shutil.rmtree(now)
    shutil.copytree(kept / "kept", now)
    good = {path.with_suffix(".jpg"): path.read_bytes() for path in sorted(now.rglob("*.whole"))}
    return now / "clips", now / "pictures", good


def rows(output: Path, name: str) -> list[str]:
    return [row["key"] for row in iter_rows(str(output), name)]


def test_only_the_failed_are_made_and_added(begun):
    output, _, good = begun
    before = shards(output)
    failed = rows(output, FAILURES_FILE)
    first = next(iter(good))
    first.write_bytes(good[first])
    result = retry(str(output), overrides=["workers=1"])
    assert (result.written, result.totals.written, result.totals.failed, result.totals.inputs) == (1, 5, 1, 6)
    assert shards(output).items() > before.items()
    assert sorted(set(shards(output)) - set(before)) == ["00002.tar"]
    assert [s.key for s in iter_shard(str(output / "00002.tar"))] == failed[:1]
    assert rows(output, FAILURES_FILE) == failed[1:]
    assert sorted(rows(output, SAMPLES_FILE) + rows(output, FAILURES_FILE)) == sorted(
        {*rows(output, SAMPLES_FILE), *failed[1:]}
    )
    assert not leftovers(output)

    for path, data in good.items():
        path.write_bytes(data)
    again = retry(str(output))
    assert (again.totals.written, again.totals.failed, again.exit_code) == (6, 0, 0)
    assert [row.task for row in read_manifest(str(output))] == [0, 1, 2, 4], (
        "task 3 failed again, and made no shard"
    )
    assert retry(str(output)).nothing_made
    assert cli.main(["validate", str(output)]) == 0


def test_a_retry_that_was_cut_off_goes_on(begun, monkeypatch):
    from pipelines.making.clips import Animator

    output, _, good = begun
    for path, data in good.items():
        path.write_bytes(data)
    real = Animator.make

    def dying(self, task, times):
        if task.index == 3:
            raise OSError("the power went")
        return real(self, task, times)

    monkeypatch.setattr(Animator, "make", dying)
    with pytest.raises(Exception, match="the power went"):
        retry(str(output))
    monkeypatch.setattr(Animator, "make", real)
    result = retry(str(output))
    assert (result.totals.written, result.totals.failed) == (6, 0)
    assert sorted(shards(output)) == ["00000.tar", "00001.tar", "00002.tar", "00003.tar"]


def test_by_reason(begun):
    output, _, good = begun
    for path, data in good.items():
        path.write_bytes(data)
    assert retry(str(output), reasons=["timeout"]).nothing_made
    reason = next(iter_rows(str(output), FAILURES_FILE))["reason"]
    assert retry(str(output), reasons=[reason]).written == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["seed=3"], "seed: a retry takes only fetch, limits, workers"),
        (["--reason", "tiemout"], "--reason tiemout: no such reason; the nearest is timeout"),
        (["fetch.dedline=3"], "unknown field fetch.dedline; the nearest known field is fetch.deadline"),
    ],
)
def test_what_a_retry_cannot_do_is_one_line(begun, capsys, arguments, message):
    assert cli.main(["retry", str(begun[0]), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_failures_without_values_are_one_line_that_names_the_table(begun, capsys):
    output, _, _ = begun
    path = output / FAILURES_FILE
    rows = pa.Table.from_pylist([dict.fromkeys(FAILURES.names)] * 2, FAILURES)
    pq.write_table(rows, path)
    assert cli.main(["retry", str(output)]) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"{path}: a damaged table: a row of it lacks a value; remove it" in line


def test_nothing_there_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="no job has started there"):
        retry(str(tmp_path))


def animate_here(tmp_path, *settings: str) -> int:
    small = ["clip.size=32", "clip.frames=2", "workers=1", "max_failure_ratio=1"]
    return cli.main(["animate", f"output={tmp_path}/out", *small, *settings])


def captions(tmp_path) -> dict[str, str]:
    return {row["key"]: row["caption"] for row in iter_rows(str(tmp_path / "out"), SAMPLES_FILE)}


def test_a_mended_picture_and_caption_are_made(tmp_path, capsys):
    folder = tmp_path / "pictures"
    write_folder(folder, 4)
    first, second, third, _ = sorted(folder.glob("*.jpg"))
    whole = second.read_bytes()
    second.write_bytes(whole[:50])
    first.with_suffix(".txt").write_text(" ")
    third.with_suffix(".txt").unlink()
    assert animate_here(tmp_path, "source.kind=folder", f"source.uri={folder}") == 0
    assert len(captions(tmp_path)) == 1
    second.write_bytes(whole)
    first.with_suffix(".txt").write_text("a mended caption")
    third.with_suffix(".txt").write_text("a new caption")
    assert (
        animate_here(tmp_path, "source.kind=folder", f"source.uri={folder}") == 2
    )  # says what changed, see below
    capsys.readouterr()
    assert cli.main(["retry", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "the source has changed: source was 7 files of" in said.out + said.err
    made = captions(tmp_path)
    assert len(made) == 4
    assert {"a mended caption", "a new caption"} < set(made.values())
    assert animate_here(tmp_path, "source.kind=folder", f"source.uri={folder}") == 0  # nothing is missing


def test_a_run_over_a_changed_source_says_what_changed_in_words(tmp_path, capsys):
    folder = tmp_path / "pictures"
    write_folder(folder, 2)
    place = ["source.kind=folder", f"source.uri={folder}"]
    assert animate_here(tmp_path, *place) == 0
    next(folder.glob("*.txt")).write_text("x" * 1000)
    capsys.readouterr()
    assert animate_here(tmp_path, *place) == 2
    said = capsys.readouterr().err
    assert ".jpg: it, or its caption, has changed since the output was made" in said
    assert "`zoetrope retry` makes failed inputs again" in said
    assert len(said.strip().splitlines()) == 1


def test_a_corrected_place_of_the_pictures_is_used(tmp_path):
    write_folder(tmp_path / "right", 3)
    pictures = sorted((tmp_path / "right").glob("*.jpg"))
    (tmp_path / "wrong").mkdir()
    shutil.copy(pictures[0], tmp_path / "wrong" / pictures[0].name)
    entries = [{"id": i, "file_name": path.name} for i, path in enumerate(pictures)]
    told = [{"image_id": i, "caption": f"caption {i}"} for i in range(3)]
    (tmp_path / "coco.json").write_text(json.dumps({"images": entries, "annotations": told}))
    place = ["source.kind=coco", f"source.annotations={tmp_path}/coco.json"]
    assert animate_here(tmp_path, *place, f"source.images={tmp_path}/wrong") == 0
    assert list(captions(tmp_path).values()) == ["caption 0"]
    assert cli.main(["retry", str(tmp_path / "out"), f"source.images={tmp_path}/right"]) == 0
    assert sorted(captions(tmp_path).values()) == ["caption 0", "caption 1", "caption 2"]


def test_a_caption_that_was_quoted_wrongly_is_made_once_it_is_right(tmp_path):
    folder = tmp_path / "pictures"
    write_folder(folder, 2)
    for path in folder.glob("*.txt"):
        path.unlink()
    names = sorted(path.name for path in folder.glob("*.jpg"))
    table = folder / "captions.csv"
    table.write_text(f'file_name,caption\n{names[0]},"open\n{names[1]},fine\n')
    assert animate_here(tmp_path, "source.kind=folder", f"source.uri={folder}") == 0
    assert list(captions(tmp_path).values()) == ["fine"]
    table.write_text(f'file_name,caption\n{names[0]},"closed"\n{names[1]},fine\n')
    assert cli.main(["retry", str(tmp_path / "out")]) == 0
    assert sorted(captions(tmp_path).values()) == ["closed", "fine"]


def test_rows_that_were_added_to_a_table_with_row_numbers_are_refused(tmp_path, capsys):
    import pyarrow as pa
    import pyarrow.parquet as pq

    write_folder(tmp_path / "pictures", 2)
    one, two = (path.read_bytes() for path in sorted((tmp_path / "pictures").glob("*.jpg")))
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": [b"broken", two], "caption": ["one", "two"]}), path)
    assert animate_here(tmp_path, "source.kind=parquet", f"source.uri={path}") == 0
    pq.write_table(pa.table({"image": [two, one, two], "caption": ["zero", "one", "two"]}), path)
    capsys.readouterr()
    assert cli.main(["retry", str(tmp_path / "out")]) == 2
    assert "the source had 2 rows and has 3; its keys are row numbers" in capsys.readouterr().err
    pq.write_table(pa.table({"image": [one, two], "caption": ["one", "two"]}), path)
    assert cli.main(["retry", str(tmp_path / "out")]) == 0
    assert sorted(captions(tmp_path).values()) == ["one", "two"]


def test_a_task_that_was_set_aside_is_made_whole(tmp_path):
    """The tar of one task is gone while the job runs, so that nobody knows its inputs."""
    tars = write_tars(tmp_path / "tars", 9, per_tar=3, long_side=200)
    output = tmp_path / "clips"
    config = AnimateConfig.make(
        {
            "source": {"kind": "tars", "uri": f"{tars}/*.tar"}, "output": str(output), "workers": 1,
            "clip": {"size": 32, "frames": 3}, "max_failure_ratio": 1.0, "max_failed_tasks": 1,
        }
    )  # fmt: skip
    gone = sorted(tars.glob("*.tar"))[1]
    source = make_source(config.source, shard_samples=config.shard.max_samples)
    job = make_job(config, source)
    tasks = list(job.tasks())
    gone.rename(tmp_path / "kept")
    result = run_job(
        replace(job, tasks=lambda: iter(tasks)),
        Output(str(output)),
        workers=1,
        overwrite=False,
        max_failure_ratio=1.0,
    )
    assert (result.written, result.totals.reasons, result.totals.off_by) == (6, {"task_failed": 1}, 0)
    (tmp_path / "kept").rename(gone)
    assert retry(str(output), reasons=["timeout"]).nothing_made
    again = retry(str(output), reasons=["task_failed"])
    assert (again.totals.written, again.totals.failed, again.totals.off_by) == (9, 0, 0)
    assert rows(output, FAILURES_FILE) == []
    animate(AnimateConfig.make({**config.to_dict(), "output": str(tmp_path / "whole")}))
    assert sorted(rows(output, SAMPLES_FILE)) == sorted(rows(tmp_path / "whole", SAMPLES_FILE))
    assert retry(str(output)).nothing_made


def test_a_relative_source_is_named_where_a_retry_starts_elsewhere(begun, tmp_path, monkeypatch, capsys):
    output, source, _ = begun
    kept = (output / "_zoetrope" / "config.json").read_text()
    (output / "_zoetrope" / "config.json").write_text(kept.replace(json.dumps(str(source)), '"pictures"'))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["retry", str(output)]) == 2
    shown = capsys.readouterr().err
    assert (
        "; pictures is relative: retry in the folder where the job was started, or give source.uri=" in shown
    )
    monkeypatch.chdir(source.parent)
    assert cli.main(["retry", str(output), "max_failure_ratio=1"]) == 0
