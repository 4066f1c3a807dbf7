import csv
import hashlib
from pathlib import Path

import av

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
