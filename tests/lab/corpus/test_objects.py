from pathlib import Path

import numpy as np
import pytest

from lab.corpus.objects import PACKAGE, VERSION, drawn, emoji
from schemas.errors import ConfigError


def test_drawn_objects_have_different_names_and_pictures() -> None:
    sprites = drawn(40, seed=1)
    assert len({sprite.name for sprite in sprites}) == 40
    assert len({sprite.image_HW4.tobytes() for sprite in sprites}) == 40
    for sprite in sprites:
        assert sprite.image_HW4.shape == (64, 64, 4)
        assert sprite.image_HW4.dtype == np.uint8
        assert 0.05 < (sprite.image_HW4[..., 3] > 127).mean() < 0.95


def test_the_seed_chooses_the_objects() -> None:
    names = [[sprite.name for sprite in drawn(10, seed)] for seed in (1, 1, 2)]
    assert names[0] == names[1] != names[2]


def test_more_objects_than_there_are_is_an_error_with_the_number() -> None:
    with pytest.raises(ConfigError, match=r"corpus\.objects = 1000 must be at most 216"):
        drawn(1000, seed=0)


def test_a_package_with_another_checksum_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / f"{PACKAGE}-{VERSION}.tgz"
    archive.write_bytes(b"not the package")
    with pytest.raises(ConfigError, match="SHA-512") as refused:
        emoji(tmp_path, 4, seed=0)
    assert str(archive) in str(refused.value)


def test_without_npm_the_error_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"needs npm.*corpus\.kind=drawn"):
        emoji(tmp_path / "cache", 4, seed=0)
