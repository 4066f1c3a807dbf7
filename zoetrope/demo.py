"""`make demo`: sample photographs, a COCO-style set of them, its clips, and where to look."""

from __future__ import annotations

import sys
from pathlib import Path

from zoetrope import cli

CONFIG = Path(__file__).parents[1] / "configs" / "animate" / "coco.yaml"
PICTURES = 24


def main(folder: str = "demo") -> int:
    """Make ``demo/coco`` (pictures and captions) and ``demo/clips`` (shards); returns the job's exit code."""
    from zoetrope.samples import write_coco

    base = Path(folder)
    annotations, images = write_coco(base / "coco", PICTURES)
    print(f"{PICTURES} sample photographs with captions: {annotations}")
    clips = base / "clips"
    arguments = [
        "animate", "--config", str(CONFIG), f"source.annotations={annotations}", f"source.images={images}",
        f"output={clips}",
        "shard.max_samples=8",
    ]  # fmt: skip
    print(f"$ zoetrope {' '.join(arguments)}")
    code = cli.main(arguments)
    if code == 0:
        code = cli.main(["validate", str(clips)])
    if code == 0:
        print(
            f"\nLook at:\n"
            f"  {clips}/report.html      the run's numbers and moving clips (open it in a browser)\n"
            f"  {clips}/README.md        the files of the folder and how to read them\n"
            f"  {clips}/00000.tar        a WebDataset shard: tar tf {clips}/00000.tar\n"
            f"Next, your own pictures:  zoetrope animate --help"
        )
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
