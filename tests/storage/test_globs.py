"""Globs: where one begins, and the paths that it matches, each as Python's own glob has it."""

from __future__ import annotations

import glob
import re
from pathlib import Path

import pytest

from storage.globs import glob_regex, split_at_glob

NAMES = ["a.tar", "b.tar", "[x].tar", "^.tar", "-.tar", "ab.tar", "sub/a.tar", "sub/deep/b.tar", "a.txt"]
PATTERNS = [
    "*.tar", "?.tar", "[ab].tar", "[!a].tar", "[^a]b.tar", "[a-c]*.tar", "[]x]*.tar", "[[]x].tar", "[!^].tar",
    "**/*.tar", "**/a.tar", "sub/*", "sub/**/*.tar", "*/a.*", "[ab.tar", "*",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_matches_what_pythons_glob_matches(pattern: str, tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    if "[^" in pattern:  # a second way to negate, as in a shell
        wanted = glob.glob(pattern.replace("[^", "[!"), root_dir=tmp_path, recursive=True)
    else:
        wanted = glob.glob(pattern, root_dir=tmp_path, recursive=True)
    files = {name for name in wanted if (tmp_path / name).is_file()}
    assert {name for name in NAMES if re.fullmatch(glob_regex(pattern), name)} == files


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("gs://bucket/a/*.tar", ("gs://bucket/a", "*.tar")),
        ("gs://bucket/*/b/x.tar", ("gs://bucket", "*/b/x.tar")),
        ("/data/**/x.tar", ("/data", "**/x.tar")),
        ("/*.tar", ("/", "*.tar")),
        ("/data/x.tar", ("", "")),
    ],
)
def test_a_path_is_split_before_its_first_glob(pattern: str, parts: tuple[str, str]) -> None:
    assert split_at_glob(pattern) == parts


def test_a_local_name_that_is_there_is_no_glob(tmp_path: Path) -> None:
    (tmp_path / "[old]").mkdir()
    assert split_at_glob(f"{tmp_path}/[old]/*.tar") == (f"{tmp_path}/[old]", "*.tar")
    assert split_at_glob(f"{tmp_path}/[new]/*.tar") == (str(tmp_path), "[new]/*.tar")
