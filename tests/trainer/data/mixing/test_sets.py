"""The lines at the start of a run name each set, its share and its size."""

from trainer.data.config import DataConfig
from trainer.data.mixing.sets import describe_sets
from trainer.data.shards import ShardSet


def test_each_set_is_named_with_its_share_and_size():
    mix = [{"shards": "pictures/", "weight": 3}, {"shards": ["a.tar"]}]
    shards = [ShardSet(("p0.tar", "p1.tar"), 40), ShardSet(("a.tar",), None)]
    assert describe_sets(DataConfig.make({"mix": mix}), shards, "ranks 1") == [
        "data: 2 sets; ranks 1",
        "mix: 75 % from pictures/: 2 shards, 40 samples",
        "mix: 25 % from ['a.tar']: 1 shard, an unknown number of samples (no manifest)",
    ]
    assert describe_sets(DataConfig(shards="x"), shards[:1], "ranks 1") == [
        "data: 2 shards, 40 samples; ranks 1"
    ]
