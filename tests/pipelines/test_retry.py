"""zoetrope retry: only what failed, as new shards; each input stays in exactly one row."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.animate import animate
from pipelines.config import AnimateConfig
from pipelines.retry import retry
from schemas.errors import ConfigError
from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from storage.shards.read import iter_shard
from storage.tables import iter_rows, read_manifest
from tests.pipelines.running.test_graph import leftovers, shards
from zoetrope import cli
from zoetrope.samples import write_folder


@pytest.fixture
def begun(tmp_path) -> tuple[Path, Path, dict[Path, bytes]]:
    """An output whose pictures 1 and 4 of 6 were broken, and the pictures as they should be."""
    source, output = tmp_path / "pictures", tmp_path / "clips"
    write_folder(source, 6)
    pictures = sorted(path for path in source.rglob("*.jpg"))
    good = {pictures[n]: pictures[n].read_bytes() for n in (1, 4)}
    for path in good:
        path.write_bytes(good[path][: len(good[path]) // 2].ljust(len(good[path]), b"\0"))
    config = AnimateConfig.make(
        {
            "source": {"kind": "folder", "uri": str(source)}, "output": str(output), "workers": 1,
            "clip": {"size": 32, "frames": 3}, "shard": {"max_samples": 3}, "max_failure_ratio": 1.0,
        }
    )  # fmt: skip
    assert animate(config).totals.failed == 2
    return output, source, good


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


def test_nothing_there_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="no job has begun there"):
        retry(str(tmp_path))
