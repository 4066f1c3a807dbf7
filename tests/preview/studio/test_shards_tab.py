"""The Shards tab in a real browser: order, histograms, the dialog, tags, and the address."""

import importlib
import re
from types import SimpleNamespace

import pytest
from studio_page import until

from pipelines.config import AnimateConfig

pytestmark = pytest.mark.browser
FIRST = "document.querySelector('#clips .card > :last-child')?.textContent"


@pytest.fixture
def page(calm_page):
    return calm_page


def opened(page, address, values=""):
    page.goto("about:blank")
    page.goto(f"{address}/#shards{values}")
    page.wait_for_selector("#clips .card")
    until(page, "document.querySelectorAll('#histograms .bar').length > 0")
    return page


def total(page, wanted):
    until(page, f"document.getElementById('total').textContent === '{wanted}'")


def test_clips_are_sorted_and_the_address_keeps_the_order(served, page):
    opened(page, served)
    page.select_option("#sort", "-caption_length")
    until(
        page, f"{FIRST}?.includes('0000013')"
    )  # plain word word word word word word 13, the first of its length
    assert "sort=-caption_length" in page.url
    page.reload()
    until(page, f"{FIRST}?.includes('0000013')")
    assert page.input_value("#sort") == "-caption_length"
    page.go_back()
    until(page, f"{FIRST}?.includes('0000000')")


def test_a_bar_of_a_histogram_filters_and_its_chip_removes_the_filter(served, page):
    opened(page, served)
    page.click("#histograms-box summary")
    bar = page.get_by_role("group", name="Zoom of the tightest view (x)").locator(".bar").nth(1)
    shown = bar.locator(".number").text_content()
    bar.click()
    total(page, shown)
    assert bar.get_attribute("aria-pressed") == "true"
    page.get_by_role("group", name="Motion").locator(".bar").first.click()
    until(page, "document.querySelectorAll('#chips .chip').length === 2")
    page.reload()
    until(page, "document.querySelectorAll('#chips .chip').length === 2")
    page.get_by_role("button", name="Remove all").click()
    total(page, "60")
    assert not page.problems


def test_the_dialog_goes_to_its_neighbours_also_over_the_end_of_a_page(served, page):
    opened(page, served)
    page.locator("#clips .card").nth(22).click()
    page.wait_for_selector("dialog[open] td")
    title = "document.getElementById('sample-title').textContent"
    page.keyboard.press("ArrowRight")
    until(page, f"{title} === '0000023'")
    page.click("#sample-next")
    until(page, f"{title} === '0000024'")
    until(page, "document.getElementById('page').value === '2'")
    page.keyboard.press("ArrowLeft")
    until(page, f"{title} === '0000023'")
    page.reload()
    page.wait_for_selector("dialog[open] td")
    assert page.evaluate(title) == "0000023"
    page.keyboard.press("Escape")
    until(page, "!document.getElementById('sample').open")
    until(page, "!location.href.includes('clip=')")
    assert not page.problems


def test_samples_are_tagged_and_exported_as_a_list_and_as_a_filter(served, page, tmp_path, monkeypatch):
    opened(page, served)
    page.locator("#clips .tag").nth(2).click()
    page.locator("#clips .card").nth(5).focus()
    page.keyboard.press("t")
    page.fill("#tag", "Bad tag!")
    page.keyboard.press("Tab")
    assert page.get_attribute("#tag", "aria-invalid") == "true"
    page.fill("#tag", "long")
    page.keyboard.press("Tab")
    page.fill("#f-caption", "word word word word word word")
    page.keyboard.press("Enter")
    total(page, "8")
    page.click("#tag-all")
    until(page, "document.querySelectorAll('#tagged option').length === 3")
    page.select_option("#tagged", "drop")
    total(page, "2")
    page.reload()
    total(page, "2")
    with page.expect_download() as saved:
        page.click("#export-keys")
    assert saved.value.suggested_filename == "drop.txt"
    saved.value.save_as(tmp_path / "drop.txt")
    keys = (tmp_path / "drop.txt").read_text().split()
    assert keys == ["0000002", "0000005"]
    with page.expect_download() as saved:
        page.click("#export-filter")
    assert saved.value.suggested_filename == "tagged_drop.py"
    saved.value.save_as(tmp_path / "tagged_drop.py")
    monkeypatch.syspath_prepend(tmp_path)
    source = {"kind": "folder", "uri": str(tmp_path)}
    filters = ["tagged_drop:drop", "tagged_drop:keep"]
    assert len(AnimateConfig.make({"source": source, "output": "o", "filters": filters}).filters) == 2
    module = importlib.import_module("tagged_drop")
    tagged, other = SimpleNamespace(key="0000002"), SimpleNamespace(key="0000003")
    assert (module.drop(tagged), module.drop(other)) == ("tagged drop", None)
    assert (module.keep(tagged), module.keep(other)) == (None, "not tagged drop")
    page.click("#untag")
    total(page, "8")  # of the caption's filter
    assert not page.problems


def test_a_refused_order_is_next_to_its_field(served, page):
    opened(page, served)
    page.goto(f"{served}/#shards?sort=nonsense")
    page.wait_for_selector("#sort-problem")
    assert re.search("must be one of", page.text_content("#sort-problem"))
