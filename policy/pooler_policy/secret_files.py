"""A file with a secret in it is readable by its owner alone."""

from __future__ import annotations

from collections.abc import Iterator

from pooler_policy.exceptions import allowed
from pooler_policy.plaintext import has_any
from pooler_policy.resource import Resource
from pooler_policy.rule import Declared, ResourceRule
from pooler_policy.values import holds_secret, items, opened, texts

_CONTENTS = ("content", "contentBase64")


def _check(resource: Resource, declared: Declared) -> Iterator[str]:
    if not resource.is_our_container:
        return
    modes = {"0400", *allowed(resource).secret_modes}
    for upload in items(resource.properties.get("uploads")):
        plain = opened(upload)
        if not isinstance(plain, dict):
            continue
        secret = holds_secret(upload) or any(
            has_any(text, declared.secrets) for key in _CONTENTS for text in texts(plain.get(key))
        )
        mode = plain.get("permissions") or "0644"  # the plugin's default
        if secret and mode not in modes:
            yield (
                f"uploads: {plain.get('file')} holds a secret and has mode {mode}; set permissions to 0400, "
                "or name the container, with a reason, in policy/exceptions.json"
            )


RULE = ResourceRule("secrets-hidden", "Files with secrets have mode 0400.", _check)
