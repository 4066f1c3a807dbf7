import zipfile
from pathlib import Path

import pytest

from pipelines.sources.pictures import Pictures
from schemas.errors import ConfigError
from schemas.records import Reason, SampleError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in" / "train").mkdir(parents=True)
    (tmp_path / "in" / "train" / "A.JPG").write_bytes(b"a")
    (tmp_path / "in" / "b.jpg").write_bytes(b"b")
    return tmp_path / "in"


def test_a_folder_is_listed_for_a_name_that_differs(folder: Path) -> None:
    pictures = Pictures(str(folder))
    assert [pictures.locate(name) for name in ("b.jpg", "a.jpg", "train\\a.jpg", "c.jpg")] == [
        "b.jpg",
        "train/A.JPG",
        "train/A.JPG",
        None,
    ]
    assert pictures.get("train/A.JPG") == (f"{folder}/train/A.JPG", None)
    assert pictures.example() in ("b.jpg", "train/A.JPG")


def test_members_of_zips_and_files_of_a_glob(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.ZIP", "w") as archive:
        archive.writestr("train/a.jpg", b"zipped")
    for root, picture in (
        (tmp_path / "a.ZIP", (None, b"zipped")),
        (f"{folder}/*/*", (f"{folder}/train/A.JPG", None)),
    ):
        pictures = Pictures(str(root))
        assert pictures.get("A.jpg") == picture
        with pytest.raises(SampleError) as caught:
            pictures.get("z.jpg")
        assert caught.value.reason == Reason.MISSING_IMAGE
        pictures.close()


@pytest.mark.parametrize(
    "name", ["", "../x.jpg", "/etc/passwd", "a\\..\\..\\x.jpg", "gs://b/x.jpg", "a\nb.jpg"]
)
def test_a_name_that_leads_out_of_the_folder_is_refused(folder: Path, name: str) -> None:
    pictures = Pictures(str(folder))
    assert pictures.locate(name) is None
    with pytest.raises(SampleError) as caught:
        pictures.get(name)
    assert caught.value.reason == Reason.MALFORMED_ROW


def test_places_that_hold_nothing(tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"PK\x05\x06")
    for place in ("none", "none.zip", "none/*.jpg"):
        with pytest.raises(FileNotFoundError, match=place.replace("*", r"\*")):
            Pictures(f"{tmp_path}/{place}")
    with pytest.raises(ConfigError, match=r"bad\.zip: not a whole zip"):
        Pictures(f"{tmp_path}/bad.zip")
