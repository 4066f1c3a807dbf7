"""The studio as a person uses it, in a real browser."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from studio_page import after, until

from storage.shards.read import iter_shard
from transforms.stores.frames import encoded_frames

pytestmark = pytest.mark.browser
EVIL = '<script>window.evil = 1</script><img src=x onerror="window.evil = 1">'


def test_drop_pick_slide_copy_and_the_job_makes_the_same_clip(serve, page, cat, monkeypatch):
    page.goto(serve())
    page.wait_for_selector("#player[data-version]")  # of a sample photograph
    first = after(page, lambda: page.set_input_files("#file", cat))
    assert first["motion"] == "zoom_in"
    until(page, "[...document.querySelectorAll('#gallery img')].every(i => i.complete && i.naturalWidth > 0)")
    tilted = after(page, lambda: page.click("[data-motion=rotate_cw]"))
    assert tilted["motion"] == "rotate_cw"
    pixels = "document.querySelector('#player canvas').toDataURL()"
    page.get_by_role("button", name="Pause").click()
    page.locator("#player input[type=range]").fill("11")
    before = page.evaluate(pixels)
    slider = page.locator("#p-degrees")
    slider.focus()
    moved = after(page, lambda: page.keyboard.press("End"))
    assert moved["parameters"]["degrees"] == 360.0
    after(
        page,
        lambda: page.locator("[aria-label='degrees (degrees)']").fill("33") or page.keyboard.press("Tab"),
    )
    assert page.evaluate(pixels) != before
    after(page, lambda: page.select_option("select[aria-label='Combine with another motion']", "zoom_in"))
    last = after(page, lambda: page.fill("#s-seed", "12") or page.keyboard.press("Tab"))
    assert last["motion"] == "rotate_cw+zoom_in"
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#copy")
    until(page, "document.getElementById('copied').textContent")
    config = page.evaluate("navigator.clipboard.readText()")
    assert config == last["yaml"]
    assert not page.problems
    assert {url.split("/")[2] for url in page.urls if url.startswith("http")} == {page.url.split("/")[2]}
    assert_job_makes(cat.parent, config, last, monkeypatch)


def assert_job_makes(folder, config, shown, monkeypatch):
    from zoetrope.commands.animate import main as animate

    monkeypatch.chdir(folder)
    (folder / "job.yaml").write_text(config)
    assert animate(["--config", "job.yaml", "workers=1"]) == 0
    (sample,) = iter_shard(str(folder / "clips" / "00000.tar"))
    assert sample.key == shown["key"]
    stored = [frame.hex() for frame in encoded_frames(sample.members)]
    assert stored == [base64.b64decode(f).hex() for f in shown["frames"]]


def test_the_mix_is_drawn_and_its_draws_can_be_chosen(serve, page, cat):
    page.goto(serve(cat))
    page.wait_for_selector("#player[data-version]")
    after(page, lambda: page.click("#mix-default"))
    until(page, "document.querySelectorAll('#draws button').length === 12")
    shown = after(page, lambda: page.locator("#draws button").nth(5).click())
    assert page.input_value("#s-seed") == "5"
    assert len(yaml.safe_load(shown["yaml"])["motions"]) > 10
    assert not page.problems


def test_shards_filter_page_and_hostile_captions(serve, page, tmp_path, make_output):
    captions = [f"plain {i}" for i in range(60)]
    captions[0] = EVIL
    page.goto(serve(make_output(tmp_path / "clips", captions, shards=5, each=12)))
    until(page, "document.querySelectorAll('#clips .card').length === 24")
    assert page.locator("#clips .caption").first.text_content() == EVIL
    until(page, "[...document.querySelectorAll('#clips img')].slice(0, 6).every(i => i.naturalWidth === 64)")
    page.locator("#clips .card").first.click()
    page.wait_for_selector("dialog[open] td")
    assert EVIL in page.locator("dialog").text_content()
    page.keyboard.press("Escape")
    page.click("#next")
    until(page, "document.querySelector('#clips .caption').textContent === 'plain 24'")
    page.fill("#page", "3")
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('#clips .card').length === 12")
    page.fill("#f-caption", "plain 5")
    page.keyboard.press("Enter")
    until(page, "document.getElementById('total').textContent === '11'")
    page.select_option("#f-motion", "pan_left")
    until(page, "Number(document.getElementById('total').textContent) < 11")
    assert page.evaluate("window.evil") is None
    assert not page.problems


def test_search_coarse_beside_reranked(serve, page, tmp_path, make_output, tiny_index):
    captions = [EVIL, *(f"plain {i}" for i in range(11))]
    output = make_output(tmp_path / "clips", captions)
    page.goto(serve("--index", tiny_index(output)))
    page.click("#tab-search")
    page.fill("#text", "a picture of something")
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('#coarse .card').length === 12")
    keys = "[...document.querySelectorAll('{} .card > :last-child')].map(e => e.textContent)"
    coarse, fine = (page.evaluate(keys.format(box)) for box in ("#coarse", "#fine"))
    assert sorted(coarse) == sorted(fine) == [f"{i:07d}" for i in range(12)]
    place = coarse.index("0000000")
    card = page.locator("#coarse .card").nth(place)
    assert card.locator(".caption").text_content() == f"{place + 1}. {EVIL}"
    card.scroll_into_view_if_needed()
    until(page, "document.querySelectorAll('#coarse img')[0].naturalWidth === 64")
    card.click()
    page.wait_for_selector("dialog[open] td")
    assert EVIL in page.locator("dialog").text_content()
    assert page.evaluate("window.evil") is None
    assert not page.problems
    assert {url.split("/")[2] for url in page.urls if url.startswith("http")} == {page.url.split("/")[2]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_windows_keyboard_and_dark_mode(serve, browser, cat, output, scheme):
    page = browser.new_page(viewport={"width": 400, "height": 800}, color_scheme=scheme)
    page.goto(serve(cat, output))
    page.wait_for_selector("#player[data-version]")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (np.mean([int(n) for n in re.findall(r"\d+", ground)[:3]]) < 128) == (scheme == "dark")
    page.focus("#tab-motions")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#clips .card")
    assert page.evaluate("document.activeElement.id") == "tab-shards"
    page.keyboard.press("ArrowRight")  # Search is not offered without an index
    assert page.evaluate("document.activeElement.id") == "tab-motions"
    page.keyboard.press("End")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.close()


def test_a_bad_picture_is_told_on_the_page(serve, page, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture")
    page.goto(serve())
    page.set_input_files("#file", bad)
    page.wait_for_selector("#problem:not([hidden])")
    assert "bad.jpg" in page.text_content("#problem")
    assert "bad.jpg" in page.text_content("#file-problem")
    assert page.get_attribute("#file", "aria-invalid") == "true"


def test_the_report_opens_without_a_server(browser, output):
    from preview.report.report import RunStats, write_report

    report = write_report(
        output, RunStats("zoetrope animate", 0.0, 1.0, bucket_seconds=1.0, throughput=(3, 9))
    )
    page = browser.new_page(viewport={"width": 400, "height": 800})
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(Path(report.html).resolve().as_uri())
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []
    page.close()
    assert json.loads(Path(report.json).read_text())["throughput"]["samples"] == [3, 9]
