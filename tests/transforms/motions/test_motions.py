"""What holds for every motion: the promises of `sample_motion`."""

import hashlib
import itertools
import os
import pickle
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zoetrope
from transforms.motions import built_in_motions, curves, draw, find_motion, sample_motion, sample_trajectory
from transforms.motions.builtin.keyframes import FIELDS

NAMES = tuple(built_in_motions())
ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs" / "motions.md"


def extreme_parameters(names, choose):
    """Each parameter at its lowest, highest, default, or anywhere between; holds within their sum."""
    values = {}
    for label, name in labels(names):
        for parameter in find_motion(name).parameters:
            if parameter.choices:
                value = choose.choice(parameter.choices)
            elif parameter.name == "views":
                value = [
                    {k: choose.uniform(low, high) for k, (low, high, _) in FIELDS.items()} for _ in range(4)
                ]
            elif parameter.name.startswith("hold_"):
                value = choose.choice([0.0, 0.2, 0.45])
            else:
                anywhere = choose.uniform(parameter.low, parameter.high)
                value = choose.choice(
                    [
                        parameter.low,
                        parameter.high,
                        parameter.default,
                        anywhere,
                        [parameter.low, parameter.high],
                    ]
                )
            values[f"{label}.{parameter.name}"] = value
    return values


def labels(names):
    counts = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        yield (name if counts[name] == 1 else f"{name}_{counts[name]}"), name


def check_views(quads_T42, frames, image_size, size, tilted, fills=True, grid=2.0**-22):
    """Inside the picture, convex and clockwise, of the output's shape; and the path touches both ends of one
    direction.
    """
    height, width = image_size
    assert quads_T42.shape == (frames, 4, 2)
    assert quads_T42.dtype == np.float32
    assert quads_T42.min() >= 0.0
    assert quads_T42.max() <= 1.0
    extent = np.ptp(quads_T42.astype(float), axis=(0, 1))
    if fills:
        assert extent.max() == pytest.approx(1.0, abs=2 * grid)
    corners_T42 = quads_T42.astype(float) * (width, height)
    sides_T42 = np.roll(corners_T42, -1, axis=1) - corners_T42
    following_T42 = np.roll(sides_T42, -1, axis=1)
    turns_T4 = sides_T42[..., 0] * following_T42[..., 1] - sides_T42[..., 1] * following_T42[..., 0]
    assert (turns_T4 > 0.0).all()
    if not tilted:
        lengths_T4 = np.hypot(sides_T42[..., 0], sides_T42[..., 1])
        rounding = 4 * grid * max(height, width)
        np.testing.assert_allclose(lengths_T4[:, 0], lengths_T4[:, 2], atol=rounding)
        np.testing.assert_allclose(
            lengths_T4[:, 0], lengths_T4[:, 1] * size[1] / size[0], atol=rounding * (1 + size[1] / size[0])
        )


def random_shape(choose):
    """Pictures from 1:5 to 5:1 and outputs likewise, small to large."""
    short, other = choose.randint(64, 4000), choose.uniform(1.0, 5.0)
    picture = [short, round(short * other)]
    output = [choose.choice([1, 32, 224, 720]), choose.choice([1, 32, 224, 1280])]
    while not 0.2 <= output[0] / output[1] <= 5.0:
        output = [choose.randint(16, 512), choose.randint(16, 512)]
    choose.shuffle(picture)
    return tuple(picture), tuple(output)


def test_no_view_ever_leaves_the_picture():
    choose = random.Random(5)
    for seed in range(4000):
        names = [choose.choice(NAMES) for _ in range(choose.choice([1, 1, 1, 2, 2, 3, 5]))]
        image_size, size = random_shape(choose)
        frames = choose.choice([1, 2, 5, 12, 12, 40])
        parameters = extreme_parameters(names, choose)
        name = names[0] + "".join(choose.choice("+++>|") + other for other in names[1:])
        if len(names) == 1:
            parameters = {key.partition(".")[2]: value for key, value in parameters.items()}
        found = sample_trajectory(
            name, seed=seed, image_size=image_size, frames=frames, size=size, parameters=parameters
        )
        fills = "held" not in name and "|" not in name
        check_views(found.quads_T42, frames, image_size, size, tilted="tilt" in name, fills=fills)


