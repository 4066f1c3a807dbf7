"""Do fresh paths over stored stills magnify them? encode.still_for=path against encode.still_for=mix.

    python -m benchmarks.stills [--clips 300]

Photographs of scikit-image and scikit-learn, at a shorter side of 480 (COCO), 800 and 1600 pixels, become
stills by the code of `zoetrope animate`. Over each still fresh paths of the default mix are drawn as in
training. A clip magnifies if some view has fewer picture pixels than output pixels although the source
picture has enough. Target: no clip with still_for=mix. Result: benchmarks/results/stills.json
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import cv2
import numpy as np

from benchmarks.focus import photographs
from benchmarks.harness import write
from schemas.records import Reference
from transforms.clip import make_clip
from transforms.media.encode import encode_picture
from transforms.media.stored import stored_size
from transforms.motions.mix import MotionMix, draw
from transforms.rendering.homography import checked_quads
from transforms.rendering.layers import footprints
from transforms.settings import ClipSettings

SIZE, FRAMES, FPS = (224, 224), 12, 8.0
SHORT_SIDES = (480, 800, 1600)
CHOICES = ("path", "mix")


def sources(short: int) -> dict[str, bytes]:
    """JPEGs of this shorter side, by name. Larger ones are enlarged: only their sizes matter here."""
    found = {}
    for name, image_HWC in photographs().items():
        scale = short / min(image_HWC.shape[:2])
        resized = cv2.resize(image_HWC, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        found[name] = encode_picture(resized, "jpg", 90)
    return found


def measure(short: int, choice: str, clips: int) -> dict[str, Any]:
    """Magnification over fresh paths, and the bytes of a still."""
    settings = ClipSettings.make({"store": "still", "encode": {"still_for": choice}})
    mix = MotionMix.default()
    stored, worst = [], []
    for number, (name, data) in enumerate(sources(short).items()):
        for copy in range(clips // 6):
            reference = Reference(f"{name}-{copy}", ("a picture",), "made")
            still = make_clip(data, reference, settings).members["jpg"]
            stored.append(len(still))
            sizes = np.array([stored_size(still), stored_size(data)], float)
            seed = number * clips + copy
            path = draw(mix, seed=seed, image_size=stored_size(still), frames=FRAMES, size=SIZE, fps=FPS)
            quads = checked_quads(path.quads_T42)
            of_still, of_source = (float(footprints(quads, size, SIZE).min()) for size in sizes)
            worst.append(min(of_source, 1.0) / of_still)
    magnified = np.array(worst) > 1.001
    return {
        "percent of clips that magnify": round(100 * float(magnified.mean()), 1),
        "largest magnification": round(max(1.0, *worst), 2),
        "kB per still, mean": round(float(np.mean(stored)) / 1e3, 1),
    }


def main() -> int:
    """Measure both choices at every size, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=300, help="stills of each size (default 300)")
    clips = parser.parse_args().clips
    found = {
        f"shorter side {short}": {f"still_for={choice}": measure(short, choice, clips) for choice in CHOICES}
        for short in SHORT_SIDES
    }
    for side, rows in found.items():
        for choice, values in rows.items():
            print(side, choice, values)
    print(write("stills", {"stills of each size": clips, "results": found}))
    worst = [rows["still_for=mix"]["percent of clips that magnify"] for rows in found.values()]
    return int(max(worst) > 0)


if __name__ == "__main__":
    sys.exit(main())
