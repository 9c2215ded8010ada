"""A hub on 127.0.0.1 that has one model, or that misbehaves in one of the ways in which a hub can."""

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT, CONVERSION = "1" * 40, "2" * 40
NAME = "somebody/tiny-bert"
ERRORS = {"renamed": (401, "RepoNotFound"), "gated": (403, "GatedRepo")}  # as the hub's client tells them apart


class Hub(ThreadingHTTPServer):
    """Serves `revisions`, from the commit to its folder; `paths` are the requests so far."""

    daemon_threads = True

    def __init__(self, revisions: dict[str, Path], status: int = 200, damage: str = ""):
        super().__init__(("127.0.0.1", 0), Handler)
        self.revisions, self.status, self.damage, self.paths = revisions, status, damage, []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers as the hub does to what its client asks when it downloads a model."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub, path = self.server, self.path.split("?")[0]
        hub.paths.append(path)
        if hub.status != 200:
            self.answer(b'{"error": "no"}', status=hub.status)
        elif hub.damage in ERRORS:
            status, code = ERRORS[hub.damage]
            self.answer(b"{}", status=status, headers={"X-Error-Code": code})
        elif hub.damage == "garbage":
            self.answer(b"\x00<html>welcome to this cafe's wireless network</html>", kind="text/html")
        elif path.startswith(f"/api/models/{NAME}"):
            self.answer_api(path.removeprefix(f"/api/models/{NAME}"))
        elif path.startswith(f"/{NAME}/resolve/"):
            self.answer_file(*path.removeprefix(f"/{NAME}/resolve/").replace("refs%2Fpr%2F1", CONVERSION).split("/", 1))
        else:
            self.answer(b"{}", status=404, headers={"X-Error-Code": "RepoNotFound"})

    def answer_api(self, path: str) -> None:
        hub = self.server
        commit = CONVERSION if "refs%2Fpr%2F1" in path or CONVERSION in path else COMMIT
        if path.startswith("/discussions"):
            offer = {"num": 1, "status": "open", "isPullRequest": True, "author": {"name": "SFconvertbot"}}
            found = [offer] if CONVERSION in hub.revisions else []
            return self.answer_json({"discussions": found, "count": len(found), "start": 0})
        if commit not in hub.revisions:
            return self.answer(b"{}", status=404, headers={"X-Error-Code": "RevisionNotFound"})
        files = sorted(hub.revisions[commit].iterdir())
        if path.startswith("/tree"):
            entries = [{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": etag(f)} for f in files]
            return self.answer_json(entries)
        siblings = [{"rfilename": file.name} for file in files]
        return self.answer_json(
            {
                "_id": "0",
                "id": NAME,
                "sha": commit,
                "siblings": siblings,
                "tags": [],
                "private": False,
                "downloads": 0,
                "likes": 0,
            }
        )

    def answer_file(self, revision: str, name: str) -> None:
        hub = self.server
        commit = revision if revision in hub.revisions else COMMIT
        file = hub.revisions[commit] / name
        if not file.is_file():
            return self.answer(b"", status=404, headers={"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        data = file.read_bytes()
        cut = hub.damage == "cut" and name.endswith(".safetensors")
        return self.answer(data, cut=cut, headers={"ETag": f'"{etag(file)}"', "X-Repo-Commit": commit})

    def answer_json(self, value: object) -> None:
        self.answer(json.dumps(value).encode(), kind="application/json")

    def answer(self, data, status=200, headers=None, kind="application/octet-stream", cut=False) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.close_connection = True

    def log_message(self, *_) -> None:
        pass


def etag(file: Path) -> str:
    """Return the name that git gives to a file's content."""
    data = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@contextmanager
def hub_of(*folders: Path, **how) -> Iterator[Hub]:
    """Run a hub that has the files of a folder, and those of a second one as the pull request that converts them."""
    with Hub(dict(zip((COMMIT, CONVERSION), folders, strict=False)), **how) as hub:
        threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield hub
        hub.shutdown()


@contextmanager
def silent_hub() -> Iterator[str]:
    """Accept connections and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def closed_hub() -> str:
    """Return the address of a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"
