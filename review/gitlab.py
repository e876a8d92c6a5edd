"""GitLab: the note of a merge request, updated in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from review.comment import Marker, footer, same
from toolchain.problem import Problem
from toolchain.steps import say

SECONDS = 15
"""Until an answer of the host has to be there."""


@dataclass(frozen=True)
class Project:
    """A project on a GitLab, reached with the token of a bot (scope `api`; a job's own token may not write notes)."""

    api: str
    number: str
    token: str = field(repr=False)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Project:
        """As GitLab's CI sets it; GITLAB_TOKEN is a masked variable of the project."""
        names = ("CI_API_V4_URL", "CI_PROJECT_ID", "GITLAB_TOKEN")
        if missing := [name for name in names if not environ.get(name)]:
            raise Problem(f"{' and '.join(missing)}: not set; GitLab's jobs have them, see docs/review.md")
        return cls(*(environ[name] for name in names))

    def ask(self, method: str, path: str, **arguments: Any) -> requests.Response:  # noqa: ANN401 of requests
        """One request; what GitLab refuses becomes a Problem."""
        try:
            answer = requests.request(
                method,
                f"{self.api}{path}",
                headers={"PRIVATE-TOKEN": self.token},
                timeout=SECONDS,
                # the token goes to this host only
                allow_redirects=False,
                **arguments,
            )
        except requests.RequestException as unreachable:
            raise Problem(
                f"{self.api} cannot be reached ({type(unreachable).__name__}); run it again"
            ) from None
        if not 200 <= answer.status_code < 300:
            raise Problem(
                f"GitLab answered {answer.status_code} for {method} {path}; "
                "look at the number, and at role and scope of GITLAB_TOKEN"
            )
        return answer


def comment(project: Project, stack: str, number: int, text: str, commit: str = "") -> None:
    """Put the text on a merge request; the note that is there for this stack is updated."""
    marker = Marker("preview", stack)
    body = marker.on(text + footer(commit))
    notes = f"/projects/{project.number}/merge_requests/{number}/notes"
    me = project.ask("GET", "/user").json()["id"]
    mine = next(
        (one for one in _all(project, notes) if one["author"]["id"] == me and marker.is_on(one["body"])), None
    )
    if mine is None:
        project.ask("POST", notes, json={"body": body})
        say(f"merge request {number}: commented")
        return
    if not same(mine["body"], body):
        project.ask("PUT", f"{notes}/{mine['id']}", json={"body": body})
    say(f"merge request {number}: note {mine['id']} is up to date")


def _all(project: Project, path: str) -> Iterator[dict[str, Any]]:
    page = "1"
    while page:
        answer = project.ask("GET", path, params={"per_page": "100", "page": page, "sort": "asc"})
        yield from answer.json()
        page = answer.headers.get("X-Next-Page", "")
