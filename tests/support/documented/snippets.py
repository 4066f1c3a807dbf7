"""The Python that the pages show."""

from __future__ import annotations

from documented.lines import FENCE, ROOT


def python_blocks(page: str) -> list[str]:
    """The Python blocks of a page, given by its path from the root, in order."""
    return [
        body for language, body in FENCE.findall((ROOT / page).read_text()) if language in ("python", "py")
    ]
