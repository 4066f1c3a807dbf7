"""Tars that are added, and those that a limit has cut off."""

from __future__ import annotations

import pytest
from grown import known_of, read_keys
from source_checks import source_of

from schemas.errors import ConfigError
from zoetrope.samples import write_tars


def test_a_further_tar_has_the_next_number_and_the_others_keep_theirs(tmp_path):
    write_tars(tmp_path / "all", 6, per_tar=3)
    one, two = sorted((tmp_path / "all").glob("*.tar"))
    (tmp_path / "in").mkdir()
    two.rename(tmp_path / "in" / two.name)
    source = source_of(kind="tars", uri=tmp_path / "in" / "*.tar")
    first = list(source.plan())
    before = read_keys(source, first)
    one.rename(tmp_path / "in" / one.name)
    grown = list(source.plan_from(known_of(first)))
    assert grown[:1] == first
    keys = read_keys(source, grown)
    assert keys[: len(before)] == before
    assert len(set(keys)) == 6
    assert grown[1].payload["tar"] == 1


def test_a_higher_limit_goes_on_in_the_middle_of_a_tar(tmp_path):
    write_tars(tmp_path, 6, per_tar=3)
    uri = tmp_path / "*.tar"
    whole = source_of(kind="tars", uri=uri)
    keys = read_keys(whole, list(whole.plan()))
    source = source_of(kind="tars", uri=uri, limit=2)
    known = known_of(list(source.plan()))
    assert read_keys(whole, list(whole.plan_from(known))) == keys
    source = source_of(kind="tars", uri=uri, limit=4)
    grown = list(source.plan_from(known))
    assert read_keys(source, grown) == keys[:4]
    further = known_of(grown[1:], first=1, after=known)
    assert read_keys(whole, list(whole.plan_from(further))) == keys


def test_a_tar_of_another_size_is_refused(tmp_path):
    write_tars(tmp_path, 4)
    (tar,) = tmp_path.glob("*.tar")
    source = source_of(kind="tars", uri=tmp_path / "*.tar")
    known = known_of(list(source.plan()))
    tar.write_bytes(tar.read_bytes() + b"\0" * 10240)
    with pytest.raises(ConfigError, match=r"\.tar: it has another size"):
        list(source.plan_from(known))
