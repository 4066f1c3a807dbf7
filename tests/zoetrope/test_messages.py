"""Messages: one handler, which the command alone adds; a program can silence or route them."""

from __future__ import annotations

import json
import logging
from datetime import datetime

from zoetrope.messages import PACKAGES, messages_on_stderr, set_json_lines, set_verbosity

LOG = logging.getLogger("pipelines.running.submit")


def test_the_command_writes_messages_plain_and_warnings_with_its_name(capsys):
    with messages_on_stderr("zoetrope animate"):
        LOG.debug("a detail")
        LOG.info("3 tasks")
        LOG.warning("a shard is gone")
    said = capsys.readouterr()
    assert said.err == "3 tasks\nzoetrope animate: a shard is gone\n"
    assert said.out == ""


def test_json_lines_hold_time_level_event_and_fields(capsys):
    with messages_on_stderr("zoetrope animate"):
        set_json_lines()
        LOG.warning("a shard is gone", extra={"fields": {"task": 3}})
        logging.getLogger("pipelines.running.graph").debug("task %d done", 4)
        LOG.debug("a detail")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["level"], line["event"], line["fields"]) for line in lines] == [
        ("warning", "a shard is gone", {"task": 3}),
        ("debug", "task 4 done", {}),
    ]
    assert datetime.fromisoformat(lines[0]["time"]).tzinfo is not None
    assert logging.getLogger("pipelines.running.graph").level == logging.NOTSET


def test_quiet_leaves_warnings_and_verbose_adds_details(capsys):
    with messages_on_stderr("zoetrope animate"):
        set_verbosity(0, 1)
        LOG.info("3 tasks")
        LOG.warning("a shard is gone")
        set_verbosity(1, 0)
        LOG.debug("a detail")
    assert capsys.readouterr().err == "zoetrope animate: a shard is gone\na detail\n"


def test_a_program_that_imports_the_packages_gets_no_handler(capsys):
    before = {name: list(logging.getLogger(name).handlers) for name in PACKAGES}
    with messages_on_stderr("zoetrope animate"):
        pass
    assert {name: list(logging.getLogger(name).handlers) for name in PACKAGES} == before
    LOG.info("3 tasks")
    assert capsys.readouterr().err == ""


def test_a_message_that_quotes_a_hostile_file_is_shortened(capsys):
    with messages_on_stderr("zoetrope animate"):
        LOG.error(f"c.json: no picture {'x' * 10**6}; check the path")
    said = capsys.readouterr().err
    assert len(said) < 2100
    assert said.startswith("zoetrope animate: c.json: no picture xxx")
    assert said.endswith("xxx; check the path\n")


def test_a_closed_standard_error_is_no_error_of_its_own(monkeypatch, tmp_path):
    with open(tmp_path / "log", "w") as stream:
        pass
    monkeypatch.setattr("sys.stderr", stream)
    with messages_on_stderr("zoetrope animate"):
        LOG.warning("nobody can read this")


def test_after_the_command_the_loggers_are_as_a_program_had_set_them():
    logger = logging.getLogger("pipelines")
    before = logger.level, logger.propagate, logger.handlers[:]
    try:
        logger.setLevel(logging.ERROR)
        logger.propagate = True
        with messages_on_stderr("zoetrope animate"):
            assert (logger.level, logger.propagate) == (logging.INFO, False)
        assert (logger.level, logger.propagate, logger.handlers) == (logging.ERROR, True, before[2])
    finally:
        logger.level, logger.propagate = before[:2]
