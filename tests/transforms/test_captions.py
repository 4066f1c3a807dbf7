"""Captions."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigError
from schemas.records import Reason, SampleError, Stage
from transforms.captions import CaptionConfig, add_motion_phrase, append, choose, normalise, normalise_all


def flag(region: str) -> str:
    """The emoji of a region's flag: a black flag, tag characters, the end tag."""
    return "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in region) + "\U000e007f"


ENGLAND, SCOTLAND, WALES, TEXAS = map(flag, ("gbeng", "gbsct", "gbwls", "ustx"))


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  a  dog\t on\r\n the\u00a0beach ", "a dog on the beach"),
        ("salt &amp; pepper", "salt & pepper"),
        (
            "salt &amp;amp; pepper &quot;grinder&quot; &#39;set&#39; &eacute;",
            "salt & pepper \"grinder\" 'set' é",
        ),
        ("bell\x07 and\x00nul and del\x7f", "bell and nul and del"),
        ("zero\u200bwidth \ufeffmark \u202eturned", "zerowidth mark turned"),
        ("cafe\u0301", "café"),
        ("family \U0001f468\u200d\U0001f469", "family \U0001f468\u200d\U0001f469"),
        ("half \ud83d pair", "half pair"),
        (f"a {ENGLAND} and a {SCOTLAND}{WALES} flag", f"a {ENGLAND} and a {SCOTLAND}{WALES} flag"),
        (
            f"a pirate \U0001f3f4\u200d\u2620\ufe0f and {TEXAS}",
            f"a pirate \U0001f3f4\u200d\u2620\ufe0f and {TEXAS}",
        ),
        ("hidden\U000e0068\U000e0069\U000e007f text", "hidden text"),
        ("a flag \U0001f3f4\U000e0067\U000e0062 cut off", "a flag \U0001f3f4 cut off"),
        ("\U0001f3f4" + "\U000e0061" * 50 + "\U000e007f", "\U0001f3f4"),
        ("verse \u06dd\u0661 in \u0600\u0661", "verse \u06dd\u0661 in \u0600\u0661"),
        ("نمی\u200cخواهم and क्\u200dष", "نمی\u200cخواهم and क्\u200dष"),
        ("&nbsp;&#10;", ""),
        ("\u200d \u200c\ufe0f", ""),
        ("", ""),
    ],
)
def test_normalise(raw: str, clean: str) -> None:
    assert normalise(raw) == clean


@pytest.mark.parametrize(
    ("limit", "cut"),
    [
        (100, "one three five"),
        (14, "one three five"),
        (13, "one three"),
        (9, "one three"),
        (8, "one"),
        (2, "on"),
    ],
)
def test_length_is_capped_between_words(limit: int, cut: str) -> None:
    assert normalise("one three five", limit) == cut


def test_a_cut_within_a_flag_leaves_no_tag_characters() -> None:
    assert normalise(ENGLAND + WALES, 10) == ENGLAND + "\U0001f3f4"


@given(st.text(max_size=80), st.integers(1, 40))
def test_a_caption_is_always_one_clean_line(text: str, limit: int) -> None:
    clean = normalise(text, limit)
    assert len(clean) <= limit
    assert clean == " ".join(clean.split())
    assert unicodedata.is_normalized("NFC", clean)
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in clean)
    clean.encode()


def test_empty_captions_are_dropped_and_none_is_a_failure() -> None:
    assert normalise_all(["", " a ", "\x00", "b"], 100) == ("a", "b")
    with pytest.raises(SampleError) as caught:
        normalise_all([" ", "\u200b"], 100)
    assert (caught.value.stage, caught.value.reason) == (Stage.CAPTION, Reason.EMPTY_CAPTION)


def test_the_random_caption_follows_the_key() -> None:
    captions = ("a", "b", "c")
    assert choose(captions, "first", seed=1, key="x") == "a"
    drawn = [choose(captions, "random", seed=1, key=f"k{i}") for i in range(300)]
    assert drawn == [choose(captions, "random", seed=1, key=f"k{i}") for i in range(300)]
    assert all(70 < drawn.count(c) < 130 for c in captions)
    assert drawn != [choose(captions, "random", seed=2, key=f"k{i}") for i in range(300)]


@pytest.mark.parametrize(
    ("caption", "told"),
    [
        ("A dog", "A dog, as the camera pans left"),
        ("A dog.", "A dog, as the camera pans left."),
        ("A dog ,", "A dog, as the camera pans left"),
        ("Look at that dog!", "Look at that dog! The camera pans left."),
    ],
)
def test_a_phrase_is_appended(caption: str, told: str) -> None:
    assert append(caption, "as the camera pans left") == told


def test_config_errors_name_the_field_and_the_range() -> None:
    with pytest.raises(ConfigError, match=r"motion_phrases = 2 .* >= 0.0 and <= 1.0"):
        CaptionConfig.make({"motion_phrases": 2})
    with pytest.raises(ConfigError, match=r"pick = 'last' .* first, random"):
        CaptionConfig.make({"pick": "last"})


def test_a_motion_phrase_is_added_with_a_probability_that_the_key_decides() -> None:
    def said(probability: float) -> list[str]:
        options = {"probability": probability, "seed": 1}
        added = [add_motion_phrase("A dog.", "pan_left", {}, key=f"k{i}", **options) for i in range(400)]
        for caption, phrase in added:
            assert caption == ("A dog." if phrase is None else append("A dog.", phrase))
        return [caption for caption, phrase in added if phrase is not None]

    assert said(0.0) == []
    assert len(said(1.0)) == 400
    assert 140 < len(said(0.5)) < 260
    assert add_motion_phrase("A dog.", "my:spin", {}, probability=1.0, seed=1, key="k") == ("A dog.", None)
