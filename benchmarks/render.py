"""Rendering on one thread: frames/s and PSNR of Zoetrope and its peers, for a zoom to 12 frames of 224x224.

    python -m benchmarks.render [--rounds 15]

Target: no slower than a plain cv2.warpAffine loop on a 512x384 picture, at 42 dB or more.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import av
import cv2
import numpy as np
import torch
from kornia.geometry.transform import remap
from PIL import Image

from benchmarks.harness import interleave, ratio, spread, write
from benchmarks.pictures import FRAMES, SIZE, photograph, psnr, supersampled, warp_matrices, zoom_in
from transforms.rendering.render import prepare_worker, render, render_batch

PICTURES = [("astronaut", 384, 512), ("coffee", 384, 512), ("coffee", 800, 1067), ("coffee", 1600, 2133)]
OURS, PLAIN = "zoetrope", "cv2.warpAffine loop"


def peers(image: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    """Functions that each return frames_THWC of the same zoom."""
    h, w = image.shape[:2]
    quads_T42, windows_T4 = zoom_in(h, w)
    matrices = warp_matrices(windows_T4)
    return {
        OURS: lambda: render(image, quads_T42, size=SIZE),
        PLAIN: lambda: np.stack([cv2.warpAffine(image, m, SIZE[::-1],
                                                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                                                borderMode=cv2.BORDER_REPLICATE) for m in matrices]),
        "zoetrope, kornia": lambda: render_batch([image], [quads_T42], size=SIZE, renderer="kornia")[0],
        "kornia, batched": lambda: kornia_remap(image, matrices),
        "kornia, a call a frame": lambda: np.concatenate([kornia_remap(image, m[None]) for m in matrices]),
        "PIL.resize(box)": lambda: pil_resize(image, windows_T4),
        "ffmpeg zoompan": lambda: zoompan(image, windows_T4),
    }  # fmt: skip


def kornia_remap(image: np.ndarray, matrices_T23: np.ndarray) -> np.ndarray:
    """Render all frames of a picture in one call."""
    matrices = torch.from_numpy(matrices_T23).float()[:, :, :, None, None]
    y, x = torch.arange(SIZE[0])[:, None], torch.arange(SIZE[1])
    map_x, map_y = (
        (matrices[:, i, 0] * x + matrices[:, i, 1] * y + matrices[:, i, 2]).flatten(0, 1)[None]
        for i in range(2)
    )
    picture = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    frames = remap(picture, map_x, map_y, mode="bilinear", padding_mode="border", align_corners=True)
    return (
        frames[0].round().to(torch.uint8).unflatten(1, (-1, SIZE[0])).permute(1, 2, 3, 0).contiguous().numpy()
    )


def pil_resize(image: np.ndarray, windows_T4: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(image)
    boxes = [tuple(float(v) for v in window) for window in windows_T4]
    return np.stack(
        [np.asarray(picture.resize(SIZE[::-1], Image.Resampling.BILINEAR, box=box)) for box in boxes]
    )


def zoompan(image: np.ndarray, windows_T4: np.ndarray) -> np.ndarray:
    """Run ffmpeg's filter through PyAV. Its window has the picture's aspect, so it gets the middle square."""
    h, w = image.shape[:2]
    side, last = min(h, w), FRAMES - 1
    graph = av.filter.Graph()
    source = graph.add_buffer(width=side, height=side, format="rgb24", time_base=Fraction(1, 25))
    zoom = f"1/(1-0.4*on/{last})"
    options = f"z='{zoom}':x='iw/2-iw/zoom/2':y='ih/2-ih/zoom/2':d={FRAMES}:s={SIZE[1]}x{SIZE[0]}"
    nodes = [
        source,
        graph.add("zoompan", options),
        graph.add("format", "pix_fmts=rgb24"),
        graph.add("buffersink"),
    ]
    for before, after in pairwise(nodes):
        before.link_to(after)
    graph.configure()
    top, left = (h - side) // 2, (w - side) // 2
    picture = av.VideoFrame.from_ndarray(
        np.ascontiguousarray(image[top : top + side, left : left + side]), format="rgb24"
    )
    picture.pts, picture.time_base = 0, Fraction(1, 25)
    graph.push(picture)
    return np.stack([graph.pull().to_ndarray(format="rgb24") for _ in range(FRAMES)])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    prepare_worker()
    torch.set_num_threads(1)
    results = []
    for name, height, width in PICTURES:
        image = photograph(name, height, width)
        reference = supersampled(image, zoom_in(height, width)[1])
        cases = peers(image)
        quality = {case: psnr(run(), reference) for case, run in cases.items()}
        seconds = interleave(cases, rounds=rounds)
        print(f"{name} {width}x{height}: frames/s, times as fast as the cv2 loop, PSNR (worst frame)")
        rows = {}
        for case in cases:
            rows[case] = {
                "frames_per_second": spread([FRAMES / s for s in seconds[case]], 0),
                "times_as_fast_as_plain_loop": ratio(seconds, case, PLAIN),
                "psnr_db": quality[case],
            }
            speed, times = (
                rows[case]["frames_per_second"]["median"],
                rows[case]["times_as_fast_as_plain_loop"]["median"],
            )
            print(
                f"  {case:24s} {speed:7.0f}  {times:5.2f}x  "
                f"{quality[case]['mean']:.1f} ({quality[case]['worst']:.1f}) dB"
            )
        results.append({"picture": name, "height": height, "width": width, "cases": rows})
    print(
        write("render", {"rounds": rounds, "threads": 1, "frames": FRAMES, "size": SIZE, "results": results})
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
