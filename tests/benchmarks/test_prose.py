import ast

from benchmarks.prose import comment_lines, docstrings_and_comments, long_sentences

MODULE = '''"""A module."""

LIMIT = 3  # of something


def f():
    """A function."""
    # Why it does nothing,
    # in two lines.
'''


def test_docstrings_and_comments_are_both_prose() -> None:
    found = sorted(docstrings_and_comments(MODULE, ast.parse(MODULE)))
    assert found == [
        (1, "A module."),
        (3, "of something"),
        (7, "A function."),
        (8, "Why it does nothing,"),
        (9, "in two lines."),
    ]
    assert comment_lines(MODULE) == 3


def test_a_long_sentence_is_found_over_the_lines_of_its_paragraph() -> None:
    long = "one " * 20 + "\n" + "two " * 5 + "end."
    assert long_sentences(f"Short. {long} Short.") == [" ".join(long.split())]
    assert long_sentences("one " * 20 + "\n\n" + "two " * 20) == []


def test_code_tables_and_lists_are_no_long_sentences() -> None:
    words = "word " * 30
    assert long_sentences(f"```\n{words}\n```\n| {words} |\n# {words}\nname   {words}") == []
    assert long_sentences("- " + "a " * 20 + "\n- " + "b " * 20) == []
