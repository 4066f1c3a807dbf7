"""`zoetrope runs` shows how far runs are and writes the page."""

from __future__ import annotations

from pathlib import Path

from tests.preview.runs.test_page import embedded
from tests.preview.runs.test_read import make_run
from zoetrope import cli


def test_the_command_shows_runs_and_writes_the_page(tmp_path: Path, capsys) -> None:
    make_run(tmp_path / "runs" / "one", seed=0)
    damaged = make_run(tmp_path / "runs" / "two", seed=1)
    (damaged / "metrics.jsonl").write_bytes(b"nothing\n")
    page = tmp_path / "runs.html"
    assert cli.main(["runs", str(tmp_path / "runs"), "-o", str(page)]) == 0
    shown = capsys.readouterr()
    assert "one  going, step 3 of 10, about " in shown.out
    assert "two  no record yet" in shown.out
    assert "two: metrics.jsonl: skipped 1 line without a record; the first is line 1" in shown.err
    html = page.read_text()
    assert "Settings that differ" in html
    assert ">seed<" in html
    assert [each["name"] for each in embedded(html)["runs"]] == ["one", "two"]


def test_the_command_without_a_run_is_one_line(tmp_path: Path, capsys) -> None:
    assert cli.main(["runs", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
