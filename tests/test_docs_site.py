"""The site of the documentation and its notebook: docs/site, docs/tour.ipynb."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

import zoetrope
from zoetrope.cli import COMMANDS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site. A warning of Sphinx is an error."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", str(DOCS / "site")]
    done = subprocess.run(
        [*command, "-b", "html", "-d", str(out / "cache"), str(DOCS), str(out / "html")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return out / "html"


def test_every_page_is_in_the_site(site):
    index = (site / "index.html").read_text()
    for page in DOCS.glob("*.md"):
        title = page.read_text().partition("# ")[2].partition("\n")[0]
        shown = re.search("<h1>(.*?)<a", (site / f"{page.stem}.html").read_text())
        assert shown is not None, f"{page}: a page of Sphinx's own has this name"
        assert re.sub(r"<[^>]+>|[`*]", "", unescape(shown[1])) == re.sub("[`*]", "", title)
        if page.stem != "index":
            assert f'href="{page.stem}.html"' in index, f"docs/index.md does not list {page.name}"


def test_the_reference_has_every_public_name_and_every_command(site):
    names = (site / "api.html").read_text()
    for name in zoetrope.__all__:
        assert name == "__version__" or f'id="zoetrope.{name}"' in names, name
    help_texts = (site / "commands.html").read_text()
    for command in COMMANDS:
        assert f"usage: zoetrope {command}" in help_texts
    assert "limits.memory_mb" in help_texts  # --help-all, not --help


def test_a_page_loads_nothing_from_elsewhere(site):
    for page in site.glob("*.html"):
        loaded = re.findall(
            r'<(?:script|img|link rel="stylesheet")[^>]*(?:src|href)="([^"]+)"', page.read_text()
        )
        assert loaded
        assert not [name for name in loaded if "//" in name], page


def test_the_notebook_runs_from_top_to_bottom(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names: dict[str, object] = {}
    values = []
    for cell in json.loads((DOCS / "tour.ipynb").read_text())["cells"]:
        assert cell.get("outputs", []) == []
        if cell["cell_type"] == "code":
            values.append(_run(ast.parse("".join(cell["source"])), names))
    assert any(hasattr(value, "_repr_html_") for value in values)  # a moving preview
    assert names["done"].totals.written == 4
    assert names["trained"].step == 4
    shown = capsys.readouterr().out.splitlines()
    assert sum("as the camera" in line or "while the camera" in line for line in shown) >= 4
    assert len([line for line in shown if re.match(r"-?\d\.\d{3} folder-", line)]) == 2


def _run(cell: ast.Module, names: dict[str, object]) -> object:
    """Run a cell as a notebook does: the value is that of a last expression."""
    last = cell.body.pop() if isinstance(cell.body[-1], ast.Expr) else None
    exec(compile(cell, "cell", "exec"), names)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)
