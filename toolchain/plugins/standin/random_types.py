"""random:index/randomPassword:RandomPassword and random:index/randomBytes:RandomBytes."""

from __future__ import annotations

import base64
import secrets
import string
from typing import ClassVar

from typing_extensions import override

from .resource import Live, PluginError, ResourceType
from .schema import at_least, boolean, integer, text, text_map
from .values import JsonObject, Secret

_SPECIAL = "!@#$%&*()-_=+[]{}<>:?"
_BCRYPT_BYTES = 72


class _Generated(ResourceType):
    """A value that is made once and then only kept."""

    autonamed = False
    importable = False
    keeps_defaults_key = False
    secret_outputs: ClassVar[tuple[str, ...]]

    @override
    def read(self, identity: str, inputs: JsonObject, outputs: JsonObject) -> Live | None:
        """There is nothing outside to compare with."""
        return Live(identity, self._marked(outputs))

    @override
    def update(self, identity: str, old_inputs: JsonObject, outputs: JsonObject, inputs: JsonObject) -> Live:
        """Every change of an input replaces; what remains is no change."""
        given = {key: value for key, value in inputs.items() if not key.startswith("__")}
        return Live(identity, self._marked({**outputs, **given}))

    @override
    def delete(self, identity: str, outputs: JsonObject) -> None:
        """There is nothing outside to delete."""

    def _marked(self, outputs: JsonObject) -> JsonObject:
        return {key: Secret(value) if key in self.secret_outputs else value for key, value in outputs.items()}


class RandomPassword(_Generated):
    """A password from the character classes that the program allows."""

    urn_type = "random:index/randomPassword:RandomPassword"
    properties: ClassVar = {
        "keepers": text_map(replaces=True),
        "length": integer(required=True, replaces=True, rule=at_least(1)),
        "lower": boolean(replaces=True, unset_means=True),
        "minLower": integer(replaces=True),
        "minNumeric": integer(replaces=True),
        "minSpecial": integer(replaces=True),
        "minUpper": integer(replaces=True),
        "number": boolean(replaces=True, unset_means=True),
        "numeric": boolean(replaces=True, unset_means=True),
        "overrideSpecial": text(replaces=True),
        "special": boolean(replaces=True, unset_means=True),
        "upper": boolean(replaces=True, unset_means=True),
    }
    computed = ("bcryptHash", "result")
    secret_outputs = ("bcryptHash", "result")

    @override
    def complaint(self, inputs: JsonObject) -> str | None:
        """The shortest possible password must fit, and there must be characters to choose from."""
        least = [inputs.get(key, 0) for key in ("minLower", "minNumeric", "minSpecial", "minUpper")]
        length = inputs.get("length")
        if isinstance(length, int) and all(isinstance(each, int) for each in least) and sum(least) > length:
            return (
                f"length ({length}) must be at least the sum of minUpper, minLower, minNumeric and minSpecial"
            )
        if "number" in inputs and "numeric" in inputs and inputs["number"] != inputs["numeric"]:
            return "number and numeric must not contradict each other"
        return None

    @override
    def create(self, inputs: JsonObject) -> Live:
        """Draws the password."""
        import bcrypt

        numeric = inputs.get("numeric", inputs.get("number", True))
        classes = [
            (inputs.get("lower", True), string.ascii_lowercase, inputs.get("minLower", 0)),
            (numeric, string.digits, inputs.get("minNumeric", 0)),
            (
                inputs.get("special", True),
                inputs.get("overrideSpecial") or _SPECIAL,
                inputs.get("minSpecial", 0),
            ),
            (inputs.get("upper", True), string.ascii_uppercase, inputs.get("minUpper", 0)),
        ]
        alphabet = "".join(characters for allowed, characters, _ in classes if allowed)
        if not alphabet:
            raise PluginError("at least one of lower, numeric, special and upper must be true")
        drawn = [secrets.choice(characters) for _, characters, least in classes for _ in range(least)]
        drawn += [secrets.choice(alphabet) for _ in range(inputs["length"] - len(drawn))]
        secrets.SystemRandom().shuffle(drawn)
        result = "".join(drawn)
        digest = bcrypt.hashpw(result.encode()[:_BCRYPT_BYTES], bcrypt.gensalt(rounds=10)).decode()
        outputs: JsonObject = {
            "length": inputs["length"],
            "lower": inputs.get("lower", True),
            "minLower": inputs.get("minLower", 0),
            "minNumeric": inputs.get("minNumeric", 0),
            "minSpecial": inputs.get("minSpecial", 0),
            "minUpper": inputs.get("minUpper", 0),
            "number": numeric,
            "numeric": numeric,
            "special": inputs.get("special", True),
            "upper": inputs.get("upper", True),
            "result": result,
            "bcryptHash": digest,
        }
        outputs.update({key: inputs[key] for key in ("keepers", "overrideSpecial") if key in inputs})
        return Live("none", self._marked(outputs))


class RandomBytes(_Generated):
    """Random bytes, in base64 and in hexadecimal."""

    urn_type = "random:index/randomBytes:RandomBytes"
    properties: ClassVar = {
        "keepers": text_map(replaces=True),
        "length": integer(required=True, replaces=True, rule=at_least(1)),
    }
    computed = ("base64", "hex")
    secret_outputs = ("base64", "hex")

    @override
    def create(self, inputs: JsonObject) -> Live:
        """Draws the bytes; the official plugin uses their base64 as the identity too."""
        drawn = secrets.token_bytes(inputs["length"])
        encoded = base64.b64encode(drawn).decode()
        outputs: JsonObject = {"length": inputs["length"], "base64": encoded, "hex": drawn.hex()}
        if "keepers" in inputs:
            outputs["keepers"] = inputs["keepers"]
        return Live(encoded, self._marked(outputs))
