"""Rules on captions: known values, in several scripts."""

from __future__ import annotations

import pytest

from schemas.errors import ConfigError
from transforms.curation.captions import (
    CAPTION_RULES,
    CaptionCharacters,
    CaptionJunk,
    CaptionLetters,
    CaptionRepetition,
    CaptionWords,
)
from transforms.curation.rule import Look


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("a dog's ball, red", 5),  # dog and s, as \w has it
        ("", 0),
        ("一只狗在海滩上", 7),
        ("собака на пляже", 3),
        ("犬 dog2", 2),
    ],
)
def test_words_are_counted_in_every_script(caption, words):
    assert CaptionWords().score(Look(caption)) == words


def test_characters_are_counted_and_not_bytes():
    assert CaptionCharacters().score(Look("Ça va?")) == 6


@pytest.mark.parametrize(
    ("caption", "share"), [("ab1 2", 0.5), ("собака", 1.0), ("$ 12.99", 0.0), ("", 0.0), ("คำ", 1.0)]
)
def test_letters_and_marks_of_any_script_count_as_letters(caption, share):
    assert CaptionLetters().score(Look(caption)) == pytest.approx(share)


def test_repetition_is_the_share_of_words_that_came_before():
    assert CaptionRepetition().score(Look("Wallpaper HD wallpaper, best WALLPAPER")) == pytest.approx(0.4)
    assert CaptionRepetition().score(Look("...")) == 0.0


@pytest.mark.parametrize(
    "caption",
    [
        "IMG_2034.JPG",
        "DSC01234",
        "https://example.com/a?b=c",
        "1920x1080",
        "1920 x 1080 px",
        "alt_img",
        "<img src=x>",
        "550e8400-e29b-41d4-a716-446655440000",
        "me@example.com",
        "20231104",
        "Screenshot 2034",
    ],
)
def test_alt_texts_that_describe_nothing_are_junk(caption):
    assert CaptionJunk().score(Look(caption)) > 0.9


@pytest.mark.parametrize(
    "caption",
    [
        "a dog on a beach",
        "portrait of a woman, 35",
        "décor façade",
        "x-ray of a hand",
        "photo of 3 cats",
        "三只猫",
    ],
)
def test_descriptions_hold_no_junk(caption):
    assert CaptionJunk().score(Look(caption)) == 0.0


def test_junk_of_any_text_ends_at_once():
    for text in ("a" * 1000, "1x" * 500, "_" * 1000, "<a" * 500, "a-" * 500, "0a-" * 333):
        assert 0 <= CaptionJunk().score(Look(text)) <= 1


def test_thresholds_are_inclusive_and_named_in_the_refusal():
    rule = CaptionWords(min=3, max=4)
    assert rule.refusal(3) is None
    assert rule.refusal(4) is None
    assert rule.refusal(2) == "2, under min=3"
    assert rule.refusal(5) == "5, over max=4"


@pytest.mark.parametrize("rule", CAPTION_RULES)
def test_every_rule_has_a_line_of_help_and_a_range(rule):
    assert rule.__doc__
    with pytest.raises(ConfigError, match=r"it must be >= .* and <= "):
        rule.make({next(iter(rule.model_fields)): -1})
