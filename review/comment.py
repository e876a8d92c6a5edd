"""Which post of a pull request or of the issues is ours: a hidden marker, by purpose and stack, in its first line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from review.escape import code
from toolchain.problem import Problem


@dataclass(frozen=True)
class Marker:
    """What a post is about. An HTML comment: nobody sees it, and no other stack has the same."""

    purpose: str
    stack: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+){0,2}", self.stack):
            raise Problem(
                f"STACK={self.stack}: is not the name of a stack; use it as `pulumi stack ls` shows it"
            )

    def __str__(self) -> str:
        return f"<!-- pgbouncer-stack {self.purpose} of {self.stack} -->"

    def on(self, body: str) -> str:
        """The body of a post that carries it."""
        return f"{self}\n{body}"

    def is_on(self, body: str) -> bool:
        """Whether a body begins with it; a quoted one does not. Hosts may hand line breaks back as CR LF."""
        return body.split("\n", 1)[0].rstrip("\r") == str(self)


def same(old: str, new: str) -> bool:
    """Whether a host would show nothing new."""
    return old.replace("\r\n", "\n").strip() == new.replace("\r\n", "\n").strip()


def footer(commit: str) -> str:
    """Below the review: which commit it is about."""
    return f"\n<sub>For commit {code(commit[:12])}.</sub>\n" if commit else ""
