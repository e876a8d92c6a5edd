"""ServicePasswords: puts passwords that the stack knows on the server, as verifiers."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import pulumi
import pulumi_random as random
from psycopg import sql

from components.scram import scram_verifier
from components.sql_job import DatabaseAccess, SqlJob


@dataclass(frozen=True)
class ServicePasswordsArgs:
    """Whose passwords the stack sets."""

    access: DatabaseAccess
    """The database whose server has the roles."""
    passwords: Mapping[str, str]
    """Role → password in clear. The roles exist; nothing but their password is changed. Secret."""
    depends_on: list[pulumi.Resource]
    """What must be there before the server is touched."""


class ServicePasswords(pulumi.ComponentResource):
    """One job for all roles; a changed password runs it again, which leaves the other roles as they are."""

    def __init__(
        self, name: str, args: ServicePasswordsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("pgbouncer:auth:ServicePasswords", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        salt = random.RandomBytes(f"{name}-services-salt", length=16, opts=children)
        statements = salt.base64.apply(lambda text: password_statements(args.passwords, text))
        job = SqlJob(
            f"{name}-service-passwords",
            args.access,
            purpose="one-shot: sets the passwords of services on the server",
            statements=pulumi.Output.secret(statements),
            depends_on=args.depends_on,
            opts=children,
        )
        self.set = job.passed
        """For `depends_on` of whoever logs in with them."""
        # Reading the gate is what fails the update when a role could not be altered.
        self.register_outputs({"roles": job.passed.apply(lambda _: sorted(args.passwords))})


def password_statements(passwords: Mapping[str, str], salt: str) -> str:
    """One transaction of ALTER ROLE statements with SCRAM verifiers; each role's salt is made of `salt` and its name.

    Roles keep their memberships, settings and open connections.
    """
    lines = [
        sql.SQL("ALTER ROLE {} PASSWORD {};").format(
            sql.Identifier(role), sql.Literal(scram_verifier(password, _salt_of(role, salt)))
        )
        for role, password in sorted(passwords.items())
    ]
    # The server's log is no place for verifiers either.
    quiet = (
        "SET log_statement = none; SET log_min_error_statement = panic; SET log_min_duration_statement = -1;"
    )
    return "\n".join(["BEGIN;", quiet, *(line.as_string() for line in lines), "COMMIT;", ""])


def _salt_of(role: str, salt: str) -> str:
    """16 bytes in base64, another for each role: the same password must not show in two verifiers."""
    return b64encode(sha256(b64decode(salt) + role.encode()).digest()[:16]).decode()
