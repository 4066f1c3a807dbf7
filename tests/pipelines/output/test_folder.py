import pytest

from pipelines.output.folder import Output, Plan, shard_name, task_of
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


@pytest.mark.parametrize("tasks", ['"4"', "-1", "null", "4.5", "true", "1e400"])
def test_a_plan_with_another_number_of_tasks_says_that_it_is_made_again(tmp_path, tasks):
    output = Output(str(tmp_path))
    output.write_state("plan.json", {})
    (tmp_path / "_zoetrope" / "plan.json").write_text(f'{{"tasks": {tasks}}}')
    with pytest.raises(ConfigError, match=r"plan\.json: damaged \(tasks: .*remove it, and run the command"):
        output.read_plan()


def test_missing_tasks_are_counted_without_a_list_of_them(tmp_path):
    output = Output(str(tmp_path))
    output.write_state("plan.json", {"tasks": 10**15, "segments": [[0, 3], [5, 10**15]]})
    plan = output.read_plan()
    assert plan.numbers() == ((0, 3), (5, 10**15))
    assert plan.missing({0, 1, 3, 6}) == 10**15


def test_a_damaged_id_of_a_job_on_a_runner_is_not_overwritten(tmp_path):
    output = Output(str(tmp_path))
    output.write_state("running.json", {"id": 1})
    with pytest.raises(ConfigError, match=r"running\.json: damaged .*remove it once no such job writes"):
        output.read_state_as("running.json", Plan)


def test_a_config_may_name_files_that_are_not_utf8(tmp_path):
    output = Output(str(tmp_path))
    job = {"kind": "animate", "config": {"source": {"uri": "caf\udce9/*.parquet"}}}
    output.write_job(job)
    assert output.read_job() == job


@pytest.mark.parametrize("name", ["config", "identity"])
def test_a_job_whose_parts_are_no_mappings_is_damaged(tmp_path, name):
    output = Output(str(tmp_path))
    output.write_job({"kind": "animate", "config": {}, "identity": {}, name: [1]})
    with pytest.raises(ConfigError, match=rf"config\.json: damaged \({name} is no mapping\); restore it"):
        output.read_job()
