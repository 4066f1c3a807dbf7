import pytest

from pipelines.output.folder import Output, shard_name, task_of
from schemas.errors import ConfigError


def test_shard_names_and_tasks():
    assert [shard_name(12), shard_name(12, 3), shard_name(123_456)] == [
        "00012.tar",
        "00012-003.tar",
        "123456.tar",
    ]
    assert [task_of(n) for n in ("00012.tar", "00012-003.tar", "123456.tar")] == [12, 12, 123_456]
    others = ("12.tar", "00012.txt", "00012-x.tar", "a0012.tar", "00012", "00012-01.tar")
    assert {task_of(n) for n in others} == {None}


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00" * 10, "[" * 60_000, "9" * 5000])
def test_damaged_bookkeeping_is_one_line_that_names_the_file(tmp_path, content):
    output = Output(str(tmp_path))
    output.write_state("finished.json", {"tasks": 1})
    (tmp_path / "_zoetrope" / "finished.json").write_text(content)
    with pytest.raises(ConfigError, match=r"finished\.json: damaged") as error:
        output.read_state("finished.json")
    assert "\n" not in str(error.value)
    assert output.read_state("plan.json") is None
