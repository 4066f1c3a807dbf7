"""Sphinx: the pages of docs/ and the reference of the public names, as a site: `make docs-site`.

The pages stay plain Markdown that reads on its own; links between them work in both places. Nothing is fetched: the
theme brings its own fonts and scripts.
"""

from __future__ import annotations

import inspect
import io
import os
import sys
from contextlib import redirect_stdout, suppress
from pathlib import Path

import pydantic
from docutils.nodes import Node
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ["COLUMNS"] = "100"  # of the commands' help

import zoetrope
from zoetrope.cli import COMMANDS, main

VERSION = zoetrope.__version__

project = "Zoetrope"
author = "the Zoetrope authors"
copyright = author
version = release = VERSION
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["site", "pictures"]
html_theme = "furo"
html_title = f"Zoetrope {VERSION}"
html_static_path: list[str] = []
html_copy_source = False
myst_heading_anchors = 4  # as in links such as motions.md#timing
myst_enable_extensions = ["attrs_inline"]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
suppress_warnings = ["myst.header", "misc.highlighting_failure"]


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.add_directive("zoetrope", PublicName)
    app.connect("source-read", add_help)


class PublicName(SphinxDirective):
    """`.. zoetrope:: render`: the docstring of a public name, as a function or a class."""

    required_arguments = 1

    def run(self) -> list[Node]:
        """Return what autodoc makes of it."""
        name = self.arguments[0]
        kind = "class" if inspect.isclass(getattr(zoetrope, name)) else "function"
        lines = [f".. auto{kind}:: zoetrope.{name}"]
        if kind == "class" and not issubclass(getattr(zoetrope, name), pydantic.BaseModel):
            lines.append("   :members:")
        return self.parse_text_to_nodes("\n".join(lines))


def add_help(app: Sphinx, page: str, source: list[str]) -> None:
    """Add the help of every command to the page `commands`."""
    if page != "commands":
        return
    for command in COMMANDS:
        shown = io.StringIO()
        with redirect_stdout(shown), suppress(SystemExit):
            main([command, "--help-all"])
        source[0] += f"\n## {command}\n\n```text\n{shown.getvalue().rstrip()}\n```\n"
