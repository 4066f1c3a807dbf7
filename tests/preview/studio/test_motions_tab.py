"""The Motions tab in a real browser: errors, address, comparison, seeds, presets, files and texts."""

import io
import json
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from PIL import Image
from studio_page import after, until

pytestmark = pytest.mark.browser


@pytest.fixture
def page(calm_page):
    return calm_page


def opened(page, address, values=""):
    page.goto("about:blank")
    page.goto(f"{address}/#motions{values}")
    page.wait_for_selector("#player[data-version]")
    return page


def in_address(page):
    return {name: found[0] for name, found in parse_qs(urlsplit(page.url).fragment.partition("?")[2]).items()}


def png(make_picture, seed):
    out = io.BytesIO()
    Image.fromarray(make_picture(90, 100, seed)).save(out, "PNG")
    return out.getvalue()


def test_an_error_is_next_to_its_field_and_goes_when_it_is_put_right(served, page):
    opened(page, served)
    page.fill("#s-frames", "5000")
    page.keyboard.press("Tab")
    assert page.get_attribute("#s-frames", "aria-invalid") == "true"
    problem = page.locator("#s-frames-problem")
    assert "1 to 999" in problem.text_content()
    box, below = page.locator("#s-frames").bounding_box(), problem.bounding_box()
    assert 0 <= below["y"] - box["y"] - box["height"] < 40
    after(page, lambda: page.fill("#s-frames", "6") or page.keyboard.press("Tab"))
    assert page.get_attribute("#s-frames", "aria-invalid") is None
    assert not problem.count()


def test_the_servers_refusal_is_next_to_the_fields_it_names_also_far_down_the_page(served, page):
    opened(page, served, "?p.hold_start=0.6&p.hold_end=0.2")
    with page.expect_response("**/api/clip"):
        page.fill("#p-hold_end-box", "0.7")
        page.keyboard.press("Tab")
    page.wait_for_selector("#p-hold_start-box-problem")
    assert "0 to 0.9" in page.text_content("#p-hold_start-box-problem")
    assert page.locator("[aria-invalid=true]").count() == 2
    page.evaluate("scrollTo(0, 0)")
    with page.expect_response("**/api/clip"):
        page.fill("#s-width", "4096")
        page.keyboard.press("Tab")
    after(page, lambda: page.fill("#p-hold_end-box", "0.1") or page.keyboard.press("Tab"))
    assert not page.locator("[aria-invalid=true]").count()
    page.route("**/api/clip", lambda route: route.abort())
    page.click("[data-motion=tilt]")
    page.wait_for_selector("#problem:not([hidden])")
    page.mouse.wheel(0, 4000)
    box = page.locator("#problem").bounding_box()
    assert 0 <= box["y"] <= 900 - box["height"]
    page.click("#problem-close")
    assert page.locator("#problem").is_hidden()


def test_all_dropped_pictures_are_taken_and_the_first_is_chosen_and_in_view(served, page, make_picture):
    opened(page, served)
    files = [
        {"name": f"mine {i}.png", "mimeType": "image/png", "buffer": png(make_picture, i)} for i in range(3)
    ]
    files.insert(1, {"name": "broken.png", "mimeType": "image/png", "buffer": b"no picture"})
    after(page, lambda: page.set_input_files("#file", files))
    until(page, "document.querySelectorAll('#pictures button').length === 5")
    chosen = page.locator("#pictures [aria-pressed=true]")
    assert chosen.get_attribute("title") == "mine 0.png"
    until(page, "document.querySelector('#pictures [aria-pressed=true] img').naturalWidth > 0")
    inner, outer = chosen.bounding_box(), page.locator("#pictures").bounding_box()
    assert outer["y"] <= inner["y"] < outer["y"] + outer["height"]
    assert "broken.png" in page.text_content("#file-problem")
    page.reload()
    page.wait_for_selector("#player[data-version]")
    assert page.text_content("#picture-name") == "mine 0.png"


