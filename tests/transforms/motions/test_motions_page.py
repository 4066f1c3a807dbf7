"""docs/motions.md beside the code: every motion with its picture, and every default and range as they are."""

import re
from pathlib import Path

import pytest
from PIL import Image

from transforms.motions import built_in_motions
from transforms.motions.builtin.keyframes import FIELDS, MAX_VIEWS
from transforms.motions.motion import MAX_HOLD, TIMING

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "motions.md").read_text()


def row(name):
    (line,) = re.findall(rf"^\| .*\| `{re.escape(name)}` \|.*$", PAGE, flags=re.M)
    return line


@pytest.mark.parametrize(
    "name", [*built_in_motions(), "rotate_cw+zoom_in", "pan_left+crop_jitter", "zoom_out+crop_jitter"]
)
def test_every_motion_has_its_moving_picture(name):
    (picture,) = re.findall(r"!\[\]\((.*?)\)", row(name))
    assert picture == f"pictures/{name}.gif"
    with Image.open(DOCS / picture) as image:
        assert (getattr(image, "n_frames", 1) > 1) == (name not in ("static", "held"))
    assert (DOCS / picture).stat().st_size < 300_000


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in built_in_motions()
        if "likewise" not in row(n) and not n.startswith("pan_") and n != "keyframes"
    ],
)
def test_the_page_says_the_defaults_and_ranges_of_the_code(name):
    for parameter in built_in_motions()[name].own:
        assert f"`{parameter.name}`" in row(name)
        low, high = parameter.default
        if parameter.name != "direction":
            assert f"{low:g} to {high:g}" in row(name)
        if parameter.high not in (1.0, 360.0) and not name.startswith("tilt_"):
            assert f"{parameter.low:g} to {parameter.high:g}" in row(name)


@pytest.mark.parametrize(
    ("name", "file"),
    [("zoom_in>pan_left", "zoom_in-then-pan_left"), ("zoom_in\\|pan_left", "zoom_in-cut-pan_left")],
)
def test_sequences_and_cuts_have_moving_pictures_too(name, file):
    assert f"![](pictures/{file}.gif)" in row(name)
    with Image.open(DOCS / f"pictures/{file}.gif") as image:
        assert image.n_frames == 16


def test_the_page_says_the_fields_of_a_view():
    for name, (low, high, usual) in FIELDS.items():
        (line,) = re.findall(rf"^\| .*`{name}`.* \| {usual:g} \(.*$", PAGE, flags=re.M)
        assert f"{low:g} to {high:g}".replace("-", "−") in line
    assert f"a list of 2 to {MAX_VIEWS} views" in PAGE


def test_the_page_says_the_timing_of_the_code():
    for parameter in TIMING:
        assert f"| `{parameter.name}` |" in PAGE
    assert f"together at most {MAX_HOLD:g}" in PAGE


def test_the_pictures_together_stay_small():
    assert (
        sum(path.stat().st_size for path in (DOCS / "pictures").iterdir() if f"pictures/{path.name}" in PAGE)
        < 4_250_000
    )
