"""A real browser, and a server for it, shared by the tests of the page."""

import asyncio
import shutil
import subprocess
import sys
from threading import Event, Thread

import pytest
from PIL import Image

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
ARGS += ["--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def browser():
    """One browser for a file of tests. Playwright's event loop would be in the way of other files' tests."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture
def serve():
    """Starts a studio; gives its address."""
    servers = []

    def start(*paths):
        command = [sys.executable, "-u", "-m", "zoetrope.cli", "studio", *map(str, paths), "--port", "0"]
        servers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return servers[-1].stdout.readline().split()[2]

    yield start
    for server in servers:
        server.terminate()
        server.wait(60)  # freeing torch takes a busy machine long
        server.stdout.close()


@pytest.fixture
def page(browser):
    """A page that remembers what it asked for and what went wrong."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(60_000)
    page.urls, page.problems = [], []
    page.on("request", lambda request: page.urls.append(request.url))
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on(
        "console", lambda message: page.problems.append(message.text) if message.type == "error" else None
    )
    yield page
    page.close()


@pytest.fixture
def cat(tmp_path, make_picture):
    folder = tmp_path / "mine"
    folder.mkdir()
    Image.fromarray(make_picture(160, 200)).save(folder / "My cat.png")
    (folder / "My cat.txt").write_text("a cat")
    return folder / "My cat.png"


@pytest.fixture
def calm_page(browser):
    """A page without animation, which costs a browser without GPU most of its time."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page.set_default_timeout(60_000)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    yield page
    page.close()


@pytest.fixture
def pictures(tmp_path, make_picture):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(2):
        Image.fromarray(make_picture(120, 160, i)).save(folder / f"Cat {i}.png")
    return folder


@pytest.fixture(scope="module")
def served(tmp_path_factory, make_output, make_still):
    """The address of one server in this process, with two pictures and an output of 60 clips."""
    from aiohttp import web

    from preview.studio.outputs.view import OutputView
    from preview.studio.pictures import PictureBook
    from preview.studio.server import make_app
    from preview.studio.state import Studio

    folder = tmp_path_factory.mktemp("served")
    for i, name in enumerate(("cat.png", "dog.png")):
        Image.fromarray(make_still(160, 200, i)).save(folder / name)
    output = make_output(
        folder / "clips", [f"plain {'word ' * (i % 7)}{i}" for i in range(60)], shards=5, each=12
    )
    app = make_app(
        Studio(PictureBook([str(folder / "cat.png"), str(folder / "dog.png")]), [OutputView(output)])
    )
    loop, ready, found = asyncio.new_event_loop(), Event(), []

    async def start():
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        found.append(f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}")
        ready.set()

    def run():
        loop.run_until_complete(start())
        loop.run_forever()

    Thread(target=run, daemon=True).start()
    assert ready.wait(30)
    yield found[0]
    loop.call_soon_threadsafe(loop.stop)
