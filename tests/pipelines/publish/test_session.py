"""A push to a hub that misleads: it ends in one line, within bounds, and the token stays at its address."""

from __future__ import annotations

import http.server
import json
import threading

import pytest
from fake_hub import Repo
from loopback_only import loopback_only  # noqa: F401 - a fixture

from pipelines.publish import session
from pipelines.publish.push import push
from schemas.errors import ConfigError, JobError
from tests.pipelines.publish.test_push import hub, output  # noqa: F401 - fixtures

DATA_SET = "/api/datasets/user/x"
TREE, COMMIT = f"GET {DATA_SET}/tree", f"POST {DATA_SET}/commit"
BATCH, PREUPLOAD = "POST /datasets/user/x.git", f"POST {DATA_SET}/preupload"


def pushed(output, hub):  # noqa: F811
    hub.repos.setdefault("user/x", Repo(private=True))
    return push(str(output), "user/x")


def reply(value, status=200, **headers):
    """An answer of this value."""
    return lambda handler: handler.reply(value, status, headers)


def refused(output, hub, match):  # noqa: F811
    with pytest.raises(JobError, match=match) as error:
        pushed(output, hub)
    assert "\n" not in str(error.value)


@pytest.fixture
def elsewhere():
    """Another address, and the requests that came to it: (method, path, has a token)."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            seen.append((self.command, self.path, "Authorization" in self.headers))
            self.send_response(500)
            self.end_headers()

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", seen
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("beginning", [f"GET {DATA_SET}", COMMIT])
@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_to_another_address_is_not_followed(output, hub, elsewhere, beginning, status):  # noqa: F811
    url, seen = elsewhere
    hub.answers[beginning] = reply({}, status, Location=f"{url}/steal")
    refused(output, hub, f"the hub redirects to {url}, which gets nothing; set HF_ENDPOINT")
    assert not seen


def test_a_redirect_of_the_same_hub_is_followed(output, hub):  # noqa: F811
    hub.answers[f"GET {DATA_SET}/tree/main"] = reply({}, 307, Location=f"{DATA_SET}/tree/other")
    hub.repos["user/x"] = Repo(private=True, branches=("main", "other"))
    assert pushed(output, hub).sent == 8


def test_the_next_page_of_a_listing_gets_no_token_elsewhere(output, hub, elsewhere):  # noqa: F811
    url, seen = elsewhere
    hub.answers[TREE] = reply([], Link=f'<{url}/next>; rel="next"')
    refused(output, hub, f"names {url} as the next address; the token is for {hub.url} alone")
    assert not seen


def test_uploads_go_where_the_hub_says_without_the_token(output, hub, elsewhere):  # noqa: F811
    url, seen = elsewhere

    def batch(handler):
        objects = json.loads(handler.body)["objects"]
        for about in objects:
            about["actions"] = {"upload": {"href": f"{url}/upload"}}
        handler.reply({"transfer": "basic", "objects": objects}, content="application/vnd.git-lfs+json")

    hub.answers[BATCH] = batch
    refused(output, hub, "the hub answered 500")
    assert set(seen) == {("PUT", "/upload", False)}


def test_a_listing_without_an_end_is_ended(output, hub, monkeypatch):  # noqa: F811
    monkeypatch.setattr(session, "MOST_PAGES", 20)
    hub.answers[TREE] = reply([], Link=f'<{hub.url}{DATA_SET}/tree/main>; rel="next"')
    refused(output, hub, "its list of files has over 20 pages")


@pytest.mark.parametrize("beginning", [f"GET {DATA_SET}", "PUT /upload"])
@pytest.mark.parametrize("seconds", ["86400", "9" * 400])
def test_a_long_wait_ends_the_push_at_once(output, hub, beginning, seconds):  # noqa: F811
    hub.answers[beginning] = reply({}, 429, **{"Retry-After": seconds})
    refused(output, hub, r"the hub asks to wait \d+ s \(429\); come back then")


def test_an_answer_is_bounded(output, hub, monkeypatch):  # noqa: F811
    monkeypatch.setattr(session, "MAX_ANSWER", 1000)
    hub.answers[f"GET {DATA_SET}"] = reply({"id": "x" * 2000})
    refused(output, hub, "an answer of the hub is longer than 1 kB")


def test_an_answer_that_drips_is_ended(output, hub, monkeypatch):  # noqa: F811
    monkeypatch.setattr(session, "ANSWER_SECONDS", 0.2)
    stop = threading.Event()

    def drip(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.close_connection = True
        while not stop.wait(0.02):
            handler.wfile.write(b" ")

    hub.answers[f"GET {DATA_SET}"] = drip
    try:
        refused(output, hub, "an answer of the hub took over 0 s")
    finally:
        stop.set()


def test_a_hub_that_does_not_answer_is_given_up(output, hub, monkeypatch):  # noqa: F811
    monkeypatch.setattr(session, "SILENT_SECONDS", 0.2)
    stop = threading.Event()
    hub.answers[f"GET {DATA_SET}"] = lambda handler: stop.wait(30)
    try:
        refused(output, hub, "the connection to the hub broke")
    finally:
        stop.set()


@pytest.mark.parametrize("beginning", [f"GET {DATA_SET}", TREE, BATCH, PREUPLOAD, COMMIT])
@pytest.mark.parametrize("value", [None, {"id": 5, "files": 5, "objects": 5}])
def test_an_answer_that_is_none_of_a_hub_is_one_line(output, hub, beginning, value):  # noqa: F811
    hub.answers[beginning] = reply(value)
    with pytest.raises(
        (JobError, ConfigError), match=r"user/x: (an answer of http|the hub refuses)"
    ) as error:
        pushed(output, hub)
    assert "\n" not in str(error.value)


def test_files_that_the_hub_leaves_out_are_named(output, hub):  # noqa: F811
    def ignore(handler):
        files = [{"path": file["path"], "uploadMode": "lfs"} for file in json.loads(handler.body)["files"]]
        handler.reply({"files": [{**file, "shouldIgnore": file["path"] == "00001.tar"} for file in files]})

    hub.answers[PREUPLOAD] = ignore
    with pytest.raises(
        ConfigError, match=r"user/x: the hub left out 00001\.tar, by \.gitignore of the data set"
    ):
        pushed(output, hub)
