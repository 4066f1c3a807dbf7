import pytest

from pipelines.sources.annotations.names import NameIndex, folded, stem

PATHS = ["train/A.JPG", "train/caf\u00e9.jpg", "val/1.jpg", "train/1.jpg", "val/2.png", "b.tar.gz"]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("train/A.JPG", "train/A.JPG"),
        ("train\\a.jpg", "train/A.JPG"),
        ("./Train/a.jpg", "train/A.JPG"),
        ("a.jpg", "train/A.JPG"),
        ("cafe\u0301.jpg", "train/caf\u00e9.jpg"),
        ("val/1.jpg", "val/1.jpg"),
        ("val/2", "val/2.png"),
        ("2", "val/2.png"),
        ("1.jpg", None),  # two files
        ("2.jpg", None),
        ("nothing", None),
    ],
)
def test_a_name_finds_its_one_file(name: str, path: str | None) -> None:
    assert NameIndex(PATHS).get(name) == path


def test_the_parts_of_names() -> None:
    assert folded("A\\B.JPG") == "a/b.jpg"
    assert [stem(name) for name in ("a.jpg", "x.y/a", "x/.hidden", "a.b.c")] == [
        "a",
        "x.y/a",
        "x/.hidden",
        "a.b",
    ]
