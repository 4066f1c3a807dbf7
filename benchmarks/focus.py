"""How much of the subject do the views hold, without a focus and with motions.focus=subject?

    python -m benchmarks.focus [--clips 400]

Six photographs that scikit-image and scikit-learn carry, with a box around what a caption would name, drawn by
hand. Every arm draws clips of the default mix from the same seeds:

    any         views anywhere in the picture
    saliency    focus=subject, and the picture has no boxes
    boxes       focus=subject, and the picture has the box

All arms are measured by the boxes: the share of the box in a clip's poorest view, and in all its views. The
zoom and the distance that the view's middle travels show how much motion is left. Milliseconds of CPU show
what a draw and a whole clip of the job cost. Result: benchmarks/results/focus.json
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from functools import partial
from typing import Any

import numpy as np
from skimage import data
from sklearn.datasets import load_sample_images

from benchmarks.harness import write
from schemas.records import Reference
from transforms.clip import make_clip
from transforms.media.encode import encode_picture
from transforms.motions.mix import MotionMix, draw
from transforms.motions.trajectory import Trajectory, view_centres, zoom_of
from transforms.settings import ClipSettings
from transforms.subject.boxes import Box
from transforms.subject.subject import Subject, find_subject

FRAMES, SIZE, FPS = 12, (224, 224), 8.0
BOXES: dict[str, Box] = {  # x, y, width, height in pixels
    "astronaut": (20.0, 5.0, 330.0, 507.0),
    "coffee": (165.0, 20.0, 270.0, 250.0),
    "chelsea": (60.0, 0.0, 350.0, 300.0),
    "rocket": (298.0, 115.0, 42.0, 300.0),
    "china": (65.0, 28.0, 270.0, 340.0),
    "flower": (163.0, 83.0, 300.0, 270.0),
}
ARMS = ("any", "saliency", "boxes")


def photographs() -> dict[str, np.ndarray]:
    """The photographs by name, uint8 RGB [H,W,3]."""
    china, flower = load_sample_images().images
    ours = {name: getattr(data, name)() for name in ("astronaut", "coffee", "chelsea", "rocket")}
    return {**ours, "china": china, "flower": flower}


def mix_of(arm: str) -> MotionMix:
    """The default mix, with a focus in all arms but `any`."""
    if arm == "any":
        return MotionMix.default()
    return MotionMix.make({"focus": "subject"})


def subject_of(arm: str, name: str, image_HWC: np.ndarray) -> Subject | None:
    """What the arm knows of the subject."""
    boxes = {"any": None, "saliency": (), "boxes": (BOXES[name],)}[arm]
    if boxes is None:
        return None
    return find_subject(boxes, image_HWC.shape[:2], partial(np.asarray, image_HWC))


def paths(arm: str, name: str, image_HWC: np.ndarray, clips: int) -> list[Trajectory]:
    """Draw the clips of one photograph."""
    mix = mix_of(arm)
    subject = subject_of(arm, name, image_HWC)
    shape: dict[str, Any] = {"image_size": image_HWC.shape[:2], "frames": FRAMES, "size": SIZE, "fps": FPS}
    return [draw(mix, seed=seed, subject=subject, **shape) for seed in range(clips)]


def measure(arm: str, clips: int) -> dict[str, float]:
    """Shares of the boxes in the views of an arm's clips, and how much they move."""
    began = time.process_time()
    drawn = {name: paths(arm, name, image, clips) for name, image in photographs().items()}
    seconds = time.process_time() - began
    held, zooms, travels = [], [], []
    for name, trajectories in drawn.items():
        image_size = photographs()[name].shape[:2]
        box = find_subject((BOXES[name],), image_size, partial(np.empty, 0))
        assert box is not None
        for path in trajectories:
            held.append(box.held(path.quads_T42))
            zooms.append(zoom_of(path.quads_T42))
            centres_T2 = view_centres(path.quads_T42)
            travels.append(float(np.linalg.norm(np.diff(centres_T2, axis=0), axis=1).sum()))
    held_NT = np.stack(held)
    poorest_N = held_NT.min(1)
    return {
        "percent of the box in the poorest view": round(100 * float(poorest_N.mean()), 1),
        "percent of the box in all views": round(100 * float(held_NT.mean()), 1),
        "percent of clips with a view of under half the box": round(100 * float((poorest_N < 0.5).mean()), 1),
        "largest zoom, mean": round(float(np.mean(zooms)), 3),
        "travel of the middle, percent of the picture": round(100 * float(np.mean(travels)), 1),
        "the draw's CPU ms per clip": round(1e3 * seconds / len(held), 2),
    }


def job_milliseconds(rounds: int = 9) -> dict[str, float]:
    """CPU milliseconds per clip that the job makes, store=frames, by arm; the arms take turns."""
    pictures = {name: encode_picture(image, "jpg", 90) for name, image in photographs().items()}
    spent: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for turn in range(rounds):
        for arm in ARMS:
            settings = ClipSettings(motions=mix_of(arm))
            began = time.process_time()
            for name, picture in pictures.items():
                meta = {"boxes": [list(BOXES[name])]} if arm == "boxes" else {}
                for copy in range(4):
                    reference = Reference(f"{name}-{turn}-{copy}", ("a picture",), "made", meta=meta)
                    make_clip(picture, reference, settings)
            spent[arm].append(1e3 * (time.process_time() - began) / (4 * len(pictures)))
    return {arm: round(statistics.median(values), 2) for arm, values in spent.items()}


def main() -> int:
    """Measure every arm, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=400, help="of each photograph (default 400)")
    clips = parser.parse_args().clips
    found = {arm: measure(arm, clips) for arm in ARMS}
    for arm, milliseconds in job_milliseconds().items():
        found[arm]["the job's CPU ms per clip"] = milliseconds
    for name in found["any"]:
        print(f"{name:55s}", *(f"{arm} {values[name]:8}" for arm, values in found.items()))
    print(write("focus", {"clips of each photograph": clips, "arms": found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
