"""`zoetrope demo`, with few pictures."""

from __future__ import annotations

import shlex
from pathlib import Path

from zoetrope import cli, samples
from zoetrope.commands import demo


def test_the_demo_makes_shards_and_names_what_to_look_at(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "PICTURES", 3)
    output = tmp_path / "my demo"
    assert cli.main(["demo", "-o", str(output)]) == 0
    said = capsys.readouterr()
    assert "all as the manifest says" in said.out
    named = [line.strip().split("  ")[0] for line in said.out.partition("Look at:\n")[2].splitlines()[:3]]
    for path in named:
        assert Path(path).exists(), path
    shown = [line for line in said.out.splitlines() if line.startswith(("$ zoetrope", "Look at every"))]
    assert len(shown) == 3
    for line in shown:
        assert any(word.endswith(f"{output}/clips") for word in shlex.split(line)), (
            "quoted as a shell needs it"
        )
    assert said.err.count("direct runner") == 1  # one handler writes each message


def test_without_the_packages_of_photographs_those_of_the_studio_are_taken(monkeypatch):
    monkeypatch.setattr(samples, "find_spec", lambda name: None)
    made = list(samples.pictures(6))
    names = [picture.name for picture in made]
    assert names == ["astronaut", "cat", "coffee", "rocket", "astronaut_001", "cat_001"]
    assert made[1].captions == ("a tabby cat looks to the side",)
    assert made[1].jpeg != made[5].jpeg
