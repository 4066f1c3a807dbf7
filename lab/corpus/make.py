"""Make the corpus: tars of pictures with captions, and folders of videos with a table of captions.

`zoetrope animate` and `zoetrope import-videos` read them. Every set is made whole or not at all.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from lab.config import CorpusConfig
from lab.corpus.backgrounds import Background, Painter, backgrounds
from lab.corpus.objects import Sprite, drawn, emoji
from lab.corpus.scenes import (
    FARTHEST,
    Scene,
    Split,
    blend,
    caption,
    framed,
    one_object,
    split_pairs,
    training_scene,
)
from lab.corpus.world import FPS, MOTIONS, render
from schemas.keys import derive_seed
from storage.shards.write import ShardWriter
from transforms.motions.phrases import motion_phrase

LOG = logging.getLogger(__name__)
A_TAR = 1000  # pictures
JPEG_QUALITY = 92
H264 = {"preset": "veryfast", "crf": "23", "x264-params": "cpu-independent=1:threads=1:mbtree=0"}
# Motions of different kinds follow each other, so that none undoes the other.
SEQUENCES = (
    ("zoom_in", "pan_left"),
    ("zoom_in", "pan_right"),
    ("zoom_out", "pan_left"),
    ("zoom_out", "pan_right"),
)


@dataclass(frozen=True)
class Video:
    """One video to make."""

    name: str  # of the file, without its ending
    scene: Scene
    motions: tuple[str, ...]  # of the camera, one after the other
    phrases: bool  # whether a caption says the motion
    plain: bool  # whether a caption leaves the motion out
    seed: int


class Corpus:
    """The corpus of a config, in a folder."""

    def __init__(self, config: CorpusConfig, folder: Path, cache: Path) -> None:
        """`cache` keeps the package of the objects."""
        self.config, self.folder, self.cache = config, folder, cache

    @cached_property
    def sprites(self) -> list[Sprite]:
        """The objects."""
        if self.config.kind == "emoji":
            return emoji(self.cache, self.config.objects, self.config.seed)
        return drawn(self.config.objects, self.config.seed)

    @cached_property
    def grounds(self) -> list[Background]:
        """The backgrounds."""
        return backgrounds()

    @cached_property
    def split(self) -> Split:
        """The pairs of each set."""
        tests = self.config.tests
        return split_pairs(
            len(self.sprites),
            len(self.grounds),
            content=tests.content,
            motion=tests.motion,
            order=tests.order,
            seed=self.config.seed,
        )

    def make(self, processes: int) -> None:
        """Make what is missing. Logs a line per set."""
        work: list[tuple[str, Callable[[Path, ProcessPoolExecutor], None]]] = [
            ("stills", partial(self._stills, scenes=self.training_scenes())),
            ("still", partial(self._stills, scenes=self.test_scenes())),
            *((name, partial(self._videos, videos=videos)) for name, videos in self.video_sets().items()),
        ]
        missing = [(name, make) for name, make in work if not (self.folder / name).exists()]
        if not missing:
            return
        painting = (self.sprites, self.grounds)
        with ProcessPoolExecutor(processes, get_context("spawn"), _start, painting) as pool:
            for name, make in missing:
                partial_folder = self.folder / f".{name}.partial"
                shutil.rmtree(partial_folder, ignore_errors=True)
                partial_folder.mkdir(parents=True)
                make(partial_folder, pool)
                partial_folder.rename(self.folder / name)
                LOG.info(f"corpus: {name} made")

    def training_scenes(self) -> list[Scene]:
        """The scenes of the stills."""
        seeds = (derive_seed(self.config.seed, "stills", str(i)) for i in range(self.config.stills))
        return [framed(training_scene(self.split.train, seed), FARTHEST) for seed in seeds]

    def test_scenes(self) -> list[Scene]:
        """The scenes of the test `content`, one per pair."""
        return [one_object(pair, self._seed("content", i)) for i, pair in enumerate(self.split.content)]

    def video_sets(self) -> dict[str, list[Video]]:
        """The sets of videos by name."""
        counts = {f"tune{count}": count for count in self.config.tuning}
        real = self.config.real_videos
        return {
            "content": [
                self._video(f"content{i:06d}", scene, _any_motion(scene.seed), phrases=False)
                for i, scene in enumerate(self.test_scenes())
            ],
            "motion": list(self._every_motion()),
            "order": list(self._every_order()),
            **{name: list(self._training_videos(name, count)) for name, count in counts.items()},
            **({"real": list(self._takes(real))} if real else {}),
        }

    def _every_motion(self) -> Iterator[Video]:
        for i, pair in enumerate(self.split.motion):
            scene = one_object(pair, self._seed("motion", i))
            for motion in MOTIONS:
                yield self._video(f"motion{i:06d}_{motion}", scene, (motion,), plain=False)

    def _every_order(self) -> Iterator[Video]:
        for i, pair in enumerate(self.split.order):
            scene = one_object(pair, self._seed("order", i))
            for first, second in SEQUENCES:
                group = f"order{i:06d}{first}{second}".replace("_", "")
                yield self._video(f"{group}_forth", scene, (first, second), plain=False)
                yield self._video(f"{group}_back", scene, (second, first), plain=False)

    def _training_videos(self, name: str, count: int) -> Iterator[Video]:
        for i in range(count):
            scene = training_scene(self.split.train, self._seed(name, i))
            yield self._video(f"{name}{i:06d}", scene, _any_motion(scene.seed))

    def _takes(self, count: int) -> Iterator[Video]:
        """Several takes of each scene, one after the other: what differs between them is the motion."""
        for i in range(count):
            number, take = divmod(i, self.config.takes)
            scene = training_scene(self.split.train, self._seed("real", number))
            yield self._video(f"real{i:06d}", scene, _different_motions(scene.seed)[take], plain=False)

    def _video(
        self, name: str, scene: Scene, motions: tuple[str, ...], *, phrases: bool = True, plain: bool = True
    ) -> Video:
        return Video(
            name=name,
            scene=scene,
            motions=motions,
            phrases=phrases,
            plain=plain,
            seed=derive_seed(self.config.seed, "video", name),
        )

    def _seed(self, name: str, number: int) -> int:
        return derive_seed(self.config.seed, name, str(number))

    def _stills(self, folder: Path, pool: ProcessPoolExecutor, *, scenes: Sequence[Scene]) -> None:
        pictures = pool.map(partial(_picture, side=self.config.picture_side), scenes, chunksize=64)
        for start in range(0, len(scenes), A_TAR):
            with (folder / f"{start // A_TAR:05d}.tar").open("wb") as stream:
                writer = ShardWriter(stream)
                for number, scene in enumerate(scenes[start : start + A_TAR], start):
                    text = caption(scene, self.sprites, self.grounds)
                    writer.write(f"{number:08d}", {"jpg": next(pictures), "txt": text.encode()})
                writer.close()

    def _videos(self, folder: Path, pool: ProcessPoolExecutor, *, videos: Sequence[Video]) -> None:
        (folder / "videos").mkdir()
        files = pool.map(partial(_encoded, side=self.config.video_side), videos, chunksize=16)
        with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream)
            table.writerow(["video", "caption"])
            for video, data in zip(videos, files, strict=True):
                (folder / "videos" / f"{video.name}.mp4").write_bytes(data)
                table.writerows((f"{video.name}.mp4", text) for text in self._captions(video))

    def _captions(self, video: Video) -> list[str]:
        text = caption(video.scene, self.sprites, self.grounds)
        phrase = motion_phrase(">".join(video.motions), {}, video.seed)
        texts = []
        if video.plain:
            texts.append(text)
        if video.phrases:
            texts.append(f"{text}, {phrase}")
        return texts

    def describe(self) -> str:
        """Return the config as JSON: a folder holds one corpus."""
        return json.dumps(self.config.to_dict(), indent=2, sort_keys=True) + "\n"


def _any_motion(seed: int) -> tuple[str, ...]:
    """Draw one motion, or in a third of the cases two in a row."""
    rng = np.random.default_rng(derive_seed(seed, "motions"))
    if rng.random() < 1 / 3:
        pair = SEQUENCES[int(rng.integers(len(SEQUENCES)))]
        if rng.random() < 0.5:
            return pair
        return pair[::-1]
    return (MOTIONS[int(rng.integers(len(MOTIONS)))],)


def _different_motions(seed: int) -> list[tuple[str, ...]]:
    """Return all single motions and orders in a drawn order. One in three of the first ones is an order."""
    rng = np.random.default_rng(derive_seed(seed, "takes"))
    ways = [(motion,) for motion in MOTIONS] + [way for pair in SEQUENCES for way in (pair, pair[::-1])]
    weights = np.array([2.0 / len(way) for way in ways])
    return [ways[i] for i in rng.choice(len(ways), len(ways), replace=False, p=weights / weights.sum())]


_PAINTING: dict[str, Any] = {}  # of a process of the pool


def _start(sprites: list[Sprite], grounds: list[Background]) -> None:
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    _PAINTING.update(sprites=sprites, grounds=grounds, painter=Painter())


def _leave_with_parent() -> None:
    """End this process when its parent has died, as an idle worker of a pool would wait for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _picture(scene: Scene, side: int) -> bytes:
    """Return a scene as JPEG."""
    ground = _PAINTING["grounds"][scene.background]
    image = _PAINTING["painter"].paint(ground, side, scene.seed, scene.views)
    for placed in scene.things:
        sprite = _PAINTING["sprites"][placed.thing].image_HW4
        blend(image, sprite, placed.x * side, placed.y * side, round(placed.size * side))
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return bytes(cv2.imencode(".jpg", image[..., ::-1], options)[1])


def _encoded(video: Video, side: int) -> bytes:
    """Return a video as MP4 (H.264)."""
    frames = render(video.scene, video.motions, side=side, seed=video.seed, **_PAINTING)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS), options=H264)
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()
