"""The messages between a job and the worker processes that make its clips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from pipelines.curation.scored import Scored
from pipelines.making.maker import Made
from pipelines.workers.arena import Placed, Slot
from schemas.records import Failure, Reference
from transforms.clip import Prepared

Times = list[tuple[str, float]]  # stage, seconds
# Messages have no slots: Python pickles a frozen class with slots field by field, ten times as slowly.


@dataclass(frozen=True)
class Given:
    """The input of `ClipMaker.make` and `prepare`."""

    reference: Reference
    picture: bytes | None  # encoded; None: to be read from the reference's path
    is_checked: bool = False  # the filters that need no picture were called already
    slot: Slot | None = None  # of shared memory, for the pixels and later the frames
    scores: Mapping[str, float] = field(default_factory=dict)  # of filters that were called already
    failure: Failure | None = None  # why there is no picture to read

    @property
    def size(self) -> int:
        """Bytes that a message carries."""
        return len(self.picture or b"")


@dataclass(frozen=True)
class Checked:
    """A reference that the filters that need no picture keep."""

    reference: Reference
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Decoded:
    """The input of a GPU."""

    reference: Reference
    clip: Prepared  # without pixels
    image_HWC: NDArray[Any] | Placed
    slot: Slot | None


@dataclass(frozen=True)
class Rendered:
    """The input of `ClipMaker.finish`: what a GPU rendered."""

    reference: Reference
    clip: Prepared  # without pixels
    frames_THWC: NDArray[Any] | Placed
    device: str
    slot: Slot | None

    @property
    def size(self) -> int:
        """Bytes that a message carries."""
        return self.frames_THWC.nbytes


@dataclass(frozen=True)
class Answer:
    """The result of one sample, and the time of each stage."""

    value: Any  # Made, Failure, or what the next stage needs
    times: Times

    @property
    def size(self) -> int:
        """Bytes that a message carries."""
        if isinstance(self.value, Made):
            return len(self.value.tar)
        if isinstance(self.value, Scored):
            return self.value.size
        if not isinstance(self.value, Decoded):
            return 0
        return self.value.image_HWC.nbytes
