import sys
from pathlib import Path

import pytest

from schemas.errors import ConfigError
from schemas.plugins import find_plugin, is_plugin


def test_a_colon_marks_an_import_path() -> None:
    assert is_plugin("package.module:Name")
    assert not is_plugin("folder")


def test_the_named_object_is_imported() -> None:
    assert find_plugin("schemas.config:ConfigError", "filters") is ConfigError


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_colon", "filters: 'no_colon' cannot be imported: write it as module:name"),
        (":name", "write it as module:name"),
        ("module:", "write it as module:name"),
        (
            "nowhere.at_all:f",
            "filters: nowhere.at_all:f cannot be imported: No module named 'nowhere'; install",
        ),
        (".relative:f", "cannot be imported"),
        ("schemas.config:ConfigEror", "schemas.config has no 'ConfigEror'; the nearest is ConfigError"),
    ],
)
def test_a_path_that_leads_nowhere_is_one_line(path: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_plugin(path, "filters")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "body", ["import sys; sys.exit(3)", "raise RuntimeError('two\\nlines')", "def broken(:\n"]
)
def test_a_module_that_fails_while_it_is_imported_is_one_line(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "failing_plugin.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ConfigError, match=r"filters: failing_plugin:f cannot be imported: .*PYTHONPATH"
    ) as caught:
        find_plugin("failing_plugin:f", "filters")
    assert "\n" not in str(caught.value)


def test_a_module_in_the_current_folder_is_found_after_those_that_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "next_to_the_job.py").write_text("def f(): return 7")
    (tmp_path / "json.py").write_text("raise RuntimeError")
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder])
    monkeypatch.chdir(tmp_path)
    assert find_plugin("next_to_the_job:f", "filters")() == 7
    assert sys.path[-1] == str(tmp_path)
    assert find_plugin("json:loads", "filters")("3") == 3


def test_a_module_that_lacks_a_package_of_its_own_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lacking_plugin.py").write_text("import no_such_package")
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="No module named 'no_such_package'"):
        find_plugin("lacking_plugin:f", "filters")


def test_a_config_error_is_one_printable_line() -> None:
    assert str(ConfigError("no file 'a\nb\x1b[31m\udcff'")) == "no file 'a b?[31m?'"
