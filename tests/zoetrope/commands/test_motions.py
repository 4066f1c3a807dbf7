import json
import subprocess
import sys
from pathlib import Path

import pytest

import zoetrope
from transforms.motions import built_in_motions
from transforms.motions.describe import motions
from zoetrope.cli import main as zoetrope_main
from zoetrope.commands.motions import main

ROOT = Path(__file__).parents[3]


def test_the_table_tells_every_motion_and_parameter(capsys):
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 128
    for motion in built_in_motions().values():
        at = next(i for i, line in enumerate(lines) if line.split()[:1] == [motion.name])
        assert motion.help in lines[at]
        for offset, parameter in enumerate(motion.own, start=1):
            assert parameter.name in lines[at + offset]
            assert f"({parameter.allowed})" in lines[at + offset]
    assert any("hold_start" in line and "0 to 0.9 of the clip" in line for line in lines)


def test_a_motion_of_ones_own_is_shown_by_the_path_that_a_config_needs(tmp_path, monkeypatch, capsys):
    (tmp_path / "shown_motions.py").write_text(
        "from zoetrope import Camera, Parameter, motion\n"
        "@motion('dolly', Parameter('far', default=0.2, low=0.0, high=1.0, unit='view widths', help='how far'))\n"
        "def dolly(t_T, far):\n"
        "    'It glides.'\n"
        "    return Camera(x=far * t_T)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["shown_motions:dolly"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("shown_motions:dolly: It glides.")
    assert "motions: [{name: shown_motions:dolly, weight: 1" in shown


def test_one_motion_with_an_example(capsys):
    assert main(["zoom_in"]) == 0
    text = capsys.readouterr().out
    assert "motions: [{name: zoom_in, weight: 1, zoom: [1.2, 1.7]}]" in text
    assert "pan_left" not in text
    assert main(["rotate_cw+crop_jitter"]) == 0
    text = capsys.readouterr().out
    assert "rotate_cw: " in text
    assert "crop_jitter: " in text


def test_as_json(capsys):
    assert main(["--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["motions"] == motions()
    assert [motion["name"] for motion in told["motions"]] == list(built_in_motions())
    zoom = next(motion for motion in told["motions"] if motion["name"] == "zoom_in")["parameters"][0]
    assert (zoom["name"], zoom["default"], zoom["low"], zoom["high"], zoom["unit"]) == (
        "zoom",
        [1.2, 1.7],
        1.0,
        8.0,
        "x",
    )


def test_as_a_function():
    assert zoetrope.motions("static") == [{"name": "static", "help": "The camera rests.", "parameters": []}]


@pytest.mark.parametrize("name", ["zom_in", "zoom_in+", "nowhere:dolly"])
def test_an_unknown_name_is_one_line_and_exit_2(name, capsys):
    assert zoetrope_main(["motions", name]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("zoetrope motions: ")
    assert output.err.count("\n") == 1


def test_a_reader_that_stops_early_is_no_error():
    command = [sys.executable, "-u", "-m", "zoetrope.cli", "motions", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()  # as `| head` does, here before a word was read
        assert process.stderr.read() == b""
    assert process.returncode == 0
