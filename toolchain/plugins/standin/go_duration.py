"""Durations as Go writes them, which is how the official plugin shows those of a health check."""

from __future__ import annotations

import re

_NANOSECONDS = {
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
    "us": 1000,
    "ns": 1,
}
_PART = re.compile(r"(\d+(?:\.\d*)?)(h|ms|us|ns|m|s)")


def parse(text: str) -> int:
    """Nanoseconds of `1m30s`; an unreadable duration counts as none, as in the official plugin."""
    if _PART.sub("", text):
        return 0
    return round(sum(float(number) * _NANOSECONDS[unit] for number, unit in _PART.findall(text)))


def render(nanoseconds: int) -> str:
    """`1m30s` for ninety seconds, `0s` for none."""
    if nanoseconds < _NANOSECONDS["s"]:
        for unit in ("ms", "us", "ns"):
            if nanoseconds >= _NANOSECONDS[unit]:
                return _number(nanoseconds / _NANOSECONDS[unit]) + unit
        return "0s"
    minutes, rest = divmod(nanoseconds, _NANOSECONDS["m"])
    hours, minutes = divmod(minutes, 60)
    seconds = _number(rest / _NANOSECONDS["s"]) + "s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _number(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")
