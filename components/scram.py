"""SCRAM verifiers, so that no plaintext reaches the server or its log."""

from __future__ import annotations

from base64 import b64decode, b64encode

from scramp import ScramMechanism  # type: ignore[import-untyped] # ships no types

_ITERATIONS = 4096  # Postgres' own default, so that a look at pg_authid shows nothing unusual


def scram_verifier(password: str, salt: str) -> str:
    """SCRAM-SHA-256 verifier as Postgres stores it, so that no plaintext reaches the server or its log.

    `salt`: 16 bytes in base64. Same password and salt, same verifier: drift on the server is seen.
    """
    mechanism = ScramMechanism("SCRAM-SHA-256")
    raw_salt, stored_key, server_key, iterations = mechanism.make_auth_info(
        password, iteration_count=_ITERATIONS, salt=b64decode(salt)
    )
    salt64, stored64, server64 = (b64encode(part).decode() for part in (raw_salt, stored_key, server_key))
    return f"SCRAM-SHA-256${iterations}:{salt64}${stored64}:{server64}"
