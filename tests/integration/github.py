"""The part of GitHub's REST API that a review needs, on loopback: comments, issues, pages, tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "sentinel-token"
REPOSITORY = "team/pgbouncer"
BOT = "github-actions[bot]"


class GitHub:
    """A repository with issues; number 7 is a pull request. Every write is kept in `written`."""

    def __init__(self) -> None:
        self.url = ""
        self.issues: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.written: list[str] = []
        self.refuses: int | None = None
        """Status with which every write is refused."""
        self._next = 100
        self.add_issue(7, "somebody", "a pull request")

    def add_issue(self, number: int, author: str, body: str | None, title: str = "x") -> dict[str, Any]:
        self.comments[number] = []
        self.issues[number] = {
            "url": f"{self.url}/repos/{REPOSITORY}/issues/{number}",
            "number": number,
            "title": title,
            "state": "open",
            "body": body,
            "user": {"login": author, "id": 1, "type": "User"},
        }
        return self.issues[number]

    def add_comment(self, number: int, author: str | None, body: str) -> dict[str, Any]:
        self._next += 1
        made = {
            "id": self._next,
            "url": f"{self.url}/repos/{REPOSITORY}/issues/comments/{self._next}",
            "body": body,
            "user": author and {"login": author, "id": 1, "type": "User"},
        }
        self.comments[number].append(made)
        return made

    def bodies(self, number: int = 7) -> list[str]:
        return [str(one["body"]) for one in self.comments[number]]

    def answer(self, method: str, path: str, sent: dict[str, Any]) -> tuple[int, Any]:
        """Status and document for one request."""
        below = path.removeprefix(f"/repos/{REPOSITORY}")
        if method != "GET":
            self.written.append(f"{method} {below}")
            if self.refuses:
                return self.refuses, {"message": "Resource not accessible by integration"}
        if below == "/issues":
            if method == "GET":
                return 200, [one for one in self.issues.values() if one["state"] == "open"]
            self._next += 1
            return 201, self.add_issue(self._next, BOT, sent["body"], sent["title"])
        if found := re.fullmatch(r"/issues/comments/(\d+)", below):
            (one,) = (c for many in self.comments.values() for c in many if c["id"] == int(found[1]))
            one.update(sent)
            return 200, one
        if (found := re.fullmatch(r"/issues/(\d+)(/comments)?", below)) and int(found[1]) in self.issues:
            number = int(found[1])
            if not found[2]:
                self.issues[number].update(sent)
                return 200, self.issues[number]
            if method == "GET":
                return 200, self.comments[number]
            return 201, self.add_comment(number, BOT, sent["body"])
        return 404, {"message": "Not Found"}


def _handler(github: GitHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            url, query = urlsplit(self.path), parse_qs(urlsplit(self.path).query)
            length = int(self.headers.get("Content-Length") or 0)
            sent = json.loads(self.rfile.read(length)) if length else {}
            headers: dict[str, str] = {}
            document: Any
            if self.headers.get("Authorization") != f"token {TOKEN}":
                status, document = 401, {"message": "Bad credentials"}
            else:
                status, document = github.answer(self.command, url.path, sent)
            if isinstance(document, list):
                size, page = int(query["per_page"][0]), int(query.get("page", ["1"])[0])
                if len(document) > page * size:
                    following = f"{github.url}{url.path}?per_page={size}&page={page + 1}"
                    headers["Link"] = f'<{following}>; rel="next"'
                document = document[(page - 1) * size : page * size]
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = _serve  # noqa: N815 the names that http.server calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 of the overridden method
            """Quiet."""

    return Handler


@contextmanager
def serving() -> Iterator[GitHub]:
    github = GitHub()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(github)) as server:
        github.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield github
        finally:
            server.shutdown()
            thread.join()
