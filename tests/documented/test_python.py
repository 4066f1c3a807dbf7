"""Every block of Python in README and docs/ runs as it is written; `documented.snippets` says what each needs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from documented.lines import ROOT
from documented.snippets import SNIPPETS, Needs, all_blocks

BLOCKS = all_blocks()


def needs_of(code: str) -> Needs:
    (found,) = (needs for needs in SNIPPETS if needs.mark in code)
    return found


def test_every_block_is_known_and_nothing_else() -> None:
    assert len(BLOCKS) > 15
    assert {needs_of(code) for _, code in BLOCKS} == set(SNIPPETS)


@pytest.mark.parametrize(("page", "code"), BLOCKS, ids=[needs_of(code).mark for _, code in BLOCKS])
def test_it_runs_as_it_is_written(place, monkeypatch, page: str, code: str) -> None:
    needs = needs_of(code)
    if needs.elsewhere:
        assert Path(page).name in (ROOT / needs.elsewhere).read_text() or "extensions" in needs.elsewhere
        return
    here = place.prepare(f"python {needs.files}")
    if "scored/" in needs.files:
        (here / "scored").rename(here / "clips")
    monkeypatch.chdir(here)
    for old, new in needs.replace:
        assert old in code
        code = code.replace(old, new)
    module = type(sys)("shown")
    monkeypatch.setitem(sys.modules, "shown", module)
    names = vars(module)
    for text in (needs.before, code, needs.after):
        exec(compile(text, page, "exec"), names)
