"""One clip end to end on one core, compared with decoding and encoding alone.

A 512x384 JPEG goes in, 12 JPEGs of 224x224 come out.

    python -m benchmarks.clip [--rounds 40]

Times are CPU seconds of one thread. The goal is half the clips/s of decoding and encoding alone. A plain cv2
loop reaches 0.5 without the checks, the draw and KEY.json. The last case is the work of a worker process. It
adds the sample's row and its frame in the tar, for a handful of samples that go through each stage together.

One case renders the planes of a JPEG (Y, and Cb and Cr at half the size) and encodes them as they are. It
saves the encoder's colour conversion, and takes longer: OpenCV warps one channel in 0.064 ms and four in
0.078 ms (224x224), so three planes cost more than one RGBX frame. simplejpeg decodes to RGB alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import count

import cv2
import numpy as np
import simplejpeg

from benchmarks.harness import interleave, ratio, spread, write
from benchmarks.pictures import FRAMES, SIZE, photograph, warp_matrices, zoom_in
from pipelines.making.clip_worker import ClipMaker
from pipelines.making.handfuls import MOST
from pipelines.making.messages import Given
from pipelines.workers.config import SampleLimits
from pipelines.workers.region import Block, Region, new_region
from pipelines.workers.worker import Handful, Start
from schemas.records import Reference
from transforms.clip import make_clip
from transforms.rendering.homography import homographies
from transforms.rendering.layers import plan_layers
from transforms.rendering.opencv import FLAGS, halve, make_layer
from transforms.rendering.render import prepare_worker, render, render_batch
from transforms.settings import ClipSettings

HEIGHT, WIDTH, QUALITY = 384, 512, 90
CAPTION = "a cup of coffee on a saucer"
FLOOR, IN_HANDFULS = "decode + encode alone", "zoetrope, default mix, in a worker"


def cases(data: bytes) -> dict[str, Callable[[], list[bytes]]]:
    """Functions that each make the JPEGs of one clip."""
    zoom_T42, windows_T4 = zoom_in(HEIGHT, WIDTH)
    shifts = np.linspace(-0.08, 0.08, FRAMES, dtype=np.float32)[:, None, None] * np.array([1, 0], np.float32)
    pan_T42 = zoom_T42[-1:] + shifts
    matrices = warp_matrices(windows_T4)
    zoom, mix = ClipSettings.make({"motions": [{"name": "zoom_in", "zoom": 1 / 0.6}]}), ClipSettings()
    made = render(decode(data), zoom_T42, size=SIZE)

    def alone() -> list[bytes]:
        decode(data)
        return encode(made)

    def plain() -> list[bytes]:
        image, flags = decode(data), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return encode(
            [
                cv2.warpAffine(image, m, SIZE[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
                for m in matrices
            ]
        )

    return {
        FLOOR: alone,
        "plain cv2.warpAffine loop, zoom": plain,
        "zoetrope, zoom": lambda: encode(render_batch([decode(data)], [zoom_T42], size=SIZE, rgbx=True)[0]),
        "the planes of YCbCr, zoom": lambda: planes(data, zoom_T42),
        "zoetrope, pan": lambda: encode(render_batch([decode(data)], [pan_T42], size=SIZE, rgbx=True)[0]),
        "zoetrope, zoom, the whole sample": lambda: sample(data, zoom),
        "zoetrope, default mix, the whole sample": lambda: sample(data, mix),
        IN_HANDFULS: handfuls(data, mix),
    }


def sample(data: bytes, settings: ClipSettings, keys: Iterator[int] = count()) -> list[bytes]:  # noqa: B008 (shared on purpose)
    """Do the job's work for one sample, from header checks and checksum to KEY.json."""
    reference = Reference(f"{next(keys):09d}", (CAPTION,), "folder", image=data)
    return list(make_clip(data, reference, settings).members.values())


def handfuls(data: bytes, settings: ClipSettings) -> Callable[[], list[bytes]]:
    """A function that makes a handful of samples as a worker process does."""
    maker, keys = ClipMaker(settings), count()
    maker.setup()
    start = Start(maker, SampleLimits().memory_mb)
    descriptor, job = new_region()
    region = Region(descriptor)

    def make() -> list[bytes]:
        references = [Reference(f"{next(keys):09d}", (CAPTION,), "folder") for _ in range(MOST)]
        handful = Handful("make", [Given(reference, data) for reference in references])
        answers = list(start.answers(handful, region))
        for block in (buffer for answer in answers for buffer in answer.buffers):
            assert isinstance(block, Block)
            job.get(block)  # and give it back
        return [answer.body for answer in answers]

    return make


def planes(data: bytes, quads_T42: np.ndarray) -> list[bytes]:
    """Render Y at full size and Cb and Cr at half, and encode these planes without RGB in between."""
    y, cr, cb = cv2.split(cv2.cvtColor(decode(data), cv2.COLOR_RGB2YCrCb))
    full, half = quads_T42.astype(np.float64), (SIZE[0] // 2, SIZE[1] // 2)
    rendered = [warped(y, full, SIZE), *(warped(halve(plane), full, half) for plane in (cb, cr))]
    return [simplejpeg.encode_jpeg_yuv_planes(*frame, QUALITY) for frame in zip(*rendered, strict=True)]


def warped(plane_HW: np.ndarray, quads_T42: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Render one plane as `transforms.rendering.opencv` renders RGBX: [T,h,w] uint8."""
    picture = (plane_HW.shape[0], plane_HW.shape[1])
    frames_THW = np.empty((len(quads_T42), *size), np.uint8)
    matrices_T33 = homographies(quads_T42, picture, size)
    for layer in plan_layers(quads_T42, picture, size):
        filtered_HW = np.ascontiguousarray(make_layer(plane_HW, layer))
        for t, matrix_33 in zip(layer.frames, layer.index_matrices(matrices_T33), strict=True):
            cv2.warpAffine(
                filtered_HW,
                matrix_33[:2],
                size[::-1],
                dst=frames_THW[t],
                flags=FLAGS,
                borderMode=cv2.BORDER_REPLICATE,
                hint=cv2.ALGO_HINT_ACCURATE,
            )
    return frames_THW


def decode(data: bytes) -> np.ndarray:
    return simplejpeg.decode_jpeg(data)


def encode(frames_THWC: np.ndarray | list[np.ndarray]) -> list[bytes]:
    order = "RGB" if frames_THWC[0].shape[2] == 3 else "RGBX"
    return [simplejpeg.encode_jpeg(frame_HWC, QUALITY, order, "420") for frame_HWC in frames_THWC]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    prepare_worker()
    data = simplejpeg.encode_jpeg(photograph("coffee", HEIGHT, WIDTH), QUALITY, "RGB", "420")
    ways = cases(data)
    seconds = interleave(ways, rounds=rounds, clock=time.process_time)
    seconds[IN_HANDFULS] = [total / MOST for total in seconds[IN_HANDFULS]]
    print(f"a JPEG of {len(data)} bytes, {WIDTH}x{HEIGHT}: clips per CPU second, share of {FLOOR}")
    rows = {}
    for name in ways:
        rows[name] = {
            "clips_per_cpu_second": spread([1 / s for s in seconds[name]], 1),
            "share": ratio(seconds, name, FLOOR),
        }
        print(
            f"  {name:40s} {rows[name]['clips_per_cpu_second']['median']:6.1f}  "
            f"{rows[name]['share']['median']:.3f}"
        )
    print(write("clip", {"rounds": rounds, "threads": 1, "jpeg_bytes": len(data), "results": rows}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
