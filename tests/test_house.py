"""The structure of the code: no circles of imports, arrows point downwards, folders stay small, prose stays
plain.
"""

from __future__ import annotations

import ast
import re

import pytest

from benchmarks import house as measure
from benchmarks.house import MOST_FILES, House, Module


@pytest.fixture(scope="module")
def house() -> House:
    return House()


def test_no_modules_import_each_other_in_a_circle(house: House) -> None:
    assert house.circles == []


def test_arrows_point_downwards_also_inside_functions(house: House) -> None:
    assert house.upward == []


def test_no_folder_has_outgrown_its_room(house: House) -> None:
    full = {folder: count for folder, count in house.folders.items() if count > MOST_FILES}
    assert full == {}, "split the folder by subject"


def test_prose_stays_plain(house: House) -> None:
    assert house.old_voice() == [], "say it in plain technical English: python -m benchmarks.house --voice"


def test_lines_end_in_time(house: House) -> None:
    assert house.long_lines()[0] == 0


def made(**files: str) -> House:
    """A house of modules with these texts; ``a__b`` names the module ``a.b``."""
    house = House.__new__(House)
    house.root = measure.ROOT
    house.modules = {}
    for name, text in files.items():
        dotted = name.replace("__", ".")
        file = measure.ROOT / (dotted.replace(".", "/") + ".py")
        house.modules[dotted] = Module(dotted, file, text, ast.parse(text))
    return house


def test_a_lazy_import_upwards_is_seen() -> None:
    found = made(schemas__keys="def f():\n    from storage.read import open_uri", storage__read="")
    assert found.upward == [("schemas.keys", "storage.read")]


def test_trainer_and_pipelines_may_not_meet() -> None:
    found = made(trainer__a="import pipelines.b", pipelines__b="")
    assert found.upward == [("trainer.a", "pipelines.b")]


def test_a_circle_is_seen_and_an_import_for_types_alone_is_none() -> None:
    lazy = "def f():\n    import schemas.a"
    assert made(schemas__a="import schemas.b", schemas__b=lazy).circles == [["schemas.a", "schemas.b"]]
    typing_only = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import schemas.a"
    assert made(schemas__a="import schemas.b", schemas__b=typing_only).circles == []


def test_the_design_names_files_that_exist() -> None:
    page = (measure.ROOT / "docs" / "design.md").read_text()
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)`", page))
    assert len(named) > 40
    assert [name for name in sorted(named) if not (measure.ROOT / name).exists()] == []


def test_every_module_has_a_test_of_its_name_or_a_line_that_says_what_covers_it(house: House) -> None:
    assert house.untested() == []


def test_prose_names_modules_and_members_that_exist(house: House) -> None:
    """Of a name with dots in backquotes, such as `storage.read.kind`, every word is in the module's text."""
    packages = "|".join(measure.PACKAGES)
    dotted = re.compile(rf"`((?:{packages})(?:\.\w+)+)`")
    gone = [
        f"{file.relative_to(house.root)}:{line}: {name}"
        for file, line, text in house.prose()
        for name in dotted.findall(text)
        if not exists(house, name)
    ]
    assert gone == []


def exists(house: House, name: str) -> bool:
    module, members = name, []
    while module not in house.modules:
        module, dot, member = module.rpartition(".")
        if not dot:
            return False
        members.append(member)
    return all(re.search(rf"\b{member}\b", house.modules[module].text) for member in members)


def test_the_notes_of_the_tests_name_tests_that_exist() -> None:
    tests = measure.ROOT / "tests"
    names = {file.name for file in tests.rglob("test_*.py")}
    for notes in tests.rglob("README.md"):
        for path in re.findall(r"`([\w/]*test_\w+\.py)`", notes.read_text()):
            if path.startswith("tests/"):
                assert (measure.ROOT / path).exists(), f"{notes}: {path}"
            assert path.rpartition("/")[2] in names, f"{notes}: {path}"