@given(
    names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=4),
    seed=st.integers(0, 2**64 - 1),
    height=st.integers(1, 10_000),
    aspect=st.floats(0.2, 5.0),
    size=st.tuples(st.integers(100, 500), st.integers(100, 500)),
    frames=st.integers(1, 30),
)
@settings(max_examples=300, deadline=None)
def test_no_view_leaves_the_picture_with_default_parameters(names, seed, height, aspect, size, frames):
    image_size = (height, max(1, round(height * aspect)))
    quads_T42 = sample_motion("+".join(names), seed=seed, image_size=image_size, frames=frames, size=size)
    tilted = any("tilt" in name for name in names)
    check_views(quads_T42, frames, image_size, size, tilted=tilted, fills="held" not in names)


@pytest.mark.parametrize("name", NAMES)
def test_shape_and_type_of_every_motion(name):
    quads_T42 = sample_motion(name, seed=1, image_size=(480, 640))
    assert (quads_T42.shape, quads_T42.dtype) == ((12, 4, 2), np.float32)
    if name not in ("static", "held"):
        assert not np.array_equal(quads_T42[0], quads_T42[-1])


@pytest.mark.parametrize("name", NAMES)
def test_without_movement_every_motion_is_the_whole_picture(name):
    still = {"zoom": 1.0, "distance": 0.0, "degrees": 0.0, "amplitude": 0.0, "roll": 0.0}
    still["views"] = [{"zoom": 1.0}, {"zoom": 1.0}]
    parameters = {p.name: still[p.name] for p in find_motion(name).own if p.name in still}
    quads_T42 = sample_motion(name, seed=3, image_size=(448, 448), **parameters)
    assert quads_T42.tolist() == [[[0, 0], [1, 0], [1, 1], [0, 1]]] * 12


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("static", "held")])
def test_holds_and_speed_of_every_motion(name):
    shape = {"seed": 3, "image_size": (480, 640), "frames": 21}
    held_T42 = sample_motion(name, hold_start=0.25, hold_end=0.5, **shape)
    assert (held_T42[:6] == held_T42[0]).all()
    assert (held_T42[15:] == held_T42[-1]).all()
    assert not (held_T42[6:11] == held_T42[0]).all()
    slow, fast = (sample_motion(name, speed=speed, **shape) for speed in (0.5, 2.0))
    assert not np.array_equal(slow, fast)
    if not find_motion(name).endless:
        assert (fast[10:] == fast[-1]).all()


def test_the_same_seed_gives_the_same_bytes_in_any_order_and_process():
    shape = {"image_size": (480, 640), "frames": 6}
    names = [*NAMES, "rotate_cw+zoom_in+crop_jitter"]

    def digest(order):
        quads = {name: sample_motion(name, seed=9, **shape).tobytes() for name in order}
        return hashlib.sha256(b"".join(quads[name] for name in names)).hexdigest()

    program = (
        "import hashlib; from transforms.motions import sample_motion;"
        f"quads = [sample_motion(n, seed=9, **{shape!r}).tobytes() for n in {names!r}];"
        "print(hashlib.sha256(b''.join(quads)).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert digest(names) == digest(names[::-1]) == other.stdout.strip()
    assert not np.array_equal(
        sample_motion("zoom_in", seed=9, **shape), sample_motion("zoom_in", seed=10, **shape)
    )


def test_the_same_seed_gives_the_same_bytes_on_lesser_machines():
    """numpy's sines and powers differ in their last bits between instruction sets; the grid of the quads
    hides that.
    """
    program = (
        "import hashlib; from transforms.motions import MotionMix, draw; mix = MotionMix.default();"
        "drawn = [draw(mix, seed=seed, image_size=(480 + seed, 640)) for seed in range(500)];"
        "quads = [one.quads_T42.tobytes() for one in drawn];"
        "print(hashlib.sha256(b''.join(quads)).hexdigest())"
    )
    plain = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(np._core._multiarray_umath.__cpu_dispatch__)}
    digests = [
        subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env=env, capture_output=True, text=True, check=True
        ).stdout
        for env in (os.environ, plain)
    ]
    assert digests[0] == digests[1]


