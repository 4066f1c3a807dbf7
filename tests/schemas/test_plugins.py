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


def test_a_config_error_is_one_printable_line() -> None:
    assert str(ConfigError("no file 'a\nb\x1b[31m\udcff'")) == "no file 'a b?[31m?'"
