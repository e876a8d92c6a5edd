"""The answer of a check, and its exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class Outcome(IntEnum):
    """The exit codes of `python -m checks`."""

    AS_DECLARED = 0
    MISS = 1
    UNKNOWN = 2
    """It could not be judged, or was asked wrongly."""


@dataclass(frozen=True)
class Verdict:
    """What is printed, and what it means."""

    outcome: Outcome
    text: str


def overall(verdicts: Sequence[Verdict]) -> Outcome:
    """A miss that was seen counts more than a part that could not be judged."""
    found = {verdict.outcome for verdict in verdicts}
    for outcome in (Outcome.MISS, Outcome.UNKNOWN):
        if outcome in found:
            return outcome
    return Outcome.AS_DECLARED
