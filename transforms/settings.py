"""Every setting that changes a byte of a sample."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from schemas.config import Config
from transforms.captions import CaptionConfig
from transforms.media.encode import EncodeConfig
from transforms.media.pictures import PictureLimits
from transforms.media.video.mp4 import VideoConfig
from transforms.motions.composition import FPS
from transforms.motions.mix import MotionMix
from transforms.motions.tightest import tightest_share
from transforms.stores.base import Encoding, FrameStore
from transforms.stores.registry import STORES, find_store, summaries

if TYPE_CHECKING:
    StoreName = str
else:
    StoreName = Literal[tuple(STORES)]

MIN_SIDE, MAX_SIDE = 16, 4096  # of a frame


class ClipConfig(Config):
    """The shape of every clip."""

    frames: int = Field(12, ge=1, le=999, description="frames in a clip")
    fps: float = Field(FPS, gt=0, le=240, allow_inf_nan=False, description="frames a second")
    size: int | tuple[int, int] = Field(
        224, description="frame size, pixels: one number, or [height, width]; each 16 to 4096"
    )

    @field_validator("size", mode="before")
    @classmethod
    def _check_form(cls, size: Any) -> Any:
        if isinstance(size, str) or (isinstance(size, list) and len(size) != 2):
            raise ValueError(f"{size!r:.60} is not allowed: write 224, or [height, width] such as [240, 320]")
        return size

    @field_validator("size")
    @classmethod
    def _check_size(cls, size: int | tuple[int, int]) -> int | tuple[int, int]:
        for side in size if isinstance(size, tuple) else (size,):
            if not MIN_SIDE <= side <= MAX_SIDE:
                raise ValueError(
                    f"{size} is not allowed: height and width must be {MIN_SIDE} to {MAX_SIDE} pixels"
                )
        return size

    @property
    def hw(self) -> tuple[int, int]:
        """(height, width) of a frame in pixels."""
        if isinstance(self.size, tuple):
            return self.size
        return (self.size, self.size)


class ClipSettings(Config):
    """The settings that decide the bytes of a sample, together with the picture, its key and its captions."""

    seed: int = Field(0, ge=0, description="of all randomness, together with the sample's key")
    store: StoreName = Field("frames", description=summaries())
    clip: ClipConfig = ClipConfig()
    motions: MotionMix = Field(
        default_factory=MotionMix.default, description="camera motions, see `zoetrope motions`"
    )
    captions: CaptionConfig = CaptionConfig()
    pictures: PictureLimits = PictureLimits()
    encode: EncodeConfig = EncodeConfig()
    video: VideoConfig = VideoConfig()

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        find_store(self.store).check_size(self.clip.hw)
        return self

    @property
    def renders(self) -> bool:
        """Does making a clip render frames? Readers render the clips of a `PictureStore`."""
        return isinstance(find_store(self.store), FrameStore)

    @cached_property
    def tightest_share(self) -> float:
        """Side of the tightest view of `motions` over that of the largest view."""
        return tightest_share(self.motions, frames=self.clip.frames, size=self.clip.hw, fps=self.clip.fps)

    @property
    def encoding(self) -> Encoding:
        """The part that the stores' encoders take."""
        return Encoding(self.encode, self.video)
