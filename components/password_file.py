"""Lines of a libpq password file. Pure."""

from __future__ import annotations


def pgpass_line(password: str, user: str = "*") -> str:
    """For any server and database; libpq wants colons and backslashes escaped. Secret."""
    return f"*:*:*:{_escaped(user) if user != '*' else user}:{_escaped(password)}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")
