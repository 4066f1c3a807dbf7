"""Waiting for the studio's page in a browser."""

import re
import time


def until(page, expression):
    """Playwright's own waiting evaluates strings inside the page, which the page's content policy forbids."""
    deadline = time.monotonic() + 60
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        time.sleep(0.03)


def version(page):
    return int(page.get_attribute("#player", "data-version") or 0)


def after(page, act):
    """Do something that asks for a new clip, and wait until it is shown; gives the server's answer."""
    before = version(page)
    with page.expect_response(re.compile(r"/api/clip$")) as answer:
        act()
    until(page, f"Number(document.getElementById('player').dataset.version) > {before}")
    return answer.value.json()
