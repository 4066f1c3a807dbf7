"""Fresh camera paths over the still pictures of a training run."""

from __future__ import annotations

from functools import partial

from schemas.clip import ClipMeta
from schemas.keys import derive_seed
from trainer.data.config import DataConfig
from transforms.media.stored import decode_stored_small, stored_size
from transforms.motions.mix import MotionMix, draw
from transforms.motions.phrases import motion_meaning
from transforms.motions.trajectory import Trajectory
from transforms.subject.boxes import boxes_in
from transforms.subject.saliency import SALIENCY_NEEDS
from transforms.subject.subject import Subject, find_subject

TRIES = 8  # draws of a path before a motion may repeat


class PicturePaths:
    """Draws the paths over stored pictures: by the sample's key, the run's seed and the epoch."""

    def __init__(self, config: DataConfig, *, seed: int, size: tuple[int, int]) -> None:
        """`size` is (height, width) of a frame, in pixels."""
        self._config, self._seed, self._size = config, seed, size
        # Requests for the paths over one picture follow each other, and share its subject and its draw.
        self._last_subject: tuple[bytes, Subject | None] | None = None
        self._last_paths: tuple[tuple[str, str, int, int], list[Trajectory]] | None = None

    def fresh(
        self, meta: ClipMeta, picture: bytes, *, shard: str, epoch: int, path: int, frames: int
    ) -> Trajectory:
        """Return the path of this number (from 0) over an encoded picture of a shard."""
        drawn_for = (shard, meta.key, epoch, frames)
        if self._last_paths is None or self._last_paths[0] != drawn_for:
            paths = draw_paths(
                self._config.motions,
                max(self._config.paths_per_picture, path + 1),
                seed=self._seed,
                key=meta.key,
                epoch=epoch,
                image_size=stored_size(picture),
                frames=frames,
                size=self._size,
                fps=meta.fps,
                subject=self._subject_of(meta, picture),
            )
            self._last_paths = drawn_for, paths
        return self._last_paths[1][path]

    def single(self, meta: ClipMeta, picture: bytes, epoch: int) -> Trajectory:
        """Return one frame, the largest view of the picture; its place differs by epoch."""
        return draw(
            MotionMix.make({"focus": self._config.motions.focus, "mix": ["static"]}),
            seed=derive_seed(self._seed, meta.key, "epoch", epoch),
            image_size=stored_size(picture),
            frames=1,
            size=self._size,
            fps=meta.fps or 1.0,
            subject=self._subject_of(meta, picture),
        )

    def _subject_of(self, meta: ClipMeta, picture: bytes) -> Subject | None:
        if self._config.motions.focus != "subject":
            return None
        if self._last_subject is None or self._last_subject[0] is not picture:
            size = (meta.original_height, meta.original_width)
            if 0 in size:
                size = stored_size(picture)
            small = partial(decode_stored_small, picture, SALIENCY_NEEDS)
            self._last_subject = picture, find_subject(boxes_in(meta.meta), size, small)
        return self._last_subject[1]


def draw_paths(
    mix: MotionMix,
    count: int,
    *,
    seed: int,
    key: str,
    epoch: int,
    image_size: tuple[int, int],
    frames: int,
    size: tuple[int, int],
    fps: float,
    subject: Subject | None = None,
) -> list[Trajectory]:
    """Draw `count` paths over one picture, of different motions as far as the mix has them.

    The first path does not depend on `count`. Sizes are (height, width) in pixels, of the picture and of the
    frames. `subject` stays in view if the mix has focus=subject.
    """
    paths: list[Trajectory] = []
    meanings: set[str | None] = set()
    for number in range(count):
        for attempt in range(TRIES):
            further: tuple[str | int, ...] = ()
            if number or attempt:
                further = ("path", number, attempt)
            path_seed = derive_seed(seed, key, "epoch", epoch, *further)
            path = draw(
                mix,
                seed=path_seed,
                image_size=image_size,
                frames=frames,
                size=size,
                fps=fps,
                subject=subject,
            )
            meaning = motion_meaning(path.motion, path.parameters)
            if meaning not in meanings:
                break
        meanings.add(meaning)
        paths.append(path)
    return paths
