"""Fresh camera paths over the still pictures of a training run."""

from __future__ import annotations

from schemas.keys import derive_seed
from transforms.motions.mix import MotionMix, draw
from transforms.motions.phrases import motion_meaning
from transforms.motions.trajectory import Trajectory
from transforms.subject.subject import Subject

TRIES = 8  # draws of a path before a motion may repeat


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
