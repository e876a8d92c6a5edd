"""Figures and names as people read them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h` or `4 d`."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def counted(number: int, thing: str) -> str:
    """`1 lock` or `2 locks`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def printable(text: str) -> str:
    """Names are chosen by clients: nothing in them may move the cursor of a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
