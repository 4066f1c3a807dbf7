"""`zoetrope demo`, with few pictures."""

from __future__ import annotations

from zoetrope import cli, samples
from zoetrope.commands import demo


def test_the_demo_makes_shards_and_names_what_to_look_at(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "PICTURES", 3)
    assert cli.main(["demo", "-o", str(tmp_path / "demo")]) == 0
    said = capsys.readouterr()
    assert "all as the manifest says" in said.out
    named = [line.split()[0] for line in said.out.partition("Look at:\n")[2].splitlines()[:3]]
    for path in named:
        assert (tmp_path / path).exists(), path
    assert said.err.count("direct runner") == 1  # one handler writes each message


def test_without_the_packages_of_photographs_those_of_the_studio_are_taken(monkeypatch):
    monkeypatch.setattr(samples, "find_spec", lambda name: None)
    made = list(samples.pictures(6))
    names = [picture.name for picture in made]
    assert names == ["astronaut", "cat", "coffee", "rocket", "astronaut_001", "cat_001"]
    assert made[1].captions == ("a tabby cat looks to the side",)
    assert made[1].jpeg != made[5].jpeg
