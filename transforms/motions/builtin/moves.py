"""The motions that are formulae: zooms, pans, turns, shakes, tilts."""

from __future__ import annotations

import math

import numpy as np

from transforms.motions.camera import Camera
from transforms.motions.motion import Motion, Parameter, motion

# Sine waves in each of a shake's three axes: enough not to look periodic, few enough to stay smooth.
WAVES = 4


@motion("static", still=True)
def static(t_T: np.ndarray) -> Camera:
    """The camera rests."""
    return Camera()


@motion(
    "held",
    Parameter(
        "zoom", (1.2, 1.7), low=1.0, high=8.0, unit="x", log=True, help="largest view that fits over this one"
    ),
    still=True,
)
def held(t_T: np.ndarray, zoom: float) -> Camera:
    """The camera rests on a part of the picture."""
    return Camera(closer=zoom)


def _zoom(default: tuple[float, float]) -> Parameter:
    return Parameter(
        "zoom", default, low=1.0, high=8.0, unit="x", log=True, help="widest view over tightest view"
    )


FOCUS = (
    Parameter(
        "focus_x", (0.0, 1.0), unit="of the width", help="tight view within the wide one; 0 = left, 1 = right"
    ),
    Parameter(
        "focus_y",
        (0.0, 1.0),
        unit="of the height",
        help="tight view within the wide one; 0 = top, 1 = bottom",
    ),
)


def _zoomed(t_T: np.ndarray, zoom: float, focus_x: float, focus_y: float) -> Camera:
    scale_T = zoom**-t_T  # geometric: the eye sees the same pace throughout
    return Camera(x=(focus_x - 0.5) * (1.0 - scale_T), y=(focus_y - 0.5) * (1.0 - scale_T), scale=scale_T)


@motion("zoom_in", _zoom((1.2, 1.7)), *FOCUS)
def zoom_in(t_T: np.ndarray, zoom: float, focus_x: float, focus_y: float) -> Camera:
    """The camera zooms in towards a point."""
    return _zoomed(t_T, zoom, focus_x, focus_y)


@motion("zoom_out", _zoom((1.2, 1.7)), *FOCUS)
def zoom_out(t_T: np.ndarray, zoom: float, focus_x: float, focus_y: float) -> Camera:
    """The camera zooms out from a point."""
    return _zoomed(1.0 - t_T, zoom, focus_x, focus_y)


def _pan(name: str, right: float, down: float, words: str) -> Motion:
    both = right != 0.0 and down != 0.0
    unit = "view heights"
    if both:
        unit = "view widths and heights"
    elif right:
        unit = "view widths"
    distance = Parameter(
        "distance", (0.15, 0.35), low=0.0, high=4.0, unit=unit, help="how far the camera moves"
    )

    def pan(t_T: np.ndarray, distance: float) -> Camera:
        return Camera(x=right * distance * t_T, y=down * distance * t_T)

    pan.__doc__ = f"The camera moves {words}."
    return motion(name, distance)(pan)


pan_left = _pan("pan_left", -1.0, 0.0, "to the left")
pan_right = _pan("pan_right", 1.0, 0.0, "to the right")
pan_up = _pan("pan_up", 0.0, -1.0, "up")
pan_down = _pan("pan_down", 0.0, 1.0, "down")
pan_up_left = _pan("pan_up_left", -1.0, -1.0, "up and to the left")
pan_up_right = _pan("pan_up_right", 1.0, -1.0, "up and to the right")
pan_down_left = _pan("pan_down_left", -1.0, 1.0, "down and to the left")
pan_down_right = _pan("pan_down_right", 1.0, 1.0, "down and to the right")

TURN = Parameter(
    "degrees", (5.0, 20.0), low=0.0, high=360.0, unit="degrees", help="how far the camera turns, from upright"
)


@motion("rotate_cw", TURN)
def rotate_cw(t_T: np.ndarray, degrees: float) -> Camera:
    """The camera turns clockwise about the middle of its view, so what is seen turns counter-clockwise."""
    return Camera(angle=degrees * t_T)


@motion("rotate_ccw", TURN)
def rotate_ccw(t_T: np.ndarray, degrees: float) -> Camera:
    """The camera turns counter-clockwise about the middle of its view, so what is seen turns clockwise."""
    return Camera(angle=-degrees * t_T)


