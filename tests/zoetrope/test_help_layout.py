"""The layout of help texts."""

from __future__ import annotations

import shlex

from zoetrope.help_layout import wrapped


def lines(text: str, width: int = 30) -> list[str]:
    return list(wrapped(text, width))


def test_prose_is_joined_and_wrapped_and_blank_lines_stay():
    assert lines("one two\nthree four five six seven\n\neight") == [
        "one two three four five six",
        "seven",
        "",
        "eight",
    ]


def test_a_command_continues_with_a_backslash_and_can_be_copied():
    command = "  zoetrope animate 'a b/*.tar' -o clips/ \\\n      store=still --config coco"
    shown = lines(command)
    assert shown == [
        "  zoetrope animate \\",
        "      'a b/*.tar' -o clips/ \\",
        "      store=still \\",
        "      --config coco",
    ]
    joined = "\n".join(shown).replace("\\\n", " ")
    assert shlex.split(joined) == shlex.split(command.replace("\\\n", " "))


def test_rows_of_a_table_continue_below_their_last_column():
    assert lines("layouts:\n  npy    a folder with vectors and rows") == [
        "layouts:",
        "  npy    a folder with vectors",
        "         and rows",
    ]


def test_a_field_continues_at_six_spaces_and_choices_break_at_bars():
    field = "  video.preset  (ultrafast|superfast|veryfast; default null)\n      effort of the encoder; slower is smaller"
    assert lines(field, 36) == [
        "  video.preset  (ultrafast|",
        "      superfast|veryfast; default",
        "      null)",
        "      effort of the encoder; slower",
        "      is smaller",
    ]
