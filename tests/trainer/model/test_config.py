"""ModelConfig: options that belong together, and errors that say what to change."""

import itertools

import pytest
from tiny_models import tiny_config

from schemas.errors import ConfigError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sim_type": "meanP", "temporal_type": "TDB"}, "temporal_type='TDB' needs sim_type=seqTransf"),
        (
            {"temporal_type": "", "temporal_proj": "sigmoid_mlp"},
            "temporal_proj='sigmoid_mlp' needs temporal_type=TDB",
        ),
        ({"center_type": "", "center_proj": "TAB"}, "center_proj='TAB' needs center_type=TAB"),
        ({"temporal_type": "", "center_proj": "TAB_TDB"}, "center_proj='TAB_TDB' needs temporal_type=TDB"),
        ({"clip": {"embed_dim": 24, "visoin": {}}}, "clip: unknown field visoin"),
        (
            {"clip": {"vision": {"width": 30, "head_width": 16}}},
            "cannot divide vision.width by vision.head_width",
        ),
        ({"centerK": 0}, "centerK = 0 is not allowed"),
    ],
)
def test_options_without_effect_and_wrong_ones_are_errors(changes, message):
    with pytest.raises(ConfigError) as error:
        tiny_config(**changes)
    assert message in str(error.value)


def test_dependent_options_follow_and_survive_a_round_trip():
    for sim, temporal, center in itertools.product(("meanP", "seqTransf"), ("", "TDB"), ("", "TAB")):
        if sim == "meanP" and temporal:
            continue
        config = tiny_config(sim_type=sim, temporal_type=temporal, center_type=center)
        assert type(config).make(config.to_dict()) == config
        assert bool(config.temporal_proj) == bool(temporal)
    assert tiny_config(sim_type="meanP").center_proj == ""
    assert tiny_config(temporal_type="").center_proj == "TAB"