LAST_VIEWS = {  # of two frames, on the grid of 2**-22
    "zoom_in": (
        {"zoom": [1.2, 1.7]},
        [[1381288, 220257], [3365586, 220257], [3365586, 2865988], [1381288, 2865988]],
    ),
    "rotate_cw+crop_jitter": (
        {"degrees": 10.0, "amplitude": 0.02, "frequency": 1.5, "roll": 0.5},
        [[693733, 0], [3370462, 625332], [2901463, 4194304], [224734, 3568972]],
    ),
    "tilt": (
        {"degrees": [15.0, 35.0], "direction": [0.0, 360.0]},
        [[263954, 716122], [3345883, 0], [3308192, 4194304], [265418, 3523979]],
    ),
}


@pytest.mark.parametrize("name", LAST_VIEWS)
def test_what_a_seed_means_does_not_change(name):
    """Clips can be made again from their seed only while this holds."""
    parameters, steps_42 = LAST_VIEWS[name]
    shape = {"image_size": (480, 640), "frames": 2, "fps": 12.0}
    quads_T42 = sample_motion(name, seed=2024, parameters=parameters, **shape)
    np.testing.assert_allclose(quads_T42[1].astype(float) * 2**22, steps_42, atol=1)


def test_parameters_by_keyword_or_mapping():
    shape = {"seed": 4, "image_size": (480, 640)}
    by_keyword = sample_motion("rotate_cw+zoom_in", zoom_in__zoom=2.0, degrees=30, **shape)
    by_mapping = sample_motion("rotate_cw+zoom_in", parameters={"zoom_in.zoom": 2.0, "degrees": 30}, **shape)
    np.testing.assert_array_equal(by_keyword, by_mapping)
    with pytest.raises(ValueError, match="zoom is given twice"):
        sample_motion("zoom_in", zoom=2.0, parameters={"zoom": 2.0}, **shape)


def test_a_composition_does_what_its_parts_do():
    found = curves(
        sample_motion("rotate_cw+zoom_in", degrees=30.0, zoom=2.0, seed=1, image_size=(600, 800), frames=7),
        (600, 800),
        12.0,
    )
    t_T = np.linspace(0.0, 1.0, 7)
    np.testing.assert_allclose(found["angle"], 30.0 * t_T, atol=1e-3)
    np.testing.assert_allclose(found["zoom"] / found["zoom"][0], 2.0**t_T, rtol=1e-4)


def test_a_shake_stays_the_same_part_of_what_is_seen_while_another_motion_zooms():
    shape = {"seed": 8, "image_size": (600, 600), "frames": 24}
    fixed = {"focus_x": 0.5, "focus_y": 0.5, "amplitude": 0.05, "roll": 0.0, "frequency": 2.0}
    still, zoomed = (
        curves(
            sample_motion("zoom_in+crop_jitter", parameters={**fixed, "zoom": zoom}, **shape),
            (600, 600),
            12.0,
        )
        for zoom in (1.0, 4.0)
    )
    # x = place + shake / zoom in both, with the same shake. Only the places, two constants, are unknown.
    shake_T = still["x"] * still["zoom"]
    unknown_T2 = np.stack([np.ones(24), 1.0 / zoomed["zoom"]], axis=1)
    left_T = zoomed["x"] - shake_T / zoomed["zoom"]
    fitted_T = unknown_T2 @ np.linalg.lstsq(unknown_T2, left_T, rcond=None)[0]
    np.testing.assert_allclose(fitted_T, left_T, atol=1e-5)
    assert np.ptp(shake_T) > 0.04


