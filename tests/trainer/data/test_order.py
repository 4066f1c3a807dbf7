"""The order of reading: slots, shards and the shuffle buffer."""

from __future__ import annotations

import random

import pytest

from schemas.errors import ConfigError
from storage.shards.read import RawSample
from trainer.data.order import check_slots, fitting_workers, share, shuffled, turns_of


@pytest.mark.parametrize(("shards", "slots"), [(8, 4), (7, 3), (5, 5), (13, 4)])
def test_every_shard_goes_to_exactly_one_slot_in_every_epoch(shards: int, slots: int) -> None:
    names = [f"{i:05d}.tar" for i in range(shards)]
    for epoch in range(6):
        dealt = [share(names, seed=1, epoch=epoch, slot=slot, slots=slots) for slot in range(slots)]
        assert sorted(name for part in dealt for name in part) == names
        assert all(part for part in dealt)


def test_slots_read_equally_much_over_the_epochs() -> None:
    names = [str(i) for i in range(7)]
    counts = [sum(len(share(names, seed=1, epoch=e, slot=s, slots=3)) for e in range(3)) for s in range(3)]
    assert counts == [7, 7, 7]


def test_shard_order_differs_by_epoch_and_seed_and_is_the_same_again() -> None:
    names = [str(i) for i in range(20)]
    orders = [share(names, seed=s, epoch=e, slot=0, slots=1) for s in (0, 1) for e in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4
    assert orders[0] == share(names, seed=0, epoch=0, slot=0, slots=1)


def test_too_few_shards_says_both_numbers_and_the_fix() -> None:
    with pytest.raises(ConfigError, match=r"6 shards for 2 ranks x 4 workers = 8 readers.*data.workers=3"):
        check_slots(6, 2, 4)
    with pytest.raises(ConfigError, match=r"1 shard for 2 ranks x 1 workers.*at most 1 process with"):
        check_slots(1, 2, 0)
    check_slots(8, 2, 4)


def test_more_workers_than_shards_are_lowered_and_said_by_the_first_rank(caplog) -> None:
    assert fitting_workers(6, 2, 4, rank=1) == 3
    assert not caplog.messages
    assert fitting_workers(6, 2, 4) == 3
    assert caplog.messages == [
        "data.workers = 4 is lowered to 3: data.shards has 6 shards for 2 ranks, and each reader needs one; "
        "smaller shards (shard.max_samples) allow more"
    ]
    assert (fitting_workers(8, 2, 4), fitting_workers(1, 1, 0)) == (4, 0)
    with pytest.raises(ConfigError, match=r"1 shard for 2 ranks x 1 workers.*at most 1 process with"):
        fitting_workers(1, 2, 0)


def test_the_buffer_fills_before_anything_leaves_and_nothing_is_lost() -> None:
    samples = [RawSample("a", str(i), {"txt": b"x" * 10}) for i in range(50)]
    taken = 0

    def count():
        nonlocal taken
        for sample in samples:
            taken += 1
            yield sample

    stream = shuffled(count(), random.Random(0), max_samples=20, max_bytes=10**6)
    first = next(stream)
    assert taken == 21
    out = [first, *stream]
    assert sorted(int(s.key) for s in out) == list(range(50))
    assert [s.key for s in out] != [s.key for s in samples]
    taken = 0
    next(shuffled(count(), random.Random(0), max_samples=20, max_bytes=55))
    assert taken == 6  # five fit into 55 bytes


def test_no_buffer_keeps_the_order() -> None:
    samples = [RawSample("a", str(i), {"txt": b"x"}) for i in range(5)]
    assert list(shuffled(samples, random.Random(0), max_samples=0, max_bytes=10)) == samples


@pytest.mark.parametrize(("shards", "readers"), [(7, 3), (3, 3), (3, 7), (1, 4)])
def test_every_batch_of_an_evaluation_has_exactly_one_reader(shards: int, readers: int) -> None:
    taken = []
    for reader in range(readers):
        turns = turns_of(shards, reader, readers)
        assert all(turn.number < turn.readers for turn in turns.values()), "no reader reads in vain"
        taken += [(s, b) for s, turn in turns.items() for b in range(12) if b % turn.readers == turn.number]
    assert sorted(taken) == [(shard, batch) for shard in range(shards) for batch in range(12)]
