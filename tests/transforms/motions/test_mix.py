import json
import pickle
from collections import Counter

import numpy as np
import pytest
import yaml
from pydantic import Field

from schemas.config import Config, describe, fingerprint
from schemas.errors import ConfigError
from storage.configs import load_config
from transforms.motions import sample_motion
from transforms.motions.mix import DEFAULT, MotionMix, draw

SHAPE = {"image_size": (480, 640), "frames": 12, "size": (224, 224)}
MIX = ["static", {"name": "zoom_in", "weight": 3, "zoom": [1.2, 1.6], "easing": "ease_in_out"}]


class JobConfig(Config):
    """As configs of jobs use it."""

    seed: int = Field(default=0, ge=0, description="the run's seed")
    motions: MotionMix = Field(default_factory=MotionMix.default, description="the camera motions")


def test_a_mix_is_drawn_by_weight():
    mix = MotionMix.make(MIX)
    drawn = [draw(mix, seed=seed, **SHAPE) for seed in range(2000)]
    counts = Counter(trajectory.motion for trajectory in drawn)
    assert counts["zoom_in"] == pytest.approx(1500, abs=80)  # 4 standard deviations
    assert counts["static"] == 2000 - counts["zoom_in"]
    zooms = [t.parameters["zoom"] for t in drawn if t.motion == "zoom_in"]
    assert 1.2 <= min(zooms) < 1.21
    assert 1.59 < max(zooms) <= 1.6
    assert np.median(zooms) == pytest.approx(np.sqrt(1.2 * 1.6), abs=0.02)  # even in the logarithm
    assert {t.parameters["easing"] for t in drawn if t.motion == "zoom_in"} == {"ease_in_out"}


def test_weight_zero_is_never_drawn():
    mix = MotionMix.make([{"name": "static", "weight": 0}, "zoom_in", {"name": "pan_left", "weight": 0}])
    assert {draw(mix, seed=seed, **SHAPE).motion for seed in range(300)} == {"zoom_in"}
    assert mix.shares() == {"static": 0.0, "zoom_in": 1.0, "pan_left": 0.0}
    assert mix.choose(np.nextafter(1.0, 0.0)).name == mix.choose(0.0).name == "zoom_in"
    assert mix.probabilities() == [0.0, 1.0, 0.0]


def test_a_drawn_clip_can_be_made_again_by_name_and_parameters():
    mix = MotionMix.default()
    for seed in range(500):
        drawn = draw(mix, seed=seed, **SHAPE)
        parameters = json.loads(json.dumps(dict(drawn.parameters)))
        again_T42 = sample_motion(drawn.motion, seed=seed, parameters=parameters, **SHAPE)
        assert again_T42.tobytes() == drawn.quads_T42.tobytes(), drawn
        alone = draw([{"name": drawn.motion, **parameters}], seed=seed, **SHAPE)
        assert alone.quads_T42.tobytes() == drawn.quads_T42.tobytes()


def test_the_default_mix_draws_every_entry():
    mix = MotionMix.default()
    seen = {draw(mix, seed=seed, **SHAPE).motion for seed in range(1500)}
    assert seen == {entry["name"] for entry in DEFAULT}
    assert set(mix.shares()) == seen
    assert sum(mix.probabilities()) == pytest.approx(sum(mix.shares().values())) == pytest.approx(1.0)


def test_a_mix_is_a_config_field_that_writes_and_reads_back(tmp_path):
    config = load_config(JobConfig, None, ["motions=[zoom_in,pan_left+crop_jitter]", "seed=3"])
    assert [choice.name for choice in config.motions.root] == ["zoom_in", "pan_left+crop_jitter"]
    for motions in (
        MIX,
        "zoom_in",
        {"name": "tilt", "direction": 90},
        config.motions.to_dict(),
        list(DEFAULT),
    ):
        config = JobConfig.make({"motions": motions})
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config.to_dict()))
        again = load_config(JobConfig, tmp_path / "config.yaml")
        assert again == config
        assert fingerprint(again) == fingerprint(config)
        assert (
            draw(again.motions, seed=1, **SHAPE).parameters
            == draw(config.motions, seed=1, **SHAPE).parameters
        )
    assert JobConfig().motions == MotionMix.default()
    assert fingerprint(JobConfig.make({"motions": ["zoom_in"]})) != fingerprint(
        JobConfig.make({"motions": ["zoom_out"]})
    )


def test_a_mix_reads_well():
    assert str(MotionMix.make(MIX)) == "static, zoom_in {weight: 3.0, zoom: [1.2, 1.6], easing: ease_in_out}"
    assert any("motions" in line and "zoom_in" in line for line in describe(JobConfig))


