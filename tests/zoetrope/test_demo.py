"""`make demo`, with few pictures."""

from __future__ import annotations

from zoetrope import demo


def test_the_demo_makes_shards_and_names_what_to_look_at(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "PICTURES", 3)
    assert demo.main(str(tmp_path / "demo")) == 0
    shown = capsys.readouterr().out
    assert "all as the manifest says" in shown
    named = [line.split()[0] for line in shown.partition("Look at:\n")[2].splitlines()[:3]]
    for path in named:
        assert (tmp_path / path).exists(), path
