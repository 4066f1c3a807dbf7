"""`zoetrope animate pictures/ -o clips/`: the input and -o become fields, and the guess is said."""

from __future__ import annotations

import logging

import pytest

from schemas.errors import ConfigError
from zoetrope import cli
from zoetrope.commands import animate, import_videos
from zoetrope.inputs import spelled_out


def fields(*arguments: str) -> list[str]:
    return spelled_out(animate._parser().read(list(arguments)), guess=True)


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.jpg").write_bytes(b"x")
    return "pictures/"


def test_a_guess_becomes_fields_and_is_said_in_one_line(pictures, caplog):
    with caplog.at_level(logging.INFO):
        found = fields(pictures, "-o", "clips/", "store=still")
    assert found == ["source.kind=folder", "source.uri=pictures/", "store=still", "output=clips/"]
    assert caplog.messages == ["pictures/: a folder of 1 picture (source.kind=folder)"]


def test_a_kind_that_is_given_is_not_guessed(pictures, caplog):
    assert fields("x.bin", "source.kind=tars")[0] == "source.uri=x.bin"
    assert fields("x.bin", "--config", "coco")[0] == "source.annotations=x.bin"
    assert fields("x.bin", "--config", "parquet") == ["source.uri=x.bin"]
    assert not caplog.messages


def test_coco_takes_the_folder_of_pictures_as_a_field(pictures):
    found = fields("captions.json", "source.images=train/")
    assert found == ["source.kind=coco", "source.annotations=captions.json", "source.images=train/"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-o", "x"], "no input: give one, as in `zoetrope animate pictures/ -o clips/`"),
        (["a", "b"], r"2 inputs \(a, b\): give one$"),
        (
            ["a.json", "train/"],
            r"\(a\.json, train/\): give one; the pictures .* a field: source\.images=train/$",
        ),
        (["a", "b", "c"], r"3 inputs \(a, b, \.\.\.\): give one; put a glob in quotes"),
        (["pictures/", "-o", "x", "output=y"], "-o and output= both say where to write"),
        (["pictures/", "source.uri=y"], "both name the input"),
    ],
)
def test_two_answers_to_one_question_are_one_line(pictures, arguments, says):
    with pytest.raises(ConfigError, match=says):
        fields(*arguments)


def test_an_import_takes_o_and_guesses_nothing():
    args = import_videos._parser().read(["--config", "csv", "-o", "x", "source.videos=v"])
    assert spelled_out(args, guess=False) == ["source.videos=v", "output=x"]


def test_a_job_without_an_output_names_the_option(pictures, capsys):
    assert cli.main(["animate", pictures]) == 2
    assert "no output: give the folder of the shards, as in `-o clips/`" in capsys.readouterr().err