@motion(
    "ken_burns",
    Parameter(
        "zoom", (1.15, 1.5), low=0.125, high=8.0, unit="x", log=True, help="above 1 it zooms in, below 1 out"
    ),
    Parameter("distance", (0.1, 0.3), low=0.0, high=4.0, unit="view widths", help="how far the camera moves"),
    Parameter(
        "direction",
        (0.0, 360.0),
        low=-360.0,
        high=360.0,
        unit="degrees",
        help="where to; 0 = right, 90 = down",
    ),
)
def ken_burns(t_T: np.ndarray, zoom: float, distance: float, direction: float) -> Camera:
    """The camera moves and zooms at once."""
    heading = math.radians(direction)
    return Camera(
        x=math.cos(heading) * distance * t_T, y=math.sin(heading) * distance * t_T, scale=zoom**-t_T
    )


@motion(
    "crop_jitter",
    Parameter(
        "amplitude", (0.01, 0.03), low=0.0, high=0.25, unit="of the view", help="largest shift to any side"
    ),
    Parameter(
        "frequency",
        (1.0, 2.0),
        low=0.05,
        high=12.0,
        unit="Hz",
        help="fastest part of the shake; at most a third of fps counts",
    ),
    Parameter("roll", (0.2, 0.8), low=0.0, high=10.0, unit="degrees", help="largest turn to either side"),
    endless=True,
)
def crop_jitter(
    t_T: np.ndarray, amplitude: float, frequency: float, roll: float, rng: np.random.Generator, seconds: float
) -> Camera:
    """The camera shakes smoothly, as if held by hand."""
    if seconds > 0.0:
        frequency = min(frequency, (len(t_T) - 1) / seconds / 3.0)
    shake_3T = smooth_noise(t_T * seconds, frequency, rng)
    return Camera(x=amplitude * shake_3T[0], y=amplitude * shake_3T[1], angle=roll * shake_3T[2])


def smooth_noise(seconds_T: np.ndarray, frequency: float, rng: np.random.Generator) -> np.ndarray:
    """Return three independent smooth noises in [-1, 1]: float64 [3,T].

    Each is a sum of WAVES sines of random phase, at random frequencies between 0.3 and 1 times `frequency`
    (Hz). Amplitudes fall as one over the frequency, as those of a hand do. There is nothing above
    `frequency`, so the noise is smooth.
    """
    draws_32W1 = rng.random((3, 2, WAVES, 1))
    rates_3W1 = 0.3 + 0.7 * draws_32W1[:, 0]
    weights_3W1 = 1.0 / rates_3W1
    waves_3WT = weights_3W1 * np.sin(2.0 * math.pi * (frequency * rates_3W1 * seconds_T + draws_32W1[:, 1]))
    return waves_3WT.sum(1) / weights_3W1.sum(1)


LEAN = Parameter(
    "degrees",
    (15.0, 35.0),
    low=0.0,
    high=45.0,
    unit="degrees",
    help="how far the camera leans, from straight on",
)


@motion(
    "tilt",
    LEAN,
    Parameter(
        "direction",
        (0.0, 360.0),
        low=-360.0,
        high=360.0,
        unit="degrees",
        help="which side recedes; 0 = right, 90 = bottom",
    ),
)
def tilt(t_T: np.ndarray, degrees: float, direction: float) -> Camera:
    """The camera leans out of the straight view, in perspective."""
    heading = math.radians(direction)
    return Camera(tilt_x=math.cos(heading) * degrees * t_T, tilt_y=math.sin(heading) * degrees * t_T)


def _tilt(name: str, right: float, down: float, side: str) -> Motion:
    def lean(t_T: np.ndarray, degrees: float) -> Camera:
        return Camera(tilt_x=right * degrees * t_T, tilt_y=down * degrees * t_T)

    lean.__doc__ = f"The camera leans to look {side}, in perspective."
    return motion(name, LEAN)(lean)


tilt_left = _tilt("tilt_left", -1.0, 0.0, "to the left")
tilt_right = _tilt("tilt_right", 1.0, 0.0, "to the right")
tilt_up = _tilt("tilt_up", 0.0, -1.0, "up")
tilt_down = _tilt("tilt_down", 0.0, 1.0, "down")
