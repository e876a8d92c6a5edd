"""The verifier against an independent computation, and the text of the lookup."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode

import pytest

from components.lookup_text import lookup_body
from components.names import DeploymentNames
from components.scram import scram_verifier
from tests.unit.stacks import ROOT

SALT = "AAECAwQFBgcICQoLDA0ODw=="  # the bytes 0 to 15


def rfc5802(password: str, salt: str, iterations: int) -> str:
    """SCRAM-SHA-256 by RFC 5802 with the standard library, in the form of pg_authid.rolpassword."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), b64decode(salt), iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{salt}${b64encode(stored).decode()}:{b64encode(server).decode()}"


@pytest.mark.parametrize("password", ["x", "correct horse battery staple", "a$b:c", "x" * 48])
def test_the_verifier_is_the_one_of_the_standard(password: str) -> None:
    assert scram_verifier(password, SALT) == rfc5802(password, SALT, 4096)


def test_the_same_password_and_salt_give_the_same_verifier() -> None:
    assert scram_verifier("secret", SALT) == scram_verifier("secret", SALT)


def test_another_salt_gives_another_verifier() -> None:
    assert scram_verifier("secret", SALT) != scram_verifier("secret", "DwAAAAAAAAAAAAAAAAAAAA==")


def test_the_verifier_does_not_hold_the_password() -> None:
    assert "correct-horse" not in scram_verifier("correct-horse", SALT)


def test_the_lookup_names_the_two_groups_as_literals() -> None:
    body = lookup_body(DeploymentNames("pool", "app"))
    lines = [line.strip() for line in body.splitlines() if "g.rolname" in line]
    assert lines == [
        "AND g.rolname OPERATOR(pg_catalog.=) 'pool_services')",
        "AND g.rolname OPERATOR(pg_catalog.=) 'pool_superusers'))",
    ]


def test_the_lookup_quotes_a_name_that_would_end_the_literal() -> None:
    body = lookup_body(DeploymentNames("o'pool", "app"))
    assert "OPERATOR(pg_catalog.=) 'o''pool_services')" in body


def test_the_lookup_differs_from_its_file_in_the_two_groups_only() -> None:
    text = (ROOT / "sql" / "user_lookup.sql").read_text(encoding="utf-8")
    expected = text.replace("{services_group}", "'pool_services'").replace(
        "{superusers_group}", "'pool_superusers'"
    )
    assert lookup_body(DeploymentNames("pool", "app")) == expected


def test_no_operator_of_the_lookup_is_left_to_the_search_path() -> None:
    code = [line.split("--")[0] for line in lookup_body(DeploymentNames("pool", "app")).splitlines()]
    bare = [
        line
        for line in code
        if set("=<>") & set(line.replace("(pg_catalog.=)", "").replace("(pg_catalog.<)", ""))
    ]
    assert bare == []


@pytest.mark.parametrize(("rotation", "role"), [(1, "pool_auth_a"), (2, "pool_auth_b"), (3, "pool_auth_a")])
def test_auth_roles_alternate_by_rotation(rotation: int, role: str) -> None:
    assert DeploymentNames("pool", "app").auth_role(rotation) == role
