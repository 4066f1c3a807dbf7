"""An output of imported videos grows with its annotations, and keeps its accounts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_videos import make_video

from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from storage.tables import iter_rows
from zoetrope import cli


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    """Six short videos."""
    folder = tmp_path_factory.mktemp("videos")
    for number in range(6):
        make_video(folder / f"v{number}.mp4", frames=6, size=(32, 32))
    return folder


def csv(folder: Path, names: list[str], bad: str = "") -> Path:
    path = folder / "captions.csv"
    path.write_text("\n".join(["video_id,caption", *(f"{name},a square of {name}" for name in names), bad]))
    return path


def msrvtt(folder: Path, names: list[str]) -> Path:
    path = folder / "MSRVTT_data.json"
    values = [{"video_id": name, "split": "train", "category": 0} for name in names]
    sentences = [{"sen_id": i, "video_id": name, "caption": f"a {name}"} for i, name in enumerate(names)]
    path.write_text(json.dumps({"info": {}, "videos": values, "sentences": sentences}))
    return path


def run(kind: str, videos: Path, annotations: Path, output: Path, *more: str) -> int:
    fields = [f"source.videos={videos}", f"source.annotations={annotations}", f"output={output}", "workers=1"]
    fields += ["shard.max_samples=2", "frames.max_frames=2", "frames.size=32"]
    return cli.main(["import-videos", f"source.kind={kind}", *fields, *more])


def keys(output: Path, table: str) -> list[str]:
    return [row["key"] for row in iter_rows(str(output), table)]


def shards(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in output.glob("*.tar")}


@pytest.mark.parametrize(("kind", "write"), [("csv", csv), ("msrvtt", msrvtt)])
def test_entries_anywhere_are_new_and_what_is_there_stays(videos, tmp_path, kind, write):
    output = tmp_path / "clips"
    assert run(kind, videos, write(tmp_path, ["v1", "v3", "gone"]), output) == 0
    before = shards(output)
    path = write(tmp_path, ["v0", "v1", "v2", "v3", "gone", "v4"])
    assert run(kind, videos, path, output) == 0
    assert before.items() < shards(output).items()
    assert keys(output, SAMPLES_FILE) == [
        "0000000-v1",
        "0000001-v3",
        "0000003-v0",
        "0000004-v2",
        "0000005-v4",
    ]
    assert keys(output, FAILURES_FILE) == ["0000002-gone"]
    assert cli.main(["validate", str(output)]) == 0


def test_a_bad_row_a_retry_and_a_further_growth_keep_the_accounts(videos, tmp_path, capsys):
    output, folder = tmp_path / "clips", tmp_path / "videos"
    folder.mkdir()
    for name in ("v1", "v3"):
        (folder / f"{name}.mp4").write_bytes((videos / f"{name}.mp4").read_bytes())
    assert run("csv", folder, csv(tmp_path, ["v1", "v2", "v3"], ",no video"), output) == 0
    assert keys(output, FAILURES_FILE) == ["0000001-v2", "x0000000"]
    (folder / "v2.mp4").write_bytes((videos / "v2.mp4").read_bytes())
    assert cli.main(["retry", str(output)]) in (0, 1)
    assert keys(output, FAILURES_FILE) == ["x0000000"]
    before = shards(output)
    (folder / "v4.mp4").write_bytes((videos / "v4.mp4").read_bytes())
    path = csv(tmp_path, ["v1", "v2", "v3"], ",no video\nv4,a square of v4\n")
    assert run("csv", folder, path, output) == 0
    assert before.items() < shards(output).items()
    assert sorted(keys(output, SAMPLES_FILE)) == ["0000000-v1", "0000001-v2", "0000002-v3", "0000003-v4"]
    assert keys(output, FAILURES_FILE) == ["x0000000"]
    path.write_text(path.read_text().replace("a square of v1", "another caption"))
    capsys.readouterr()
    assert run("csv", folder, path, output) == 2
    assert "v1: it, or its caption, has changed" in capsys.readouterr().err
