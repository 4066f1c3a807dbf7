"""The report of a run stays when another run writes its own."""

from __future__ import annotations

from preview.report.earlier import keep_earlier


def test_reports_are_numbered_in_their_order(tmp_path):
    assert keep_earlier(str(tmp_path)) is None
    for number in (1, 2, 3):
        (tmp_path / "report.html").write_text(f"run {number}")
        (tmp_path / "report.json").write_text(f"{number}")
        assert keep_earlier(str(tmp_path)) == number
    kept = tmp_path / "_zoetrope" / "reports"
    assert [(path.name, path.read_text()) for path in sorted(kept.iterdir())] == [
        ("001.html", "run 1"), ("001.json", "1"), ("002.html", "run 2"), ("002.json", "2"),
        ("003.html", "run 3"), ("003.json", "3"),
    ]  # fmt: skip
    assert not (tmp_path / "report.html").exists()
