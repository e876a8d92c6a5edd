"""GitHub: the comment of a pull request, updated in place, and one open issue while there is drift."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests
from github import Auth, Github, GithubException, GithubRetry
from github.Issue import Issue
from github.IssueComment import IssueComment
from github.Repository import Repository

from review.comment import Marker, footer, same
from review.escape import code, fenced
from review.markdown import LIMIT
from toolchain.problem import Problem
from toolchain.steps import say

ACTIONS = "github-actions[bot]"
"""Login under which a workflow's own token writes."""

CLEAN = "The last check found no drift."


@dataclass(frozen=True)
class Host:
    """A repository on GitHub, and who writes there."""

    api: str
    repository: str
    token: str = field(repr=False)
    author: str = ACTIONS

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], *, author: str) -> Host:
        """As a workflow sets it; GITHUB_TOKEN has to be passed on by the step."""
        missing = [name for name in ("GITHUB_REPOSITORY", "GITHUB_TOKEN") if not environ.get(name)]
        if missing:
            raise Problem(
                f"{' and '.join(missing)}: not set; GitHub's workflows have them, see docs/review.md"
            )
        api = environ.get("GITHUB_API_URL") or "https://api.github.com"
        return cls(api, environ["GITHUB_REPOSITORY"], environ["GITHUB_TOKEN"], author)

    @contextmanager
    def open(self) -> Iterator[Repository]:
        """The repository; what GitHub refuses becomes a Problem."""
        client = Github(
            auth=Auth.Token(self.token),
            base_url=self.api,
            per_page=100,
            retry=GithubRetry(total=3),
            lazy=True,
            # a run writes twice at most
            seconds_between_requests=None,
            seconds_between_writes=None,
        )
        try:
            yield client.get_repo(self.repository)
        except GithubException as refused:
            reason = refused.data.get("message") if isinstance(refused.data, dict) else None
            raise Problem(
                f"GitHub answered {refused.status} ({reason or 'no reason given'}) for {self.repository}; "
                "look at the number, and at `permissions:` of the job"
            ) from None
        except requests.RequestException as unreachable:
            raise Problem(
                f"{self.api} cannot be reached ({type(unreachable).__name__}); run it again"
            ) from None
        finally:
            client.close()

    def wrote(self, post: Issue | IssueComment, marker: Marker) -> bool:
        """Whether it is ours: a copy of our text by somebody else is theirs."""
        return getattr(post.user, "login", None) == self.author and marker.is_on(post.body or "")


def comment(host: Host, stack: str, number: int, text: str, commit: str = "") -> None:
    """Put the text on a pull request; the one that is there for this stack is updated."""
    marker = Marker("preview", stack)
    body = marker.on(text + footer(commit))
    with host.open() as repository:
        pull_request = repository.get_issue(number)
        mine = next((one for one in pull_request.get_comments() if host.wrote(one, marker)), None)
        if mine is None:
            pull_request.create_comment(body)
            say(f"pull request {number}: commented")
        else:
            _edit(mine.body or "", body, mine.edit)
            say(f"pull request {number}: comment {mine.id} is up to date")


def drift(host: Host, stack: str, said: str, *, clean: bool) -> None:
    """One open issue per stack: opened or updated on drift, closed with a word once it is gone."""
    marker = Marker("drift", stack)
    with host.open() as repository:
        mine = next((one for one in repository.get_issues(state="open") if host.wrote(one, marker)), None)
        if clean:
            if mine is not None:
                mine.create_comment(CLEAN)
                mine.edit(state="closed", state_reason="completed")
                say(f"issue {mine.number}: closed")
            return
        body = marker.on(drift_report(stack, said))
        if mine is None:
            opened = repository.create_issue(title=f"PgBouncer: stack {stack} has drifted", body=body)
            say(f"issue {opened.number}: opened")
        else:
            _edit(mine.body or "", body, lambda new: mine.edit(body=new))
            say(f"issue {mine.number}: is up to date")


def drift_report(stack: str, said: str) -> str:
    """Text of the issue; what the check said is shown as it is, cut at a line where it is too long."""
    head = (
        f"What runs is not what stack {code(stack)} declares. `make drift STACK={stack}` shows it again, "
        "docs/runbook.md (*Changed by hand*) and docs/verify.md say how to put it back. "
        "This text is renewed every night; the issue is closed when the drift is gone.\n\n"
    )
    room = LIMIT - len(head) - 200
    cut = said if len(said) <= room else said[:room].rpartition("\n")[0] + "\n… the rest is in the job's log"
    return head + fenced(cut)


def _edit(old: str, new: str, edit: Callable[[str], object]) -> None:
    if not same(old, new):
        edit(new)
