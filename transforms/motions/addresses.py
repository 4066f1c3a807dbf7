"""Match the parameters that a user gives with the motions of a combination."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from schemas.errors import ConfigError
from transforms.motions.lookup import nearest_or_known
from transforms.motions.motion import TIMING, Motion

SHARED = frozenset(parameter.name for parameter in TIMING)


class Given(NamedTuple):
    """A value that a user gave for one parameter of one motion."""

    written: str  # the parameter as the user named it
    value: Any
    shared: bool  # timing that holds for several motions, with one draw


def address(
    name: str, motions: Mapping[str, Motion], parameters: Mapping[str, Any]
) -> dict[tuple[str, str], Given]:
    """Map (label, parameter) to what was given for it. A full address wins over a plain name.

    A plain name that two motions have is an error, except for timing. Raises ConfigError, one line.
    """
    plain: dict[tuple[str, str], Given] = {}
    full: dict[tuple[str, str], Given] = {}
    takes = {label: {parameter.name for parameter in motion.parameters} for label, motion in motions.items()}
    for written, value in parameters.items():
        label, dot, parameter = written.replace("__", ".").rpartition(".")
        owners = [owner for owner in takes if parameter in takes[owner] and (not dot or owner == label)]
        if not owners:
            raise ConfigError(_unknown(name, written, takes))
        if not dot and len(owners) > 1 and parameter not in SHARED:
            options = " or ".join(f"{owner}.{parameter}" for owner in owners)
            raise ConfigError(f"motion {name}: {written} is ambiguous; say {options}")
        target = full if dot else plain
        for owner in owners:
            if (owner, parameter) in target:
                raise ConfigError(f"motion {name}: {owner}.{parameter} is given twice; give it once")
            target[owner, parameter] = Given(written, value, len(owners) > 1)
    for (owner, parameter), given in plain.items():
        if (owner, parameter) in full and not given.shared:
            raise ConfigError(f"motion {name}: {owner}.{parameter} is given twice; give it once")
    return plain | full


def _unknown(name: str, written: str, takes: Mapping[str, set[str]]) -> str:
    known = [parameter for names in takes.values() for parameter in sorted(names)]
    if len(takes) > 1:
        known += [f"{label}.{parameter}" for label, names in takes.items() for parameter in sorted(names)]
    if not known:
        return f"motion {name}: unknown parameter {written!r}; it has none"
    near = nearest_or_known(written.replace("__", "."), dict.fromkeys(known))
    return f"motion {name}: unknown parameter {written!r}; {near}"
