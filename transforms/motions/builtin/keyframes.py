"""`keyframes`: a path written by hand, as a list of views.

{name: keyframes, views: [{zoom: 1}, {zoom: 1.8, x: 0.15, at: 0.6}, {zoom: 1.8, x: -0.15}]}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np

from schemas.errors import ConfigError
from schemas.text import nearest
from transforms.motions.camera import Camera
from transforms.motions.motion import Parameter, Spec, motion

MAX_VIEWS = 64
# field of a view: lowest, highest, value if it is left out
FIELDS: Mapping[str, tuple[float, float, float]] = {
    "x": (-4.0, 4.0, 0.0),
    "y": (-4.0, 4.0, 0.0),
    "zoom": (0.125, 8.0, 1.0),
    "angle": (-360.0, 360.0, 0.0),
}
AT = "at"  # when a view is reached, 0 to 1
EQUAL = 1e-6  # scales that differ by less are one scale

View = Mapping[str, float]


class Views(Parameter):
    """A parameter that is a list of views: nothing of it is drawn."""

    @property
    def allowed(self) -> str:
        """The allowed values in words."""
        return f"2 to {MAX_VIEWS} of x, y, zoom, angle, at"

    @property
    def default_in_words(self) -> str:
        """The default for a table."""
        return f"{len(self.spec(self.default, self.name))} views"

    @property
    def example(self) -> str:
        """The default as a config writes it."""
        views = (", ".join(f"{k}: {v:g}" for k, v in view.items()) for view in self.spec(self.default, ""))
        return f"[{', '.join(f'{{{view}}}' for view in views)}]"

    @property
    def limits(self) -> dict[str, Any]:
        """Lowest and highest value of each field of a view, as plain JSON values."""
        fields = {name: {"low": low, "high": high} for name, (low, high, _) in FIELDS.items()}
        return {"views": MAX_VIEWS, "fields": {**fields, AT: {"low": 0.0, "high": 1.0}}}

    def spec(self, value: Any, where: str) -> Spec:
        """Return the views as mappings of plain numbers, as they were written. Raises ConfigError."""
        if not isinstance(value, list | tuple) or not 2 <= len(value) <= MAX_VIEWS:
            raise ConfigError(
                f"{where} = {str(value)[:80]!r}: write a list of 2 to {MAX_VIEWS} views, "
                "e.g. [{zoom: 1}, {zoom: 1.5, x: 0.1}]"
            )
        views = tuple(_checked(view, f"{where}[{i}]") for i, view in enumerate(value))
        moments(views, where)
        return views

    def value(self, spec: Spec, uniform: float) -> list[dict[str, float]]:
        """Return the views, whatever the number."""
        return [dict(view) for view in spec]


def _checked(view: Any, where: str) -> dict[str, float]:
    if not isinstance(view, Mapping):
        raise ConfigError(f"{where} = {str(view)[:80]!r}: a view is a mapping such as {{zoom: 1.5, x: 0.1}}")
    known = [*FIELDS, AT]
    checked = {}
    for name, number in view.items():
        if name not in known:
            near = nearest(str(name), known)
            raise ConfigError(f"{where}: unknown field {str(name)[:40]!r}; {_known(near, known)}")
        low, high, _ = FIELDS.get(name, (0.0, 1.0, 0.0))
        is_number = isinstance(number, Real) and not isinstance(number, bool)
        if not is_number or not low <= float(number) <= high:
            raise ConfigError(f"{where}.{name} = {str(number)[:40]!r}: it must be {low:g} to {high:g}")
        checked[name] = float(number)
    return checked


def _known(near: Sequence[str], known: Sequence[str]) -> str:
    if near:
        return f"the nearest is {near[0]}"
    return f"known: {', '.join(known)}"


def moments(views: Sequence[View], where: str = "views") -> list[float]:
    """Return when each view is reached, 0 to 1.

    The first is at 0 and the last at 1 unless they say otherwise; those without `at` share the time between
    their neighbours evenly. Raises ConfigError unless each is later than the one before.
    """
    given = {i: view[AT] for i, view in enumerate(views) if AT in view}
    given.setdefault(0, 0.0)
    given.setdefault(len(views) - 1, 1.0)
    known = sorted(given)
    found = np.interp(range(len(views)), known, [given[i] for i in known]).tolist()
    for i, (earlier, later) in enumerate(pairwise(found)):
        if not earlier < later:
            raise ConfigError(
                f"{where}[{i + 1}] is at {later:g}, and the view before it at {earlier:g}: "
                "each `at` must be later than the one before, from 0 to 1"
            )
    return found


def fields(view: View) -> tuple[float, float, float, float]:
    """Return x, y, zoom and angle of a view, with what it leaves out."""
    x, y, zoom, angle = (view.get(name, usual) for name, (_, _, usual) in FIELDS.items())
    return x, y, zoom, angle


VIEWS = Views(
    "views",
    ({"zoom": 1.0}, {"zoom": 1.6, "x": 0.18, "y": -0.1}, {"zoom": 1.6, "x": -0.18, "y": 0.1}),
    help="where the camera is, one after the other; see docs/motions.md",
)


@motion("keyframes", VIEWS)
def keyframes(t_T: np.ndarray, views: Sequence[View]) -> Camera:
    """The camera goes along the views that you list."""
    at_K = moments(views)
    values_K4 = np.array([fields(view) for view in views])
    x_T, y_T, scale_T, angle_T = (np.empty_like(t_T) for _ in range(4))
    piece_T = np.clip(np.searchsorted(at_K, t_T, side="right") - 1, 0, len(views) - 2)
    for piece in range(len(views) - 1):
        here_T = piece_T == piece
        part_T = np.clip((t_T[here_T] - at_K[piece]) / (at_K[piece + 1] - at_K[piece]), 0.0, 1.0)
        first_4, last_4 = values_K4[piece], values_K4[piece + 1]
        scale_T[here_T], way_T = _zoomed(part_T, 1.0 / first_4[2], 1.0 / last_4[2])
        x_T[here_T] = first_4[0] + (last_4[0] - first_4[0]) * way_T
        y_T[here_T] = first_4[1] + (last_4[1] - first_4[1]) * way_T
        angle_T[here_T] = first_4[3] + (last_4[3] - first_4[3]) * part_T
    return Camera(x=x_T, y=y_T, scale=scale_T, angle=angle_T)


def _zoomed(part_T: np.ndarray, first: float, last: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the scale at each part of the way between two scales, and how far the view has come.

    The scale is geometric, so the eye sees an even pace. The view comes as far as its scale does, so the
    corners of an upright view go along straight lines.
    """
    if abs(last - first) < EQUAL * first:
        return first + (last - first) * part_T, part_T
    scale_T = first * (last / first) ** part_T
    return scale_T, (scale_T - first) / (last - first)


