"""Documented commands that are not run as a whole: `documented.rules` says why for each."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from contextlib import suppress

import pytest
from documented.lines import ROOT, all_lines
from documented.rules import Way, filled, rule_of
from documented.run import arguments
from fake_hub import TOKEN, FakeHub, Repo

from lab.config import LabConfig
from lab.plan import Plan
from pipelines.config import AnimateConfig
from pipelines.publish.files import MONITORING
from storage.configs import load_config
from zoetrope import cli
from zoetrope.commands.animate import _parser as animate_parser
from zoetrope.commands.lab import _parser as lab_parser
from zoetrope.commands.lab import read_arguments
from zoetrope.inputs import spelled_out
from zoetrope.shipped import find_config

LINES = {line.text: line for line in all_lines()}


def lines(*ways: Way) -> pytest.MarkDecorator:
    found = {text: rule_of(text) for text in LINES}
    chosen = [text for text, rule in found.items() if rule is not None and rule.way in ways]
    return pytest.mark.parametrize("text", chosen, ids=str)


@lines(Way.HELP)
def test_a_command_that_a_sentence_names_exists(text: str, capsys) -> None:
    assert cli.main([*shlex.split(text)[1:], "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: {text}")


@lines(Way.SERVE)
def test_a_studio_answers_until_ctrl_c(place, monkeypatch, text: str) -> None:
    shown = filled(text, rule_of(text))
    monkeypatch.chdir(place.prepare(shown))
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    answers: list[bytes] = []
    done = threading.Event()

    def visit() -> None:
        while not done.is_set() and not answers:
            with suppress(OSError):
                answers.append(urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).read())
            time.sleep(0.02)
        if not done.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    visitor = threading.Thread(target=visit, daemon=True)
    visitor.start()
    code = cli.main([*shlex.split(shown)[1:], "--port", str(port)])
    done.set()
    visitor.join()
    assert code == 130
    assert b"Zoetrope" in answers[0]
    assert opened == ([f"http://127.0.0.1:{port}"] if "--open" in text else [])


@lines(Way.PUSH)
def test_a_push_sends_every_file_of_the_output_but_metrics(place, monkeypatch, text: str) -> None:
    from huggingface_hub import constants

    shown = filled(text, rule_of(text))
    here = place.prepare(shown)
    monkeypatch.chdir(here)
    hub = FakeHub()
    branch = re.findall(r"--revision (\w+)", text)
    if branch:  # it has to be there
        hub.repos["user/clips"] = Repo(private=False, branches=("main", *branch))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    for name, value in (("ENDPOINT", hub.url), ("HF_HUB_OFFLINE", False), ("HF_HUB_DISABLE_XET", True)):
        monkeypatch.setattr(constants, name, value)
    assert cli.main(shlex.split(shown)[1:]) == 0
    hub.close()
    output = here / shlex.split(shown)[2]
    wanted = {path.name for path in output.iterdir() if path.is_file()} - {MONITORING}
    assert set(hub.repos["user/clips"].files) == wanted
    assert hub.repos["user/clips"].private == ("--public" not in text)


@lines(Way.READ)
def test_its_arguments_and_its_config_are_valid(tmp_path, monkeypatch, text: str) -> None:
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    words = arguments(LINES[text], rule_of(text))
    if words[0] == "lab":
        config = read_arguments(lab_parser().read(words[1:]))[1]
        assert isinstance(config, LabConfig)
        assert list(Plan(config).data_steps())
    else:
        args = animate_parser().read(words[1:])
        path = args.config and find_config(args.config, "animate")
        assert load_config(AnimateConfig, path, spelled_out(args, guess=True)).source.uri == "user/pictures"


@lines(Way.MAKE)
def test_make_knows_the_targets(text: str) -> None:
    command = [*shlex.split(text), "--dry-run", "--assume-old=setup"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@lines(Way.FILE)
def test_the_file_that_it_runs_is_there(text: str) -> None:
    words = [word for word in text.split() if word not in ("python", "pytest", "-m")]
    name = words[0] if "/" in words[0] else words[0].replace(".", "/") + ".py"
    source = (ROOT / name).read_text()
    if name.endswith(".sh"):
        subprocess.run(["bash", "-n", name], cwd=ROOT, check=True)
    else:
        ast.parse(source)
        others = re.findall(r"from benchmarks import (\w+)", source)  # which may read the options
        source += "".join((ROOT / "benchmarks" / f"{other}.py").read_text() for other in others)
        for option in re.findall(r"--[a-z-]+", text):
            assert option in source, f"{name} has no {option}"


@lines(Way.SHELL)
def test_the_shell_reads_it_and_what_it_names_exists(text: str) -> None:
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    for file in re.findall(
        r"\b(?:docker/[\w.]+|[\w]+/[\w.]+\.(?:lock|json))\b", text.replace("gs://", "gs:")
    ):
        assert (ROOT / file).is_file() or file.startswith("templates/"), file
    setup = (ROOT / "setup.py").read_text()
    for extra in re.findall(r"\[(\w+)\]", text):
        assert f'"{extra}": ' in setup, extra
    given = text.partition("--parameters ")[2]
    known = json.loads((ROOT / "docker" / "flex_template.json").read_text())["parameters"]
    for name in re.findall(r"(?:^|,)(\w+)=", given):
        assert name in {each["name"] for each in known}