def test_the_public_face():
    assert zoetrope.sample_motion is sample_motion


def user_module():
    """The example of the docs, as it stands there."""
    (block,) = re.findall(r"```python\n# mymotions\.py\n(.*?)```", DOCS.read_text(), flags=re.S)
    return block


def test_a_users_own_motion_as_documented(tmp_path, monkeypatch):
    (tmp_path / "mymotions.py").write_text(user_module())
    monkeypatch.syspath_prepend(tmp_path)
    shape = {"seed": 1, "image_size": (480, 640)}
    quads_T42 = sample_motion("mymotions:dolly", distance=0.5, hold_end=0.2, **shape)
    check_views(quads_T42, 12, (480, 640), (224, 224), tilted=False)
    found = curves(quads_T42, (480, 640), 12.0)
    assert found["x"][-1] > found["x"][0]
    assert found["zoom"][-1] > found["zoom"][0]
    sway_T42 = sample_motion("mymotions:sway+zoom_in", parameters={"sway.degrees": 5.0, "zoom": 1.5}, **shape)
    check_views(sway_T42, 12, (480, 640), (224, 224), tilted=False)
    with pytest.raises(ValueError, match="unknown parameter 'distanse'; the nearest is distance"):
        sample_motion("mymotions:dolly", distanse=0.5, **shape)


def test_a_users_own_motion_on_a_worker(tmp_path, monkeypatch):
    """A pickled mix finds the module by its import path in another process, without a registration there."""
    (tmp_path / "mymotions.py").write_text(user_module())
    monkeypatch.syspath_prepend(tmp_path)
    from transforms.motions import MotionMix

    mix = MotionMix.make([{"name": "mymotions:dolly+crop_jitter", "dolly.distance": 0.4}])
    expected = draw(mix, seed=3, image_size=(480, 640))
    (tmp_path / "mix.pickle").write_bytes(pickle.dumps(mix))
    program = (
        "import pickle, sys; from transforms.motions import draw;"
        "mix = pickle.load(open(sys.argv[1], 'rb'));"
        "sys.stdout.buffer.write(draw(mix, seed=3, image_size=(480, 640)).quads_T42.tobytes())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    worker = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "mix.pickle")],
        env=environment,
        capture_output=True,
        check=True,
    )
    assert worker.stdout == expected.quads_T42.tobytes()
    assert expected.motion == "mymotions:dolly+crop_jitter"
    assert expected.parameters["dolly.distance"] == 0.4


@pytest.mark.parametrize(
    ("body", "words"),
    [("Camera(scale=-t_T)", "scale must be above 0"), ("Camera(x=t_T / 0.0)", "not finite")],
)
def test_a_users_motion_that_cannot_be_names_itself(tmp_path, monkeypatch, body, words):
    module = f"broken_{'scale' if 'scale' in body else 'x'}"
    head = "from transforms.motions import Camera, motion\n@motion('bad')\n"
    text = head + f"def bad(t_T):\n    'Bad.'\n    return {body}\n"
    (tmp_path / f"{module}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=f"motion {module}:bad .*{words}"), np.errstate(all="ignore"):
        sample_motion(f"{module}:bad", seed=1, image_size=(10, 10))


def test_drawing_imports_nothing_heavy():
    heavy = "{'torch', 'apache_beam', 'cv2', 'kornia'}"
    program = f"import sys, transforms.motions; print(sorted({heavy} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"


def test_every_pair_composes():
    for first, second in itertools.product(NAMES, NAMES):
        name = f"{first}+{second}"
        quads_T42 = sample_motion(name, seed=6, image_size=(300, 1100), size=(128, 96), frames=6)
        check_views(quads_T42, 6, (300, 1100), (128, 96), tilted="tilt" in name, fills="held" not in name)
