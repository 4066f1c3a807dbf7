"""The page of runs in a real browser: curves, the legend, the values under the pointer."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from preview.runs.page import write_page
from tests.preview.runs.test_summary import run

CHROMIUM = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)
ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]


def test_curves_hide_and_show_and_the_pointer_reads_values(tmp_path: Path) -> None:
    runs = [
        run("first", {"global_batch_size": 8}, t2v_R1=[1.0, 2.0, 3.0], loss=[3.0, 2.0, 1.0]),
        run("second", {"global_batch_size": 8}, t2v_R1=[4.0, 5.0, 6.5], mfu=[0.1, 0.2]),
    ]
    write_page(str(tmp_path / "page.html"), runs)
    problems: list[str] = []
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        page = browser.new_page(viewport={"width": 400, "height": 900})
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.goto((tmp_path / "page.html").as_uri())
        chart = page.locator("figure.chart", has_text="t2v.R1")
        assert chart.locator("polyline").count() == 2
        assert page.evaluate("document.documentElement.scrollWidth") == 400

        box = chart.locator("svg.plot").bounding_box()
        page.mouse.move(box["x"] + box["width"] - 12, box["y"] + 50)
        assert chart.locator(".tip").inner_text().split() == ["step", "30", "second", "6.5", "first", "3"]
        tip = chart.locator(".tip").bounding_box()
        assert tip["x"] >= 0
        assert tip["x"] + tip["width"] <= 400

        page.select_option("#axis", "samples")
        page.get_by_role("button", name="second").click()
        assert chart.locator("polyline").count() == 1
        chart.locator("svg.plot").press("ArrowRight")
        assert chart.locator(".tip").inner_text().split() == ["samples", "80", "first", "1"]
        browser.close()
    assert problems == []
