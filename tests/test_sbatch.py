"""The SLURM script of docs/training.md starts a rank per GPU and queues an interrupted run again.

`srun`, `scontrol` and `zoetrope` are stand-ins on the PATH: they record how they are called.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from zoetrope.commands.model.train import _parser, read_train_config

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "training.md").read_text()
(SCRIPT,) = (block for block in re.findall(r"^```bash\n(.*?)^```$", PAGE, re.S | re.M) if "#SBATCH" in block)
SRUN = """#!/bin/bash
shift  # --kill-on-bad-exit=1
for rank in 0 1 2 3; do
    SLURM_PROCID=$rank SLURM_LOCALID=$((rank % 2)) SLURM_NTASKS=4 "$@" || code=$?
done
exit ${code:-0}
"""
ZOETROPE = """#!/bin/bash
echo "$RANK $LOCAL_RANK $WORLD_SIZE $MASTER_ADDR $MASTER_PORT $*" >> calls
exit $EXIT_CODE
"""
SCONTROL = """#!/bin/bash
if [ "$1" = show ]; then printf 'node7\\nnode8\\n'; else echo "$*" >> requeued; fi
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL), ("zoetrope", ZOETROPE)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "job.sbatch").write_text(SCRIPT)
    return tmp_path


def run(place: Path, exit_code: int) -> int:
    slurm = {"SLURM_JOB_ID": "123456", "SLURM_JOB_NODELIST": "node[7-8]", "EXIT_CODE": str(exit_code)}
    env = {**os.environ, **slurm, "PATH": f"{place}:{os.environ['PATH']}"}
    return subprocess.run(["bash", "job.sbatch"], cwd=place, env=env, check=False).returncode


def test_bash_accepts_the_script(place: Path) -> None:
    subprocess.run(["bash", "-n", "job.sbatch"], cwd=place, check=True)


def test_there_is_a_task_per_gpu_with_cores_for_its_loader() -> None:
    options = dict(re.findall(r"^#SBATCH --([\w-]+)=(\S+)$", SCRIPT, re.M))
    assert options["ntasks-per-node"] == options["gpus-per-node"]
    assert int(options["cpus-per-task"]) == 1 + int(re.findall(r"data\.workers=(\d+)", SCRIPT)[0])
    assert options["signal"].startswith("TERM@")


def test_every_task_is_a_rank_with_a_command_that_resumes(place: Path, monkeypatch) -> None:
    assert run(place, 0) == 0
    calls = [line.split(" ", 5) for line in (place / "calls").read_text().splitlines()]
    assert [call[:5] for call in calls] == [
        [str(rank), str(rank % 2), "4", "node7", str(20000 + 123456 % 20000)] for rank in range(4)
    ]
    arguments = shlex.split(calls[0][5])
    assert arguments[0] == "train"
    monkeypatch.chdir(ROOT)
    assert read_train_config(_parser().read(arguments[1:])).resume
    assert not (place / "requeued").exists()


@pytest.mark.parametrize(("code", "queued"), [(143, True), (1, False), (2, False)])
def test_only_a_run_that_was_told_to_stop_is_queued_again(place: Path, code: int, queued: bool) -> None:
    assert run(place, code) == code
    assert (place / "requeued").exists() is queued
