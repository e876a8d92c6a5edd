"""No secret of the stack in clear, whether or not its mark got lost on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pooler_policy.plaintext import SHORTEST, has_any
from pooler_policy.resource import STACK, Resource
from pooler_policy.rule import Declared, StackRule, Violation
from pooler_policy.shown_places import shown
from pooler_policy.values import Secret, Value, holds_secret, secret_texts, texts


def _check(resources: Sequence[Resource], declared: Declared) -> Iterator[Violation]:
    marked = {text for resource in resources for text in secret_texts(_without_files(resource))}
    generated = {text for text in marked if len(text) >= SHORTEST} - {*declared.secrets}
    for resource in resources:
        if resource.is_ours:
            for place in shown(resource):
                if not holds_secret(place.value) and any(
                    has_any(text, generated) for text in texts(place.value)
                ):
                    yield Violation(
                        f"{place.where}: has a secret of this stack in clear, and `docker inspect` shows it; "
                        "hand it over as an upload of mode 0400 that the script removes",
                        resource.urn,
                    )
        elif resource.type == STACK:
            yield from _outputs(resource, generated | {*declared.secrets})


def _without_files(resource: Resource) -> dict[str, Value]:
    """A secret content marks the whole list of uploads, paths included; what makes it secret is marked elsewhere."""
    return {key: value for key, value in resource.properties.items() if key != "uploads"}


def _outputs(stack: Resource, secrets: set[str]) -> Iterator[Violation]:
    for name, value in stack.properties.items():
        if not isinstance(value, Secret) and any(has_any(text, secrets) for text in _unmarked(value)):
            yield Violation(
                f"output {name}: has a secret of this stack in clear; export it as pulumi.Output.secret(…)",
                stack.urn,
            )


def _unmarked(value: Value) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _unmarked(item)
    elif isinstance(value, list):
        for item in value:
            yield from _unmarked(item)
    elif isinstance(value, str):
        yield value


RULE = StackRule(
    "no-known-secret-in-clear",
    "No secret of the stack is in an environment variable, label, argument or plain output.",
    _check,
)
