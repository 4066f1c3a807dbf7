"""Which clips are equal: by name, by bytes, and by what their captions say of the motion."""

from __future__ import annotations

from dataclasses import replace

import make_shards as shards_of
import torch

from schemas.clip import ClipMeta
from storage.shards.read import RawSample
from trainer.data.identity import Identity, identity_of, same, with_caption


def meta(index: int, **changes) -> ClipMeta:
    key, members = shards_of.sample(index)
    return replace(RawSample("test.tar", key, members).meta(), **changes)


def equal(*identities: Identity) -> list[list[bool]]:
    ids = torch.tensor(identities)
    return same(ids, ids).tolist()


def test_equal_image_ids_are_one_picture_and_others_are_not() -> None:
    one, again, other = (identity_of(meta(i, image_id=name), None) for i, name in enumerate(("a", "a", "b")))
    assert equal(one, again, other) == [[True, True, False], [True, True, False], [False, False, True]]
    assert all(-(2**63) <= number < 2**63 for number in one)


def test_without_an_image_id_the_key_counts_and_the_source_too() -> None:
    assert equal(identity_of(meta(1), None), identity_of(meta(2), None))[0] == [True, False]
    elsewhere = meta(1, source="elsewhere")
    assert equal(identity_of(meta(1), None), identity_of(elsewhere, None))[0] == [True, False]


def test_pictures_of_equal_bytes_are_equal_whatever_their_keys() -> None:
    one, other = meta(1, sha256="ab" * 32), meta(2, sha256="ab" * 32, source="elsewhere", image_id="x")
    assert equal(identity_of(one, None), identity_of(other, None))[0] == [True, True]


def test_clips_cut_from_one_video_file_are_not_equal() -> None:
    one, other = (meta(i, sha256="ab" * 32, kind="video") for i in (1, 2))
    assert equal(identity_of(one, None), identity_of(other, None))[0] == [True, False]


def test_motions_make_a_difference_when_both_captions_name_them() -> None:
    left, right, silent = (identity_of(meta(1), motion) for motion in ("pans left", "pans right", None))
    assert equal(left, right, silent) == [[True, False, True], [False, True, True], [True, True, True]]
    other_picture = identity_of(meta(2), "pans left")
    assert equal(left, other_picture)[0] == [True, False]


def test_plain_numbers_are_equal_if_they_are_equal() -> None:
    assert same(torch.tensor([1, 2]), torch.tensor([2, 1, 1])).tolist() == [
        [False, True, True],
        [True, False, False],
    ]


def test_clips_of_one_caption_are_equal_where_that_is_asked_for() -> None:
    one, other, third = (identity_of(meta(i), None) for i in range(3))
    said = [with_caption(one, "up"), with_caption(other, "up"), with_caption(third, "down")]
    assert equal(one, other, third)[0] == [True, False, False]
    assert equal(*said) == [[True, True, False], [True, True, False], [False, False, True]]
