import pickle
from pathlib import Path

import pytest
from video_lists import planned

from schemas.errors import ConfigError


def test_captions_are_words_in_the_order_of_the_list(tmp_path: Path) -> None:
    path = tmp_path / "raw-captions.pkl"
    path.write_bytes(pickle.dumps({"a": [["a", "cat"], ["it", "sits"]], "b": [["a", "dog"]]}))
    (tmp_path / "test_list.txt").write_text("b\na\n")
    rows = planned(tmp_path, ["a.avi", "b.avi"], kind="msvd", annotations=path, split="test")
    assert rows == [("0000000-b", "a dog"), ("0000001-a", "a cat", "it sits")]


def test_a_pickle_of_anything_else_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "raw-captions.pkl"
    for data in (pickle.dumps([1]), pickle.dumps(Path("x")), b"no pickle"):
        path.write_bytes(data)
        with pytest.raises(ConfigError, match=r"source\.annotations: .*raw-captions\.pkl: "):
            planned(tmp_path, ["a.avi"], kind="msvd", annotations=path)
