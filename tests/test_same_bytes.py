"""Shards keep their bytes from one version of the code to the next: sha256 against those on record.

`tests/data/shard_sha256.json` was made before the packages were rearranged. Another version of a codec or
another kind of processor may round a pixel differently, so the record names both, and elsewhere the test is
skipped.

    python tests/test_same_bytes.py     make the record again, after a change of bytes that is meant
"""

from __future__ import annotations

import hashlib
import json
from importlib import metadata
from pathlib import Path

import pytest

RECORD = Path(__file__).parent / "data" / "shard_sha256.json"
MADE = [
    *(("coco", store) for store in ("frames", "mp4", "still")),
    ("folder", "frames"),
    ("tars", "mp4"),
    ("parquet", "still"),
]
LIBRARIES = ("av", "numpy", "opencv-python-headless", "pillow", "scikit-image", "scikit-learn", "simplejpeg")


def circumstances() -> dict[str, str]:
    """Everything outside this repository that may change a byte."""
    import cv2

    versions = {name: metadata.version(name) for name in LIBRARIES}
    return {**versions, "processor": cv2.getCPUFeaturesLine()}


def digests(output: Path) -> dict[str, str]:
    """Map the name of each shard in an output folder to its sha256."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(output.glob("*.tar"))}


@pytest.mark.parametrize(("kind", "store"), MADE)
def test_shards_have_the_bytes_on_record(animated, kind: str, store: str) -> None:
    record = json.loads(RECORD.read_text())
    if (now := circumstances()) != record["circumstances"]:
        differing = {name for name in now if now[name] != record["circumstances"].get(name)}
        pytest.skip(f"recorded with another {', '.join(sorted(differing))}")
    assert digests(animated(kind, store)) == record["shards"][f"{kind}-{store}"]


def main() -> None:
    """Make the record with the code that is here."""
    import subprocess
    import sys
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", f"--basetemp={folder}/made", __file__]
        RECORD.write_text(
            json.dumps({"circumstances": circumstances(), "shards": {name: {} for name in names()}})
        )
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
        made = {path.name: digests(path) for path in Path(folder).glob("made/animated*/*-*") if path.is_dir()}
    RECORD.write_text(
        json.dumps({"circumstances": circumstances(), "shards": made}, indent=1, sort_keys=True) + "\n"
    )
    print(f"{RECORD}: {sum(map(len, made.values()))} shards of {len(made)} outputs")


def names() -> list[str]:
    """The outputs on record."""
    return [f"{kind}-{store}" for kind, store in MADE]


if __name__ == "__main__":
    main()