def as_motions(views: Sequence[View]) -> list[list[tuple[str, dict[str, float]]]]:
    """Return what the camera does from view to view: names of other motions with their amounts.

    From a view to a smaller one inside it is a zoom only. The part of the way that leads out of the larger
    view is a pan, in its widths and heights.
    """
    return [_as_motions(fields(first), fields(last)) for first, last in pairwise(views)]


def _as_motions(
    first: tuple[float, float, float, float], last: tuple[float, float, float, float]
) -> list[tuple[str, dict[str, float]]]:
    found: list[tuple[str, dict[str, float]]] = []
    larger, smaller = max(1.0 / first[2], 1.0 / last[2]), min(1.0 / first[2], 1.0 / last[2])
    ways, distance = [], 0.0
    for axis, names in ((1, ("up", "down")), (0, ("left", "right"))):
        moved = last[axis] - first[axis]
        outside = abs(moved) - (larger - smaller) / 2.0
        if outside > EQUAL:
            ways.append(names[moved > 0.0])
            distance = max(distance, outside / larger)
    if ways:
        found.append((f"pan_{'_'.join(ways)}", {"distance": distance}))
    if larger - smaller > EQUAL:
        zoom = ("zoom_out", "zoom_in")[last[2] > first[2]]
        found.append((zoom, {"zoom": larger / smaller}))
    turned = last[3] - first[3]
    if turned:
        turn = ("rotate_ccw", "rotate_cw")[turned > 0.0]
        found.append((turn, {"degrees": abs(turned)}))
    return found or [("static", {})]
