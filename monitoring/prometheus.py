"""Questions to a Prometheus over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from toolchain.problem import Problem

ANSWER_SECONDS = 20


@dataclass(frozen=True)
class Line:
    """One series of an answer: its labels and (unix seconds, value) in order of time."""

    labels: dict[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Prometheus:
    """A server at `url`, like http://127.0.0.1:9090."""

    url: str

    def now(self, expr: str) -> list[Line]:
        """Instant value of an expression."""
        found = self._ask("query", {"query": expr})
        return [Line(one["metric"], (_point(one["value"]),)) for one in found]

    def between(self, expr: str, start: float, end: float, step: float) -> list[Line]:
        """Values of an expression from `start` to `end`, unix seconds, every `step` seconds."""
        found = self._ask(
            "query_range", {"query": expr, "start": str(start), "end": str(end), "step": str(step)}
        )
        return [Line(one["metric"], tuple(map(_point, one["values"]))) for one in found]

    def _ask(self, what: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
        request = f"{self.url.rstrip('/')}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 the user's own URL
                found = json.load(answer)
        except urllib.error.HTTPError as refused:
            said = json.loads(refused.read() or b"{}").get("error", refused.reason)
            raise Problem(f"Prometheus refuses {parameters['query']}: {said}") from None
        except (OSError, ValueError) as failed:
            raise Problem(f"no Prometheus at {self.url} ({failed}); is it running?") from None
        if found["data"]["resultType"] == "scalar":
            return [{"metric": {}, "value": found["data"]["result"]}]
        result: list[dict[str, Any]] = found["data"]["result"]
        return result


def _point(pair: list[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])
