"""No secret where `docker inspect` shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pooler_policy.plaintext import has_any
from pooler_policy.resource import Resource
from pooler_policy.rule import Declared, ResourceRule
from pooler_policy.shown_places import shown
from pooler_policy.values import holds_secret, texts

_FIX = "hand it over as an upload of mode 0400 that the script removes"


def _check(resource: Resource, declared: Declared) -> Iterable[str]:
    # Once each: a mark on a whole list is one on all of its items.
    return dict.fromkeys(_violations(resource, declared))


def _violations(resource: Resource, declared: Declared) -> Iterator[str]:
    for place in shown(resource):
        if holds_secret(place.value):
            yield f"{place.where}: is secret, and `docker inspect` shows it; {_FIX}"
        elif any(has_any(text, declared.secrets) for text in texts(place.value)):
            yield (
                f"{place.where}: has admin_password or one of passwords in clear, "
                f"and `docker inspect` shows it; {_FIX}"
            )


RULE = ResourceRule(
    "no-secret-in-env-or-labels",
    "Environment variables, labels and arguments hold no secret.",
    _check,
)
