"""Say in a caption what the camera does: "as the camera slowly zooms in, then pans left"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from schemas.errors import ConfigError
from schemas.keys import derive_seed
from transforms.motions.builtin.keyframes import VIEWS, as_motions, keyframes
from transforms.motions.grammar import labels, parse

AFTER_A_STEP = ", then "
AFTER_A_CUT = ", then after a cut "

_OPENINGS = ("as", "while")
_DIRECTIONS = (
    "right",
    "down and to the right",
    "down",
    "down and to the left",
    "left",
    "up and to the left",
    "up",
    "up and to the right",
)
_RESTING = ("static", "held")
_RESTS = "stays still"
# In the wordings, '&' separates the clauses of one motion, which are joined with those of others.
_FINITE: dict[str, tuple[str, ...]] = {
    "static": ("stays still", "does not move", "rests"),
    "held": ("stays still", "does not move", "rests"),
    "zoom_in": ("zooms in", "moves closer", "pushes in"),
    "zoom_out": ("zooms out", "pulls back", "moves away"),
    "rotate_cw": ("turns clockwise", "rolls clockwise", "rotates clockwise"),
    "rotate_ccw": ("turns counter-clockwise", "rolls counter-clockwise", "rotates counter-clockwise"),
    "crop_jitter": ("shakes", "is held by hand", "trembles"),
    "tilt_left": ("leans to the left", "turns to the left"),
    "tilt_right": ("leans to the right", "turns to the right"),
    "tilt_up": ("tilts up", "leans back to look up"),
    "tilt_down": ("tilts down", "leans to look down"),
}
_AMOUNTS = {  # motion -> parameter, up to here it is slow, from here on fast
    "zoom_in": ("zoom", 1.3, 2.0),
    "zoom_out": ("zoom", 1.3, 2.0),
    "rotate_cw": ("degrees", 8.0, 30.0),
    "rotate_ccw": ("degrees", 8.0, 30.0),
    "pan": ("distance", 0.2, 0.5),
    "ken_burns": ("distance", 0.2, 0.5),
    "tilt": ("degrees", 18.0, 35.0),
    "crop_jitter": ("amplitude", 0.015, 0.05),
}
_SLOW = {"crop_jitter": "slightly"}
_FAST = {"crop_jitter": "strongly"}
_NEVER = frozenset(["stays still", "does not move", "rests", "is held by hand"])  # no adverb belongs to these


def motion_phrase(motion: str, parameters: Mapping[str, Any], seed: int) -> str | None:
    """Return a phrase for a motion or a combination, such as "rotate_cw+zoom_in" or "zoom_in>pan_left".

    None if a part of it is not built in. `parameters` are the drawn ones ("zoom", in combinations
    "zoom_in.zoom"); the amount and the speed make it "slowly" or "quickly". `seed` chooses among a few
    wordings.
    """
    text, earlier_shot = "", 0
    for shot, at_once in _steps(motion, parameters):
        words = _words(at_once, seed)
        if words is None:
            return None
        if text:
            text += _joint(shot, earlier_shot)
        text, earlier_shot = text + words, shot
    if not text:
        return None
    opening = _OPENINGS[derive_seed(seed, "phrase", "opening") % len(_OPENINGS)]
    return f"{opening} the camera {text}"


def _joint(shot: int, earlier_shot: int) -> str:
    if shot == earlier_shot:
        return AFTER_A_STEP
    return AFTER_A_CUT


def motion_meaning(motion: str, parameters: Mapping[str, Any]) -> str | None:
    """Return what every wording of `motion_phrase` says, without amounts; None if there is no phrase.

    Two motions with equal meanings may have the same phrase, so captions cannot distinguish their
    clips.
    """
    text, earlier_shot = "", 0
    for shot, at_once in _steps(motion, parameters):
        clauses: set[str] = set()
        for name, own in at_once:
            verbs = _verbs(name, own)
            if verbs is None:
                return None
            if name not in _RESTING or len(at_once) == 1:
                clauses.update(verbs[0].split(" & "))
        if text:
            text += _joint(shot, earlier_shot)
        text, earlier_shot = text + " & ".join(sorted(clauses or {_RESTS})), shot
    return text or None


def _steps(motion: str, parameters: Mapping[str, Any]) -> list[tuple[int, list[tuple[str, dict[str, Any]]]]]:
    """Return for each step its shot and its motions, each by name with its own parameters.

    Empty for no name of a motion.
    """
    try:
        pieces = parse(motion)
    except ConfigError:  # a stored clip can hold any text
        return []
    steps: dict[tuple[int, float], list[tuple[str, dict[str, Any]]]] = {}
    for piece, label in zip(pieces, labels([piece.name for piece in pieces]), strict=True):
        own = {
            key.removeprefix(f"{label}."): value
            for key, value in parameters.items()
            if len(pieces) == 1 or key.rpartition(".")[0] == label
        }
        steps.setdefault((piece.shot, piece.start), []).append((piece.name, own))
    return [(shot, part) for (shot, _), at_once in steps.items() for part in _parts(at_once)]


def _parts(at_once: list[tuple[str, dict[str, Any]]]) -> list[list[tuple[str, dict[str, Any]]]]:
    """Split a path of several views: what it does is a sequence too."""
    name, own = at_once[0]
    if name != keyframes.name or len(at_once) > 1:
        return [at_once]
    try:
        views = VIEWS.spec(own.get(VIEWS.name), VIEWS.name)
    except ConfigError:  # a stored clip can hold anything
        return [at_once]
    return as_motions(views)


def _words(at_once: list[tuple[str, dict[str, Any]]], seed: int) -> str | None:
    """Return the words for motions that happen at once."""
    clauses: list[str] = []
    for name, own in at_once:
        clause = _clause(name, own, seed)
        if clause is None:
            return None
        if name not in _RESTING or len(at_once) == 1:
            clauses.extend(part for part in clause.split(" & ") if part not in clauses)
    return _join(clauses or [_RESTS])


def _clause(name: str, parameters: Mapping[str, Any], seed: int) -> str | None:
    verbs = _verbs(name, parameters)
    if verbs is None:
        return None
    verb = verbs[derive_seed(seed, "phrase", name) % len(verbs)]
    if verb in _NEVER or not (adverb := _adverb(name, parameters)):
        return verb
    return f"{adverb} {verb}"


def _verbs(name: str, parameters: Mapping[str, Any]) -> tuple[str, ...] | None:
    if name in _FINITE:
        return _FINITE[name]
    if name.startswith("pan_"):
        way = name.removeprefix("pan_").split("_")
        if not set(way) <= {"up", "down", "left", "right"}:
            return None
        if len(way) == 2:
            where = " and to the ".join(way)
        else:
            where = way[0]
        return (f"pans {where}", f"moves {_to(where)}", f"glides {_to(where)}")
    builders: dict[str, Callable[[Mapping[str, Any]], tuple[str, ...]]] = {
        "ken_burns": _ken_burns,
        "tilt": _tilt,
    }
    if name in builders:
        return builders[name](parameters)
    return None


def _ken_burns(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    where = _heading(parameters)
    if float(parameters.get("zoom", 1.2)) >= 1.0:
        zooms = ("zooms in", "moves closer")
    else:
        zooms = ("zooms out", "pulls back")
    return (f"pans {where} & {zooms[0]}", f"{zooms[1]} & pans {where}", f"{zooms[0]} & moves {_to(where)}")


def _tilt(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    where = _to(_heading(parameters))
    return (f"leans {where}", f"tilts {where}")


def _heading(parameters: Mapping[str, Any]) -> str:
    return _DIRECTIONS[round(float(parameters.get("direction", 0.0)) / 45.0) % 8]


def _to(where: str) -> str:
    if where in ("left", "right"):
        return f"to the {where}"
    return where


def _adverb(name: str, parameters: Mapping[str, Any]) -> str:
    kind = name
    if name not in _AMOUNTS:
        kind = name.split("_")[0]
    parameter, slow, fast = _AMOUNTS.get(kind, ("", 0.0, 0.0))
    amount = parameters.get(parameter)
    if not isinstance(amount, int | float):
        return ""
    pace = float(parameters.get("speed", 1.0))
    if parameter == "zoom":
        amount **= pace
    else:
        amount *= pace
    if amount <= slow:
        return _SLOW.get(name, "slowly")
    if amount >= fast:
        return _FAST.get(name, "quickly")
    return ""


def _join(clauses: list[str]) -> str:
    if len(clauses) == 1:
        return clauses[0]
    return f"{', '.join(clauses[:-1])} and {clauses[-1]}"
