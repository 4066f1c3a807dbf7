import pytest

from lab.corpus.backgrounds import backgrounds
from lab.corpus.objects import drawn
from lab.corpus.scenes import FARTHEST, caption, framed, one_object, split_pairs, training_scene, with_article
from schemas.errors import ConfigError


def test_no_pair_of_a_test_occurs_in_training_or_in_another_test() -> None:
    split = split_pairs(12, 10, content=20, motion=10, order=10, seed=3)
    sets = [split.train, split.content, split.motion, split.order]
    assert [len(pairs) for pairs in sets] == [80, 20, 10, 10]
    assert len({pair for pairs in sets for pair in pairs}) == 120


def test_training_scenes_show_training_pairs_alone() -> None:
    split = split_pairs(12, 10, content=20, motion=10, order=10, seed=3)
    scenes = [training_scene(split.train, seed) for seed in range(300)]
    shown = {(placed.thing, scene.background) for scene in scenes for placed in scene.things}
    assert shown <= set(split.train)
    two = sum(len(scene.things) == 2 for scene in scenes)
    assert 60 < two < 120  # 30 % of 300


def test_tests_that_would_take_most_pairs_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"raise corpus\.objects"):
        split_pairs(4, 4, content=9, motion=0, order=0, seed=0)


def test_a_caption_names_what_the_scene_shows() -> None:
    sprites, grounds = drawn(4, seed=0), backgrounds()
    scene = one_object((2, 5), seed=9)
    text = caption(scene, sprites, grounds)
    assert with_article(sprites[2].name) in text
    assert text.endswith(grounds[5].name)
    assert text == caption(one_object((2, 5), seed=9), sprites, grounds)


def test_articles() -> None:
    assert [with_article(name) for name in ("apple", "cat")] == ["an apple", "a cat"]


def test_a_picture_from_farther_away_shows_smaller_objects_inside_it() -> None:
    seen = []
    for seed in range(200):
        near = one_object((2, 5), seed)
        far = framed(near, FARTHEST)
        seen.append(far.views)
        (placed,), (before,) = far.things, near.things
        assert placed.size * far.views == pytest.approx(before.size)
        assert placed.size / 2 <= placed.x <= 1 - placed.size / 2
        assert placed.size / 2 <= placed.y <= 1 - placed.size / 2
    assert min(seen) >= 1.0
    assert max(seen) <= FARTHEST
    assert max(seen) - min(seen) > 0.9 * (FARTHEST - 1.0)
