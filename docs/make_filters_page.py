"""Make docs/pictures/filters.png: the page of `zoetrope filters` on sample photographs.

Some of the photographs are damaged copies. `make docs` runs it.

Where there is no Chromium, the picture stays as it is.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import chdir
from pathlib import Path

from PIL import Image, ImageFilter

from docs.make_screenshot import ARGUMENTS, QUIET, TIMEOUT, find_browser, save
from zoetrope.cli import main as zoetrope
from zoetrope.samples import write_folder

PICTURE = Path(__file__).parent / "pictures" / "filters.png"
WIDTH, HEIGHT = 1100, 900  # pixels
FILTERS = "filters=[picture_blur, picture_black, near_duplicates]"
PHOTOGRAPHS = 80


def main() -> int:
    """Write the picture; returns 0, also where there is no browser to make it with."""
    browser = find_browser()
    if browser is None:
        print(f"no Chromium here: {PICTURE.name} stays as it is")
        return 0
    with tempfile.TemporaryDirectory() as name, chdir(name):  # the page shows the path of the pictures
        _damage(write_folder(Path("pictures"), PHOTOGRAPHS))
        code = zoetrope(["filters", "pictures/", FILTERS, "-o", "filters.html"])
        if code:
            return code
        save(_shoot(browser, Path("filters.html").resolve()), PICTURE)
    return 0


def _damage(folder: Path) -> None:
    """Add blurred, dark and smaller copies of the photographs."""
    for number, path in enumerate(sorted(folder.glob("*.jpg"))[::5]):
        picture = Image.open(path).convert("RGB")
        caption = path.with_suffix(".txt").read_text().strip()
        copies = {
            "blurred": picture.filter(ImageFilter.GaussianBlur(0.6 + number / 3)),
            "dark": picture.point([value // (4 + number) for value in range(256)] * 3),
            "smaller": picture.resize((picture.width * 3 // 4, picture.height * 3 // 4)),
        }
        for kind, copy in copies.items():
            copy.save(folder / f"{path.stem}-{kind}.jpg", quality=90)
            (folder / f"{path.stem}-{kind}.txt").write_text(f"{caption}, {kind}")


def _shoot(browser: str, file: Path) -> bytes:
    """A PNG of the top of the page."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        opened = running.chromium.launch(executable_path=browser, args=[*ARGUMENTS, *QUIET])
        page = opened.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(TIMEOUT)
        page.goto(file.as_uri())
        shot = page.screenshot()
        opened.close()
    return bytes(shot)


if __name__ == "__main__":
    sys.exit(main())