def test_back_reload_and_a_shared_link_keep_picture_motion_sliders_mix_and_seed(served, page, browser):
    opened(page, served)
    after(page, lambda: page.click("[data-picture=p1]"))
    after(page, lambda: page.click("[data-motion=rotate_cw]"))
    after(page, lambda: page.select_option("select[aria-label='Combine with another motion']", "zoom_in"))
    after(page, lambda: page.fill("[id='p-rotate_cw.degrees-box']", "33") or page.keyboard.press("Tab"))
    after(page, lambda: page.fill("#s-seed", "7") or page.keyboard.press("Tab"))
    after(page, lambda: page.check("#focus"))
    page.click("#mix-add")
    last = in_address(page)
    assert last["motion"] == "rotate_cw+zoom_in"
    assert json.loads(last["mix"])[0]["rotate_cw.degrees"] == 33
    shared = browser.new_page(reduced_motion="reduce")
    shared.set_default_timeout(60_000)
    shared.goto(page.url)
    shared.wait_for_selector("#player[data-version]")
    page.reload()
    page.wait_for_selector("#player[data-version]")
    for one in (page, shared):
        assert one.text_content("#picture-name") == "dog.png"
        assert one.input_value("#s-seed") == "7"
        assert one.input_value("[id='p-rotate_cw.degrees-box']") == "33"
        assert one.is_checked("#focus")
        assert one.locator("#mix .entry").count() == 1
    shared.close()
    for _ in range(3):  # the mix, the focus, the seed
        page.go_back()
    until(page, "document.getElementById('s-seed').value === '0'")
    assert not page.is_checked("#focus")
    assert page.input_value("[id='p-rotate_cw.degrees-box']") == "33"
    for _ in range(4):  # the degrees, the composition, the motion, the picture
        page.go_back()
    until(page, "document.getElementById('picture-name').textContent === 'cat.png'")
    page.go_forward()
    until(page, "document.getElementById('picture-name').textContent === 'dog.png'")
    assert not page.problems


def test_an_address_of_nonsense_opens_the_page(served, page):
    opened(
        page, served, "?picture=p0&motion=os:system&mix=[7,{}]&frames=-1&p.zoom=x&pin=7&mode=mix&seed=1e99"
    )
    assert page.input_value("#s-frames") == "12"
    assert page.locator("#mix .entry").count() == 0
    assert not page.problems


def test_the_clip_fills_its_card(served, page):
    opened(page, served)
    card, canvas = (page.locator(one).bounding_box() for one in ("#player", "#player canvas >> nth=0"))
    assert canvas["width"] == pytest.approx(card["width"], abs=2)


def test_a_clip_is_saved_in_each_form(served, page):
    opened(page, served, "?frames=3&width=32&height=32&motion=pan_left>zoom_in&seed=4")
    kinds = {"gif": b"GIF89a", "mp4": b"ftyp", "png": b"\x89PNG", "webp": b"WEBP"}
    for kind, mark in kinds.items():
        with page.expect_download() as saved:
            page.click(f"#save button[value={kind}]")
        assert saved.value.suggested_filename == f"pan_left-zoom_in-seed4.{kind}"
        with open(saved.value.path(), "rb") as file:
            assert mark in file.read(16)


def test_the_text_is_offered_as_config_motions_command_and_python(served, page):
    opened(page, served, "?motion=rotate_cw&p.degrees=33")
    starts = {"motions": "motions:", "command": "# ", "python": "# ", "config": "# zoetrope animate"}
    for form, start in starts.items():
        page.select_option("#form-of-text", form)
        assert page.text_content("#yaml").startswith(start)
    page.select_option("#form-of-text", "motions")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#copy")
    until(page, "document.getElementById('copied').textContent")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert yaml.safe_load(copied) == {"motions": [{"name": "rotate_cw", "degrees": 33}]}


