"""A Hugging Face hub on loopback: the routes that huggingface_hub and datasets use for data sets.

Files are held in memory. The server checks the token, stores large files by sha256 as git LFS does, and can be
made to fail.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_loopback"
LARGE = (".tar", ".parquet", ".arrow", ".jpg", ".png")  # endings of files that are stored by sha256
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Repo:
    """One data set."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[dict[str, Any]] = field(default_factory=list)
    branches: tuple[str, ...] = ("main",)  # all have the same files

    @property
    def sha(self) -> str:
        return hashlib.sha1(f"{len(self.commits)}{sorted(self.files)}".encode()).hexdigest()


class FakeHub:
    """The server. `fail` maps the beginning of ``METHOD path`` to statuses, 0 for a connection that breaks."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}  # by sha256
        self.requests: Counter[str] = Counter()
        self.fail: dict[str, int] = {}
        self.answers: dict[str, Callable[[_Handler], None]] = {}  # as `fail`, to answer in another way
        self.readable_by_anyone = False
        self._server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), type("H", (_Handler,), {"hub": self})
        )
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def uploads(self) -> int:
        """Large files that were sent."""
        return self.requests["PUT /upload"]


def blob_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def entry(path: str, data: bytes) -> dict[str, Any]:
    """One file of a tree, as the hub describes it."""
    about = {"type": "file", "path": path, "size": len(data), "oid": blob_id(data)}
    if path.endswith(LARGE):
        about["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
    return about


class _Handler(http.server.BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        self.query = parse_qs(parts.query)
        path = unquote(parts.path)
        shown = f"{self.command} {path}"
        self.body = self._body()
        self.hub.requests[shown if not path.startswith("/upload") else f"{self.command} /upload"] += 1
        for beginning, status in list(self.hub.fail.items()):
            if shown.startswith(beginning):
                if status == 0:
                    self.close_connection = True
                    self.connection.close()
                    return
                self.reply({"error": "made to fail"}, status)
                return
        for beginning, answer in list(self.hub.answers.items()):
            if shown.startswith(beginning):
                answer(self)
                return
        if self.headers.get("Authorization") not in (None, f"Bearer {TOKEN}"):
            self.reply(
                {"error": "Invalid credentials in Authorization header"},
                401,
                {"X-Error-Message": "Invalid credentials in Authorization header"},
            )
            return
        self.route(path)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = handle_any

    def route(self, path: str) -> None:
        words = path.strip("/").split("/")
        if path == "/api/validate-yaml":
            content = json.loads(self.body)["content"]
            errors = [{"message": '"license" must be one of [...]'}] if "license: bad" in content else []
            self.reply({"errors": errors, "warnings": []}, 400 if errors else 200)
        elif path == "/api/repos/create":
            self.create(json.loads(self.body))
        elif words[0] == "upload":
            self.upload(words[1])
        elif words[:2] == ["api", "datasets"]:
            self.api("/".join(words[2:4]), words[4:])
        elif words[0] == "datasets" and words[2].endswith(".git"):
            self.batch()
        elif words[0] == "datasets" and words[3] == "resolve":
            self.resolve("/".join(words[1:3]), "/".join(words[5:]))
        else:
            self.reply({"error": "not found"}, 404)

    def create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        if not name.startswith("user/"):
            self.reply({"error": "You don't have the rights to create a dataset under this namespace"}, 403)
            return
        self.hub.repos[name] = Repo(asked.get("visibility") == "private")
        self.reply({"url": f"{self.hub.url}/datasets/{name}", "name": name})

    def api(self, name: str, rest: list[str]) -> None:
        repo = self.hub.repos.get(name)
        if repo is None:
            missing = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            self.reply({"error": "Repository not found"}, 404, missing)
            return
        what = rest[0] if rest else "revision"
        if len(rest) > 1 and rest[1] not in (*repo.branches, repo.sha):
            self.reply({"error": "Invalid rev id"}, 404, {"X-Error-Code": "RevisionNotFound"})
        elif what == "revision":
            self.reply({"id": name, "sha": repo.sha, "private": repo.private, "siblings": [], "tags": []})
        elif what == "tree":
            self.tree(repo, "/".join(rest[2:]))
        elif what == "paths-info":
            self.paths_info(repo)
        elif what == "preupload":
            files = json.loads(self.body)["files"]
            answer = [
                {"path": f["path"], "uploadMode": mode(f["path"]), "shouldIgnore": False} for f in files
            ]
            for about in answer:
                if about["path"] in repo.files:
                    about["oid"] = entry(about["path"], repo.files[about["path"]])["oid"]
            self.reply({"files": answer})
        elif what == "commit":
            self.commit(name, repo)
        else:
            self.reply({"error": "not found"}, 404)

    def tree(self, repo: Repo, folder: str) -> None:
        recursive = self.query.get("recursive", ["false"])[0].lower() in ("true", "1")
        prefix = f"{folder}/" if folder else ""
        found: dict[str, dict[str, Any]] = {}
        for path, data in sorted(repo.files.items()):
            if not path.startswith(prefix):
                continue
            inner, slash, _ = path.removeprefix(prefix).partition("/")
            if slash:
                found[prefix + inner] = {
                    "type": "directory",
                    "path": prefix + inner,
                    "size": 0,
                    "oid": "0" * 40,
                }
            if recursive or not slash:
                found[path] = entry(path, data)
        if prefix and not found:
            self.reply({"error": "not found"}, 404, {"X-Error-Code": "EntryNotFound"})
            return
        self.reply(list(found.values()))

    def paths_info(self, repo: Repo) -> None:
        if self.headers.get("Content-Type", "").startswith("application/json"):
            paths = json.loads(self.body)["paths"]
        else:
            paths = parse_qs(self.body.decode())["paths"]
        files = [entry(path, repo.files[path]) for path in paths if path in repo.files]
        folders = [
            {"type": "directory", "path": path, "size": 0, "oid": "0" * 40}
            for path in paths
            if path not in repo.files and any(name.startswith(f"{path}/") for name in repo.files)
        ]
        self.reply([*files, *folders])

    def batch(self) -> None:
        objects = []
        for asked in json.loads(self.body)["objects"]:
            about = {"oid": asked["oid"], "size": asked["size"]}
            if asked["oid"] not in self.hub.objects:
                about["actions"] = {"upload": {"href": f"{self.hub.url}/upload/{asked['oid']}"}}
            objects.append(about)
        self.reply({"transfer": "basic", "objects": objects}, content="application/vnd.git-lfs+json")

    def upload(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            self.reply({"error": "another sha256"}, 400)
            return
        self.hub.objects[oid] = self.body
        self.reply({})

    def commit(self, name: str, repo: Repo) -> None:
        lines = [json.loads(line) for line in self.body.splitlines() if line.strip()]
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                repo.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                repo.files[value["path"]] = self.hub.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del repo.files[value["path"]]
        summary = next(line["value"]["summary"] for line in lines if line["key"] == "header")
        paths = [line["value"]["path"] for line in lines if line["key"] != "header"]
        repo.commits.append({"summary": summary, "paths": paths})
        url = f"{self.hub.url}/datasets/{name}/commit/{repo.sha}"
        self.reply({"commitUrl": url, "commitOid": repo.sha, "success": True})

    def resolve(self, name: str, path: str) -> None:
        repo = self.hub.repos.get(name)
        if repo is None or path not in repo.files:
            self.reply({"error": "not found"}, 404, {"X-Error-Code": "EntryNotFound"})
            return
        data = repo.files[path]
        about = {"ETag": f'"{blob_id(data)}"', "X-Repo-Commit": repo.sha, "Accept-Ranges": "bytes"}
        wanted = self.headers.get("Range")
        status = 200
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(len(data), int(last) + 1 if last else len(data))
            about["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
            data, status = data[start:stop], 206
        self.send_response(status)
        for header, value in {**about, "Content-Length": str(len(data))}.items():
            self.send_header(header, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def reply(
        self,
        value: Any,
        status: int = 200,
        headers: dict[str, str] | None = None,
        content: str = "application/json",
    ) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {
            **(headers or {}),
            "Content-Type": content,
            "Content-Length": str(len(data)),
        }.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)


def mode(path: str) -> str:
    return "lfs" if path.endswith(LARGE) else "regular"
