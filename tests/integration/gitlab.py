"""The part of GitLab's REST API that a review needs, on loopback: one merge request's notes, in pages."""

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
ME, OTHER = 5, 6
NOTES = "/projects/42/merge_requests/7/notes"


class GitLab:
    """Project 42 with merge request 7; every write is kept in `written`."""

    def __init__(self) -> None:
        self.url = ""
        self.notes: list[dict[str, Any]] = []
        self.written: list[str] = []

    def add(self, author: int, body: str) -> dict[str, Any]:
        self.notes.append({"id": 100 + len(self.notes), "body": body, "author": {"id": author}})
        return self.notes[-1]

    def bodies(self) -> list[str]:
        return [str(one["body"]) for one in self.notes]

    def answer(self, method: str, path: str, query: dict[str, list[str]], sent: Any) -> tuple[int, Any, str]:  # noqa: ANN401 JSON
        """Status, document and the number of the next page."""
        if method != "GET":
            self.written.append(f"{method} {path}")
        if path == "/user":
            return 200, {"id": ME}, ""
        if path == NOTES and method == "GET":
            size, page = int(query["per_page"][0]), int(query["page"][0])
            more = str(page + 1) if len(self.notes) > page * size else ""
            return 200, self.notes[(page - 1) * size : page * size], more
        if path == NOTES:
            return 201, self.add(ME, sent["body"]), ""
        if (found := re.fullmatch(rf"{NOTES}/(\d+)", path)) and method == "PUT":
            (note,) = (one for one in self.notes if one["id"] == int(found[1]))
            note.update(sent)
            return 200, note, ""
        return 404, {"message": "404 Not found"}, ""


def _handler(gitlab: GitLab) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            sent = json.loads(self.rfile.read(length)) if length else {}
            status, document, more = 401, {"message": "401 Unauthorized"}, ""
            if self.headers.get("PRIVATE-TOKEN") == TOKEN:
                status, document, more = gitlab.answer(self.command, url.path, parse_qs(url.query), sent)
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Next-Page", more)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = _serve  # noqa: N815 the names that http.server calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 of the overridden method
            """Quiet."""

    return Handler


@contextmanager
def serving() -> Iterator[GitLab]:
    gitlab = GitLab()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(gitlab)) as server:
        gitlab.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield gitlab
        finally:
            server.shutdown()
            thread.join()
