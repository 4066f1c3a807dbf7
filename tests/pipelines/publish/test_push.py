"""Push an output to a hub on loopback, by huggingface_hub's real code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fake_hub import TOKEN, FakeHub, Repo
from loopback_only import loopback_only  # noqa: F401 - a fixture
from tiny_output import build_output

from pipelines.output.pages.facts import Facts
from pipelines.output.pages.readme import readme_md
from pipelines.publish import push as push_module
from pipelines.publish.push import push
from schemas.errors import ConfigError, JobError
from storage.tables import read_manifest
from zoetrope import cli


@pytest.fixture
def hub(monkeypatch, loopback_only, tmp_path):  # noqa: F811
    """A hub, whose address and token huggingface_hub uses."""
    from huggingface_hub import constants
    from huggingface_hub.utils import _http

    server = FakeHub()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
    monkeypatch.setattr(_http, "_DEFAULT_RETRY_ON_STATUS_CODES", ())
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    yield server
    server.close()


@pytest.fixture
def output(tmp_path) -> Path:
    """A finished output with its page."""
    folder = tmp_path / "clips"
    build_output(folder, store="still")
    return described(folder)


def described(folder: Path) -> Path:
    config = {"store": "still", "clip": {"frames": 4}, "dataset": {"license": "mit"}}
    shards = read_manifest(str(folder))
    samples = sum(row.samples for row in shards)
    (folder / "README.md").write_bytes(readme_md(Facts("clips", config, shards, samples, 0, {}, "0", "0")))
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


def test_every_file_arrives_and_the_data_set_is_private(output, hub):
    done = push(str(output), "user/clips")
    repo = hub.repos["user/clips"]
    assert repo.private
    assert repo.files == {path.name: path.read_bytes() for path in output.iterdir()}
    assert (done.sent, done.skipped, done.commits) == (len(repo.files), 0, 2)
    assert repo.commits[-1]["paths"] == ["manifest.parquet", "README.md"]  # readers see a whole data set


def test_the_metrics_of_this_machine_stay_here(output, hub):
    (output / "metrics.prom").write_text('zoetrope_output_samples{output="/home/me/clips"} 3\n')
    push(str(output), "user/clips")
    assert set(hub.repos["user/clips"].files) == names(output) - {"metrics.prom"}


def test_a_second_push_sends_nothing_and_a_changed_page_alone_is_sent(output, hub):
    push(str(output), "user/clips", public=True)
    assert not hub.repos["user/clips"].private
    sent = hub.uploads()
    done = push(str(output), "user/clips", public=True)
    assert (done.sent, done.commits, hub.uploads()) == (0, 0, sent)
    with (output / "README.md").open("a") as stream:
        stream.write("\nOne more line.\n")
    done = push(str(output), "user/clips", public=True)
    assert (done.sent, hub.uploads()) == (1, sent)
    assert hub.repos["user/clips"].files["README.md"].endswith(b"One more line.\n")


def test_a_push_that_broke_is_continued_without_sending_shards_again(output, hub, monkeypatch):
    monkeypatch.setattr(push_module, "COMMIT_FILES", 1)
    last = read_manifest(str(output))[-1]
    hub.fail[f"PUT /upload/{last.sha256}"] = 0
    with pytest.raises(JobError, match=r"the connection to the hub broke .*; run the same command again"):
        push(str(output), "user/clips")
    assert set(hub.repos["user/clips"].files) == {"00000.tar", "00001.tar"}
    hub.fail.clear()
    sent = hub.uploads()
    done = push(str(output), "user/clips")
    assert done.skipped == 2
    assert hub.uploads() - sent == 4  # one shard, three tables
    assert set(hub.repos["user/clips"].files) == names(output)


def test_shards_of_an_earlier_push_are_removed_only_on_request(output, hub, tmp_path):
    push(str(output), "user/clips")
    hub.repos["user/clips"].files[".gitattributes"] = b"*.tar filter=lfs"
    smaller = tmp_path / "smaller"
    build_output(smaller, store="still", shards=1)
    described(smaller)
    with pytest.raises(ConfigError, match=r"has 00001\.tar and others, which .* --delete removes"):
        push(str(smaller), "user/clips")
    done = push(str(smaller), "user/clips", remove=True)
    assert done.removed == 2
    assert set(hub.repos["user/clips"].files) == names(smaller) | {".gitattributes"}


@pytest.mark.parametrize(
    ("beginning", "status", "error", "message"),
    [
        ("POST /api/repos/create", 401, ConfigError, r"does not accept the token \(401\)"),
        ("POST /api/repos/create", 403, ConfigError, r"may not write there \(403\)"),
        ("POST /api/datasets/user/clips/preupload", 404, ConfigError, r"no such data set or branch"),
        ("POST /api/datasets/user/clips/commit", 500, JobError, r"answered 500"),
        ("GET /api/datasets", 0, JobError, "the connection to the hub broke"),
    ],
)
def test_an_error_of_the_hub_is_one_line_that_says_what_to_do(output, hub, beginning, status, error, message):
    hub.fail[beginning] = status
    with pytest.raises(error, match=message) as raised:
        push(str(output), "user/clips")
    assert "\n" not in str(raised.value)


def test_a_branch_that_is_not_there_and_a_foreign_name_are_refused(output, hub):
    hub.repos["user/clips"] = Repo(private=True)
    with pytest.raises(ConfigError, match="no such data set or branch"):
        push(str(output), "user/clips", revision="v2")
    with pytest.raises(ConfigError, match="403"):
        push(str(output), "somebody/clips")
    with pytest.raises(ConfigError, match="give USER/NAME"):
        push(str(output), "clips")


def test_a_wrong_token_and_none_at_all(output, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(ConfigError, match="does not accept the token"):
        push(str(output), "user/clips")
    monkeypatch.delenv("HF_TOKEN")
    hub.requests.clear()
    with pytest.raises(ConfigError, match="no Hugging Face token: run `hf auth login`"):
        push(str(output), "user/clips")
    assert not hub.requests


def test_front_matter_that_the_hub_refuses_stops_before_the_shards(output, hub):
    text = (output / "README.md").read_text()
    (output / "README.md").write_text(text.replace("pretty_name", "license: bad\npretty_name"))
    with pytest.raises(ConfigError, match=r"refuses it: .*license"):
        push(str(output), "user/clips")
    assert hub.uploads() == 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "00001.tar").unlink(), "00001.tar is missing"),
        (lambda folder: (folder / "manifest.parquet").unlink(), "manifest.parquet"),
        (lambda folder: (folder / "README.md").write_text("# clips"), "front matter"),
        (lambda folder: (folder / "00000.tar").write_bytes(bytes(8)), "has 8 bytes"),
    ],
)
def test_an_output_that_is_not_whole_is_refused_before_anything_is_sent(output, hub, damage, message):
    damage(output)
    with pytest.raises(ConfigError, match=message):
        push(str(output), "user/clips")
    assert not hub.requests


def test_a_shard_with_other_bytes_is_not_sent(output, hub):
    shard = output / "00000.tar"
    data = bytearray(shard.read_bytes())
    data[700] ^= 1
    shard.write_bytes(data)
    with pytest.raises(ConfigError, match=r"00000\.tar is not what the manifest says"):
        push(str(output), "user/clips")
    assert hub.uploads() == 0


def test_a_job_under_way_is_not_finished(output, hub):
    (output / "_zoetrope").mkdir()
    (output / "_zoetrope" / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match="the job is not finished"):
        push(str(output), "user/clips")


def test_the_command_and_its_dry_run(output, hub, capsys):
    assert cli.main(["push", str(output), "user/clips", "--dry-run"]) == 0
    assert "3 shards" in capsys.readouterr().out
    assert not hub.requests
    assert cli.main(["push", str(output), "user/clips"]) == 0
    assert f"{hub.url}/datasets/user/clips (private): 8 files sent" in capsys.readouterr().out
    assert cli.main(["push", str(output), "user/clips", "--public"]) == 0
    assert "it stays private" in capsys.readouterr().err


def test_memory_stays_bounded_whatever_a_shard_s_size(tmp_path):
    """Files are streamed: a shard of 32 MB costs far less than its size."""
    code = """
import resource, sys
from fake_hub import FakeHub
from pipelines.publish.hub import Hub, addition
big = sys.argv[1]
hub = Hub("user/clips", "main")
hub.commit([addition("a.tar", big + "/small.tar")], "warm")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
hub.commit([addition("b.tar", big + "/big.tar")], "big")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    (tmp_path / "small.tar").write_bytes(b"a" * 1_000_000)
    (tmp_path / "big.tar").write_bytes(b"b" * 32_000_000)
    server = FakeHub()
    server.repos["user/clips"] = Repo(private=True)
    environment = {"HF_ENDPOINT": server.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
    path = {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**environment, **path},
        capture_output=True,
        text=True,
        check=False,
    )
    server.close()
    assert done.returncode == 0, done.stderr
    assert server.repos["user/clips"].files["b.tar"] == b"b" * 32_000_000
    assert int(done.stdout) < 16_000  # kB
