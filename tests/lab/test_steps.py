import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from processes import is_running
from waiting import wait_until

from lab.steps import LabError, Step, Steps


def python(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


def appends(file: Path, word: str) -> tuple[str, ...]:
    return python(f"open({str(file)!r}, 'a').write({word!r})")


def test_steps_run_after_those_they_need_and_once(tmp_path: Path) -> None:
    file = tmp_path / "order"
    steps = [
        Step("b", appends(file, "b"), after=("a",)),
        Step("a", appends(file, "a")),
        Step("c", appends(file, "c"), after=("a", "b")),
    ]
    runner = Steps(tmp_path, jobs=2, threads=1)
    runner.run(steps)
    runner.run(steps)
    assert file.read_text() == "abc"


def test_a_failed_step_is_named_with_its_last_line_and_its_log(tmp_path: Path) -> None:
    bad = Step("seed0/bad", python("print('first'); print('no such thing'); raise SystemExit(3)"))
    later = Step("later", appends(tmp_path / "never", "x"), after=("seed0/bad",))
    with pytest.raises(
        LabError, match=r"seed0/bad failed with exit code 3: no such thing; its log is .*seed0/bad\.log"
    ):
        Steps(tmp_path, jobs=2, threads=1).run([bad, later])
    assert not (tmp_path / "never").exists()


def test_a_step_that_failed_runs_again_and_finished_ones_do_not(tmp_path: Path) -> None:
    file, flag = tmp_path / "order", tmp_path / "flag"
    good = Step("good", appends(file, "g"))
    once = Step("once", python(f"import os; os.path.exists({str(flag)!r}) or exit(1)"), after=("good",))
    runner = Steps(tmp_path, jobs=1, threads=1)
    with pytest.raises(LabError):
        runner.run([good, once])
    flag.touch()
    runner.run([good, once])
    assert file.read_text() == "g"


def test_ctrl_c_ends_the_commands(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    sleeps = python(f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(60)")

    def interrupt() -> None:
        while not (pid.exists() and pid.read_text()):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        Steps(tmp_path, jobs=1, threads=1).run([Step("sleeps", sleeps)])
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_step_alone_shares_the_machine_with_no_other(tmp_path: Path) -> None:
    """Each writes when it begins and ends; the words of the one alone are next to each other."""
    file = tmp_path / "order"
    text = "import time\nfor word in {!r}:\n    open({!r}, 'a').write(word)\n    time.sleep(0.3)"
    steps = [
        Step("a", python(text.format("aA", str(file)))),
        Step("b", python(text.format("bB", str(file))), alone=True),
        Step("c", python(text.format("cC", str(file)))),
    ]
    Steps(tmp_path, jobs=3, threads=1).run(steps)
    assert "bB" in file.read_text()


LAB = """
import sys
from pathlib import Path
from lab.steps import Step, Steps
text = "import os, time; open('pid.partial', 'w').write(str(os.getpid())); os.rename('pid.partial', 'pid'); time.sleep(60)"
Steps(Path("lab"), jobs=1, threads=1).run([Step("sleep", (sys.executable, "-c", text))])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_killed_lab_leaves_no_command_behind(tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    lab = subprocess.Popen([sys.executable, "-c", LAB], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path})
    wait_until((tmp_path / "pid").exists)
    command = int((tmp_path / "pid").read_text())
    lab.kill()
    lab.wait()
    wait_until(lambda: not is_running(command))
