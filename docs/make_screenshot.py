"""Make docs/pictures/studio.png: the studio in a real browser, on a sample photograph. `make docs` runs it.

Where there is no Chromium, the picture stays as it is.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from zoetrope.samples import write_folder

PICTURE = Path(__file__).parent / "pictures" / "studio.png"
WIDTH, HEIGHT = 1280, 1020  # pixels
COLOURS = 256
TIMEOUT = 240_000  # milliseconds, for a busy machine
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
)
QUIET = ("--disable-background-networking", "--disable-component-update")


def main() -> int:
    """Write the picture; returns 0, also where there is no browser to make it with."""
    browser = find_browser()
    if browser is None:
        print(f"no Chromium here: {PICTURE.name} stays as it is")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        photographs = write_folder(Path(folder) / "photographs", 8)
        command = [sys.executable, "-u", "-m", "zoetrope.cli", "studio", str(photographs), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as studio:
            assert studio.stdout is not None
            try:
                shot = _shoot(browser, studio.stdout.readline().split()[2])
            finally:
                studio.terminate()
    save(shot, PICTURE)
    return 0


def find_browser() -> str | None:
    """The path of a Chromium; None if there is none."""
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    return next((path for path in found if path), None)


def save(shot: bytes, path: Path) -> None:
    """Write a screenshot with a palette, a third of the bytes of true colour."""
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    palette = picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, kmeans=1)
    picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


def _shoot(browser: str, address: str) -> bytes:
    """A PNG of the Motions tab: a composition and the same with another seed, on a late frame."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        opened = running.chromium.launch(executable_path=browser, args=[*ARGUMENTS, *QUIET])
        page = opened.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(TIMEOUT)
        page.goto(address)
        page.locator("#pictures [title='coffee.jpg']").click()
        page.locator("[data-motion=rotate_cw]").click()
        page.select_option("select[aria-label='Combine with another motion']", "zoom_in")
        page.get_by_text("rotate_cw+zoom_in:").wait_for()
        page.select_option("#compare", "seed")
        page.locator("#player figcaption").nth(1).wait_for()
        page.locator("#player input[type=range]").fill("8")
        page.evaluate(
            "Promise.all([...document.images].map((image) => image.complete || new Promise((done) => "
            "(image.onload = done))))"
        )
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        shot = page.screenshot()
        opened.close()
    return bytes(shot)


if __name__ == "__main__":
    sys.exit(main())
