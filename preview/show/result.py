"""Previews: clips that display themselves in a notebook and that can be saved."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

import numpy as np

from preview.show.animation import check_ending, encode_animation, encode_png, encode_webp
from preview.show.sheets import Cell, contact_sheet, moving_grid, strips
from preview.show.words import in_words, values_in_words
from schemas.errors import ConfigError
from storage.write import write_bytes
from transforms.motions import Trajectory


@dataclass(frozen=True)
class PreviewClip:
    """One picture under one motion, or one stored clip."""

    label: str
    frames_THWC: np.ndarray = field(repr=False)  # uint8 RGB
    trajectory: Trajectory | None = None  # None for a real video
    path_HWC: np.ndarray | None = field(default=None, repr=False)  # the camera's path over the still


@dataclass(frozen=True)
class Preview:
    """Clips that display themselves in a notebook. `save` writes .gif, .webp, .mp4 or .png."""

    clips: tuple[PreviewClip, ...]
    fps: float

    @property
    def frames_THWC(self) -> np.ndarray:
        """The frames of a single clip exactly as rendered, or a labelled grid of several clips. uint8 RGB."""
        if len(self.clips) == 1:
            return self.clips[0].frames_THWC
        return moving_grid([Cell(clip.label, clip.frames_THWC) for clip in self.clips])

    @property
    def sheet_HWC(self) -> np.ndarray:
        """All clips in one picture, uint8 RGB [H,W,3]: the camera paths if drawn, else the contact sheet."""
        paths = [Cell(clip.label, clip.path_HWC[None]) for clip in self.clips if clip.path_HWC is not None]
        if paths:
            if len(paths) > 1:
                return moving_grid(paths)[0]
            return paths[0].frames_THWC[0]
        if len(self.clips) == 1:
            return self._contact_sheet(self.clips[0])
        return strips([Cell(clip.label, clip.frames_THWC, _values(clip)) for clip in self.clips])

    def _contact_sheet(self, clip: PreviewClip) -> np.ndarray:
        """All frames with their numbers and times, and what the camera does."""
        names = [f"{i}: {i / self.fps:.2f} s" for i in range(len(clip.frames_THWC))]
        title = clip.label
        if clip.trajectory is not None:
            title = f"{clip.label}: {in_words(clip.trajectory)}"
        return contact_sheet(clip.frames_THWC, names=names, title=title)

    def encode(self, ending: str) -> bytes:
        """Encode as .gif, .webp (lossless), .mp4 or .png."""
        if ending == ".png":
            return encode_png(self.sheet_HWC)
        return encode_animation(self._moving(), fps=self.fps, ending=ending)

    def save(self, path: str) -> str:
        """Write to a file or URI in the format of its ending.

        Raises ConfigError if the ending is unknown or writing fails.
        """
        data = self.encode(check_ending(path))
        try:
            write_bytes(path, data)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"output {path}: cannot be written: {getattr(error, 'strerror', None) or error}"
            ) from None
        return path

    def _moving(self) -> np.ndarray:
        if all(clip.path_HWC is None for clip in self.clips):
            return self.frames_THWC
        cells = []
        for clip in self.clips:
            cells.append(Cell(clip.label, clip.frames_THWC))
            if clip.path_HWC is not None:
                cells.append(Cell("its path", clip.path_HWC[None]))
        return moving_grid(cells, columns=2)

    def _repr_html_(self) -> str:
        data = base64.b64encode(encode_webp(self._moving(), fps=self.fps, quality=85)).decode("ascii")
        alt = f"{len(self.clips)} moving clips"
        return f'<img src="data:image/webp;base64,{data}" alt="{alt}" style="max-width:100%">'

    def _repr_png_(self) -> bytes:
        return encode_png(self.sheet_HWC)


def _values(clip: PreviewClip) -> str:
    """The drawn parameters of a clip in words; nothing for a real video."""
    if clip.trajectory is None:
        return ""
    return values_in_words(clip.trajectory.parameters)
