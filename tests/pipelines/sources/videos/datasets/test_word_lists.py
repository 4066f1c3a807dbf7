from __future__ import annotations

import os
import pickle

import pytest

from pipelines.sources.videos.datasets.word_lists import read_word_lists

LISTS = {"v1_2_3": [["a", "cat", "runs"], ["the", "cat"]], "v2": [["un", "café"]]}
WANTED = {"v1_2_3": ["a cat runs", "the cat"], "v2": ["un café"]}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol(protocol):
    assert read_word_lists(pickle.dumps(LISTS, protocol)) == WANTED


def test_text_of_python_2():
    shortstring = b"(dp0\nS'v\\xc3\\xa9'\np1\n(lp2\n(lp3\nS'caf\\xe9'\np4\naS'x'\np5\naas."
    assert read_word_lists(shortstring) == {"vé": ["café x"]}


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_runs_something_is_refused_and_not_run(tmp_path, protocol):
    mark = tmp_path / "was-run"
    with pytest.raises(
        ValueError, match=r"refused, and nothing in it was run: its instruction (STACK_)?GLOBAL"
    ) as caught:
        read_word_lists(pickle.dumps({"v": [[Evil(mark)]]}, protocol))
    assert "\n" not in str(caught.value)
    assert not mark.exists()


def test_what_hides_behind_text_of_python_2_is_not_run_either(tmp_path):
    mark = tmp_path / "was-run"
    data = b"(dp0\nS'\\xe9'\np1\ncposix\nsystem\n(S'touch " + str(mark).encode() + b"'\ntRs."
    with pytest.raises(ValueError, match=r"asks for posix\.system"):
        read_word_lists(data)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not a pickle"),
        (b"hello", "refused"),
        (pickle.dumps(LISTS)[:-9], "not a pickle, or cut off"),
        (pickle.dumps([1, 2]), "holds a list"),
        (pickle.dumps({"v": "text"}), "a list of captions is wanted"),
        (pickle.dumps({"v": [[1.5]]}), "BINFLOAT"),
        (pickle.dumps({"v": [[7]]}), "a word must be text"),
        (b"\x80\x02}r\xff\xff\xff\x7f.", "memo number"),
        (b"\x80\x02cos\nsystem\n.", "GLOBAL"),
        (b"\x80\x02h\x05.", "broken pickle|not a pickle"),
        (b"\x80\x02Pabc\n.", "PERSID"),
    ],
)
def test_what_is_no_dict_of_word_lists_is_refused_in_one_line(data, says):
    with pytest.raises(ValueError, match=says) as caught:
        read_word_lists(data)
    assert "\n" not in str(caught.value)


def test_words_shared_without_end_are_refused():
    words = ["w"] * 20_000
    captions = [words] * 20_000
    with pytest.raises(ValueError, match="over 50000000 words"):
        read_word_lists(pickle.dumps({f"v{i}": captions for i in range(1000)}))
