import contextlib
import csv
import hashlib
import subprocess
import sys
import time
from pathlib import Path

import av
from processes import is_running
from waiting import wait_until

from lab.config import CorpusConfig
from lab.corpus.make import Corpus
from storage.shards.read import iter_shard

SMALL = {
    "kind": "drawn",
    "objects": 6,
    "stills": 8,
    "real_videos": 0,
    "tuning": [3],
    "tests": {"content": 3, "motion": 1, "order": 1},
    "picture_side": 48,
    "video_side": 48,
    "frame_side": 32,
}


MAKE = """
from pathlib import Path
from lab.config import CorpusConfig
from lab.corpus.make import Corpus
if __name__ == "__main__":
    values = {values!r}
    Corpus(CorpusConfig.make(values), Path({folder!r}), Path({folder!r})).make(2)
"""


def test_no_process_is_left_when_the_lab_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "make.py"
    script.write_text(MAKE.format(values={**SMALL, "stills": 20_000}, folder=str(tmp_path)))
    process = subprocess.Popen([sys.executable, str(script)], cwd=Path(__file__).parents[3])
    wait_until(lambda: len(workers_of(process.pid)) == 2, 120)
    children = workers_of(process.pid)
    time.sleep(2.0)  # let them get to work
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(is_running, children)), 60)


def workers_of(pid: int) -> list[int]:
    """Processes of the pool: children that run Python's spawn."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == pid and b"spawn_main" in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
    return found


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_a_corpus_is_the_same_bytes_whatever_the_number_of_processes(tmp_path: Path) -> None:
    for processes in (1, 2):
        Corpus(CorpusConfig.make(SMALL), tmp_path / str(processes), tmp_path).make(processes)
    one = tmp_path / "1"
    assert digests(one) == digests(tmp_path / "2")
    (tar,) = (one / "stills").iterdir()
    samples = list(iter_shard(str(tar)))
    assert [set(sample.members) for sample in samples] == [{"jpg", "txt"}] * 8
    with (one / "order" / "captions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 8
    assert all(", then " in row["caption"] for row in rows)
    with (one / "tune3" / "captions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 6  # each video with its plain caption, and with the motion
    with av.open(str(one / "tune3" / "videos" / rows[0]["video"])) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.average_rate, stream.width) == ("h264", 8, 48)
        assert len(list(container.decode(stream))) == 24


def test_takes_show_one_scene_with_different_motions_that_their_captions_say(tmp_path: Path) -> None:
    corpus = Corpus(CorpusConfig.make({**SMALL, "real_videos": 24}), tmp_path, tmp_path)
    videos = corpus.video_sets()["real"]
    assert [video.name for video in videos] == [f"real{i:06d}" for i in range(24)]
    for first in (0, 8, 16):
        takes = videos[first : first + 8]
        assert len({take.scene for take in takes}) == 1
        assert len({take.motions for take in takes}) == 8
        assert all(take.phrases and not take.plain for take in takes)
    assert len({video.scene for video in videos}) == 3
