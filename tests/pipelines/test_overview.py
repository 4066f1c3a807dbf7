"""An output at a glance: `zoetrope stats`, `head` and `failures` on outputs of real bytes."""

from __future__ import annotations

import json

import pytest
from tiny_output import build_output

from pipelines.overview import failure_groups, overview
from schemas.errors import ConfigError
from zoetrope import cli

NAMES = ("key", "stage", "reason", "detail", "url")
FAILED = [
    ("k1", "fetch", "http_404", "404 Not Found", "http://a.org/1.jpg"),
    ("k2", "fetch", "http_404", "404 Not Found", "http://a.org/2.jpg"),
    ("k3", "decode", "corrupt", "cut off at byte 7", None),
]


@pytest.fixture(scope="module")
def output(tmp_path_factory) -> str:
    return build_output(
        tmp_path_factory.mktemp("made") / "clips",
        failures=[dict(zip(NAMES, row, strict=True)) for row in FAILED],
    )


def test_failures_are_counted_by_reason_with_one_example_each(output, capsys):
    groups = failure_groups(output)
    assert [(group.reason, group.count, group.key) for group in groups] == [
        ("http_404", 2, "k1"),
        ("corrupt", 1, "k3"),
    ]
    assert cli.main(["failures", output]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{output}: 3 failures, 2 reasons"
    assert said[1].split() == ["2", "fetch/http_404", "e.g.", "http://a.org/1.jpg:", "404", "Not", "Found"]
    assert said[2].strip() == "the picture was removed; what to do: nothing (the picture is gone)"
    assert said[3].endswith("k3: cut off at byte 7")


def test_all_failures_of_one_reason_and_an_unknown_reason(output, capsys):
    assert cli.main(["failures", output, "--reason", "http_404"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1:] == ["http://a.org/1.jpg: 404 Not Found", "http://a.org/2.jpg: 404 Not Found"]
    assert cli.main(["failures", output, "--reason", "http_40"]) == 2
    assert capsys.readouterr().err.endswith(
        "the reasons there are: corrupt, http_404; the nearest is http_404\n"
    )
    assert cli.main(["failures", output, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)[0]
    assert (first["count"], first["meaning"]) == (2, "the picture was removed")


def test_the_overview_counts_what_is_there(output, capsys):
    found = overview(output)
    assert (found.shards, found.samples, found.failed) == (3, 12, 3)
    assert found.motions == {"zoom_in": 4, "pan_left": 4, "rotate_cw+zoom_in": 4}
    assert found.sizes == {"64x48": 12}
    assert found.shard_samples is not None
    assert (found.shard_samples.least, found.shard_samples.most) == (4, 4)
    assert cli.main(["stats", output]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{output}: 12 samples in 3 shards, ")
    assert "\nsamples that repeat an earlier caption: 0\n" in said
    assert "33.3 %  pan_left" in said
    assert cli.main(["stats", output, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 12


def test_captions_that_repeat_are_counted(tmp_path):
    captions = ["a dog", "a dog", "a cat", "a dog"]
    found = overview(build_output(tmp_path / "out", captions * 3))
    assert found.captions_repeated == 10
    assert found.caption_characters is not None
    assert found.caption_characters.most == 5


def test_head_shows_the_first_samples_of_an_output_or_of_a_shard(output, capsys):
    assert cli.main(["head", output, "-n", "5"]) == 0
    said = capsys.readouterr().out
    assert said.count("  members  ") == 5
    assert "0000000  (00000.tar)" in said
    assert "0000004  (00001.tar)" in said
    assert "motion=zoom_in" in said
    assert cli.main(["head", f"{output}/00002.tar", "-n", "1", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["key"] == "0000008"
    assert row["store"] == "frames"
    assert row["bytes"]["000.png"] > 100


@pytest.mark.parametrize("command", ["stats", "failures", "head"])
def test_what_is_no_output_is_one_line(tmp_path, capsys, command):
    assert cli.main([command, str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_an_output_without_failures_has_no_groups(tmp_path):
    assert failure_groups(build_output(tmp_path / "out")) == []


def test_head_takes_at_least_one_sample(output):
    with pytest.raises(ConfigError, match="-n 0: must be at least 1"):
        cli.command_module("head").main([output, "-n", "0"])