def test_two_seeds_play_side_by_side_in_step(served, page):
    opened(page, served, "?motion=pan_left&frames=8")
    after(page, lambda: page.select_option("#compare", "seed"))
    until(page, "document.querySelectorAll('#player figure:not([hidden])').length === 2")
    captions = page.locator("#player figcaption").all_text_contents()
    assert captions == ["pan_left, seed 1", "pan_left, seed 0"]
    pixels = "[...document.querySelectorAll('#player canvas')].map((canvas) => canvas.toDataURL())"
    page.locator("#player input[type=range]").fill("0")
    first = page.evaluate(pixels)
    page.locator("#player input[type=range]").fill("7")
    last = page.evaluate(pixels)
    assert len({*first, *last}) == 4
    after(page, lambda: page.click("#swap"))
    until(page, "document.querySelector('#player figcaption').textContent === 'pan_left, seed 0'")
    assert page.evaluate(pixels) == last[::-1]
    after(page, lambda: page.select_option("#compare", "tilt"))
    until(page, "document.querySelectorAll('#player figcaption')[1].textContent === 'tilt, seed 0'")
    after(page, lambda: page.click("#unpin"))
    until(page, "document.querySelectorAll('#player figure:not([hidden])').length === 1")


def test_a_grid_of_seeds_is_shown_and_one_is_picked(served, page):
    opened(page, served, "?motion=pan_left&seeds=1")
    until(page, "document.querySelectorAll('#draws button').length === 12")
    page.select_option("#seeds-count", "6")
    until(page, "document.querySelectorAll('#draws button').length === 6")
    page.click("#seeds-next")
    until(page, "document.querySelector('#draws button').dataset.seed === '6'")
    shown = after(page, lambda: page.click("#draws [data-seed='9']"))
    assert shown["motion"] == "pan_left"
    assert page.input_value("#s-seed") == "9"
    assert page.get_attribute("#draws [data-seed='9']", "aria-pressed") == "true"


def test_presets_are_shipped_saved_and_deleted(served, page):
    opened(page, served)
    shown = after(page, lambda: page.select_option("#preset", "shipped:Push, then pan"))
    assert shown["motion"] == "zoom_in>pan_left"
    after(page, lambda: page.fill("[id='p-zoom_in.zoom-box']", "3") or page.keyboard.press("Tab"))
    page.click("#preset-save")
    page.keyboard.press("Enter")
    assert "name" in page.text_content("#preset-name-problem")
    page.fill("#preset-name", "mine")
    page.keyboard.press("Enter")
    opened(page, served)
    again = after(page, lambda: page.select_option("#preset", "own:mine"))
    assert again["parameters"]["zoom_in.zoom"] == 3.0
    page.click("#preset-delete")
    assert not page.locator("option[value='own:mine']").count()


def test_the_sliders_of_a_clip_have_the_limits_of_the_job(served, page):
    opened(page, served, "?width=16&height=16")
    page.focus("#s-frames-slider")
    after(page, lambda: page.keyboard.press("End"))
    assert page.input_value("#s-frames") == "999"
    page.focus("#s-fps-slider")
    after(page, lambda: page.keyboard.press("End"))
    assert page.input_value("#s-fps") == "240"
    assert (page.get_attribute("#s-width", "min"), page.get_attribute("#s-width", "max")) == ("16", "4096")


def test_pictures_and_motions_are_one_stop_each_and_the_arrow_keys_move_inside(served, page):
    opened(page, served)
    focused = "document.activeElement.dataset.picture ?? document.activeElement.dataset.motion"
    page.focus("#file")
    page.keyboard.press("Tab")
    first = page.evaluate(focused)
    page.keyboard.press("ArrowRight")
    second = page.evaluate(focused)
    assert [first, second] == page.eval_on_selector_all(
        "#pictures button", "all => all.slice(0, 2).map(b => b.dataset.picture)"
    )
    page.keyboard.press("Tab")
    pressed = page.get_attribute("#gallery [aria-pressed=true]", "data-motion")
    assert page.evaluate(focused) == pressed
    for key, expected in (
        ("Home", "static"),
        ("ArrowRight", "held"),
        ("ArrowLeft", "static"),
        ("End", "tilt_down"),
    ):
        page.keyboard.press(key)
        assert page.evaluate(focused) == expected
    after(page, lambda: page.keyboard.press("Enter"))
    assert page.get_attribute("#gallery [aria-pressed=true]", "data-motion") == "tilt_down"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") in ("Pause", "Play")