def test_a_mix_travels_to_workers():
    mix = MotionMix.default()
    expected = draw(mix, seed=11, **SHAPE).quads_T42.tobytes()  # fills what is made on first use
    again = pickle.loads(pickle.dumps(mix))
    assert again == mix
    assert draw(again, seed=11, **SHAPE).quads_T42.tobytes() == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (["zom_in"], "motions.0: unknown motion 'zom_in'; the nearest is zoom_in"),
        (
            ["zoom_in", {"name": "zoom_in", "zoom": 9}],
            "motions.1: motion zoom_in: zoom = 9 is out of range: it must be 1 to 8 x",
        ),
        ([{"name": "pan_left", "distanse": 0.2}], "unknown parameter 'distanse'; the nearest is distance"),
        ([{"name": "static", "easing": "linear"}], "unknown parameter 'easing'; it has none"),
        (
            [{"name": "zoom_in", "weight": -1}],
            "motions.0.weight: -1 is out of range: it must be a number of at least 0",
        ),
        ([{"name": "zoom_in", "weight": "often"}], "motions.0.weight: 'often' is out of range"),
        ([{"name": "zoom_in", "weight": float("inf")}], "motions.0.weight: inf is out of range"),
        ([{"weight": 1}], "motions.0.name is required"),
        ([3], "motions.0: 3 is no motion: give its name, or {name: zoom_in"),
        ([], "at least one motion with a weight above 0"),
        ([{"name": "zoom_in", "weight": 0}], "at least one motion with a weight above 0"),
        (7, "motions: 7 is no list of motions"),
    ],
)
def test_mistakes_name_the_entry_in_one_line(value, words):
    with pytest.raises(ConfigError) as error:
        MotionMix.make(value)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError) as error:
        JobConfig.make({"motions": value})
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image_size": (0, 640)}, "image_size = (0, 640)"),
        ({"size": (224, -1)}, "size = (224, -1)"),
        ({"frames": 0}, "frames = 0: it must be 1 to 10000"),
        ({"fps": 0.0}, "fps = 0.0"),
        ({"seed": -1}, "seed = -1"),
    ],
)
def test_shapes_that_cannot_be(change, words):
    with pytest.raises(ConfigError) as error:
        draw(["zoom_in"], **{"seed": 1, **SHAPE, **change})
    assert words in str(error.value)


def test_a_users_motion_that_fails_is_refused_with_the_config(tmp_path, monkeypatch):
    head = "from transforms.motions import Camera, motion\n@motion('slip')\n"
    text = head + "def slip(t_T):\n    'Slips.'\n    return Camera(t_T + {})\n"
    (tmp_path / "slips.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ConfigError, match=r"motions\.1: motion slips:slip fails on a trial: TypeError: unsupported operand"
    ):
        JobConfig.make({"motions": ["static", "slips:slip"]})


def test_a_focus_is_written_as_a_mapping_or_an_override_and_reads_back(tmp_path):
    written = {"focus": "subject", "subject_share": 0.8, "mix": MIX}
    config = JobConfig.make({"motions": written})
    assert config.motions.focus == "subject"
    assert config.motions.subject_share == 0.8
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config.to_dict()))
    assert load_config(JobConfig, tmp_path / "config.yaml") == config
    assert pickle.loads(pickle.dumps(config)) == config
    (tmp_path / "list.yaml").write_text(yaml.safe_dump({"motions": MIX}))
    overridden = load_config(JobConfig, tmp_path / "list.yaml", ["motions.focus=subject"])
    assert overridden.motions == MotionMix.make({"focus": "subject", "mix": MIX})
    of_default = load_config(JobConfig, None, ["motions.focus=subject", "motions.subject_share=0.5"])
    assert of_default.motions.mix == MotionMix.default().mix
    assert of_default.motions.subject_share == 0.5
    assert (
        JobConfig.make({"motions": {"focus": "any", "mix": MIX}}).to_dict()
        == JobConfig.make({"motions": MIX}).to_dict()
    ), "without a focus the plain values, and so the fingerprint, are a list's"
    assert "every view holds 80 % of the subject" in str(config.motions)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"focus": "subjekt"}, "motions.focus: 'subjekt' is not known: it must be any or subject"),
        ({"focus": "subject", "subject_share": 1.5}, "motions.subject_share: 1.5 is out of range"),
        ({"subject_share": 0.5}, "subject_share = 0.5 has no effect with focus=any"),
        ({"focus": "subject", "mixx": ["zoom_in"]}, "unknown field mixx; known: focus, mix, subject_share"),
        ({"focus": "subject", "mix": 7}, "7 is no list of motions"),
    ],
)
def test_mistakes_in_a_focus_are_one_line(value, words):
    with pytest.raises(ConfigError) as error:
        JobConfig.make({"motions": value})
    assert words in str(error.value)
    assert "\n" not in str(error.value)
