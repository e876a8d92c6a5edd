"""From the policy SDK's views of a resource to plain values that still say what is secret.

The SDK takes the secret marks off before a rule sees the inputs, so that no rule could tell a password from a label.
For remediations it keeps them, by an argument of the function that reads the properties (`proxy_secrets`). Its two
validation calls get the same here: that function, as `pulumi_policy.policy` names it, is the one thing replaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pooler_policy.values import UNKNOWN, Secret, Value
from pulumi_policy import deserialize, policy, proxy
from pulumi_policy.secret import Secret as Marked

_TARGET = "__target"  # the SDK's own key for what is behind a view
_UNKNOWN = frozenset(value for name, value in vars(proxy).items() if name.startswith("UNKNOWN_"))


def keep_marks() -> None:
    """To be called before the pack is served."""
    if policy.deserialize_properties is not deserialize.deserialize_properties:
        raise RuntimeError(
            "pulumi_policy reads properties by another function than marks.py knows; "
            "use the version in requirements.txt"
        )

    def with_marks(properties: dict[str, Value], *_: bool) -> Value:
        return deserialize.deserialize_properties(properties, proxy_secrets=True)

    policy.deserialize_properties = with_marks


def plain(view: Value) -> Value:
    """Dicts, lists and scalars, with `Secret` around what is marked and UNKNOWN for what only the update can tell."""
    if isinstance(view, Marked):
        return Secret(plain(view.value))
    if isinstance(view, dict):
        return {key: plain(value) for key, value in view.items()}
    if isinstance(view, list):
        return [plain(value) for value in view]
    if isinstance(view, str):
        return UNKNOWN if view in _UNKNOWN else view
    if isinstance(view, Mapping | Sequence):
        return plain(view[_TARGET])  # type: ignore[call-overload]  # the SDK's views answer to this key
    return view
