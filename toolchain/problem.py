"""The one kind of failure that a user sees: what is wrong and how to fix it, without a traceback."""

from __future__ import annotations


class Problem(Exception):  # noqa: N818 it is what the user has, rarely an error of ours
    """`str(problem)` is printed as it is; end it with the fix."""
