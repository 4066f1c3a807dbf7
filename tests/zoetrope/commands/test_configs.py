"""`zoetrope configs`: every shipped config is listed with a sentence, and printed as it is."""

from __future__ import annotations

import pytest

from zoetrope.cli import main
from zoetrope.commands.configs import about, find
from zoetrope.shipped import FOLDER

PATHS = sorted(FOLDER.glob("*/*.yaml"))


def test_every_shipped_config_is_listed_below_its_command(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["configs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    names = [line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "]
    assert sorted(names) == sorted(path.stem for path in PATHS)
    assert "eval: `zoetrope evaluate`" in lines


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_it_opens_with_a_sentence(path):
    assert 20 < len(about(path)) < 220
    assert about(path).endswith(".")
    assert find(f"{path.parent.name}/{path.stem}") == path


def test_one_is_printed_as_it_is(capsys):
    for name in ("coco", "animate/coco", "configs/animate/coco.yaml"):
        assert main(["configs", name]) == 0
        assert capsys.readouterr().out == (FOLDER / "animate" / "coco.yaml").read_text()


def test_a_name_of_two_or_of_none_is_one_line(capsys):
    assert main(["configs", "msvd"]) == 2
    assert "msvd: there are import/msvd and eval/msvd; name one of them" in capsys.readouterr().err
    assert main(["configs", "cocoo"]) == 2
    assert "the nearest is coco; `zoetrope configs` lists them" in capsys.readouterr().err
