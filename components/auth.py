"""AuthLookup: the roles, schema and function by which PgBouncer reads the verifiers of declared services."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_postgresql as postgresql
import pulumi_random as random

from components.lookup_text import lookup_body
from components.names import DeploymentNames
from components.scram import scram_verifier


@dataclass(frozen=True)
class AuthLookupArgs:
    """What the lookup needs to know."""

    names: DeploymentNames
    """Names of roles, groups and schema."""
    rotation: int
    """1, 2, …: each step takes the other auth role with a new password."""
    users: tuple[str, ...]
    """Roles that may log in through the pooler; they exist already and are not changed."""
    superusers: tuple[str, ...]
    """Those of them that are superusers and named as such by the stack."""
    before_first_create: pulumi.ResourceHook
    """Refuses objects that are there already and not in this stack's state."""


class AuthLookup(pulumi.ComponentResource):
    """Auth role with a generated password, `user_lookup()`, and the grants that keep everybody else out."""

    password: pulumi.Output[str]
    """Plaintext of the auth role's password, secret; it goes into the userlist and nowhere else."""

    def __init__(self, name: str, args: AuthLookupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pgbouncer:auth:AuthLookup", name, None, opts)
        names = args.names
        children = pulumi.ResourceOptions(parent=self)
        services = postgresql.Role(
            f"{name}-services",
            name=names.services_group,
            login=False,
            opts=pulumi.ResourceOptions(
                parent=self, hooks=pulumi.ResourceHookBinding(before_create=[args.before_first_create])
            ),
        )
        after_check = pulumi.ResourceOptions(parent=self, depends_on=[services])
        superusers = postgresql.Role(
            f"{name}-superusers", name=names.superusers_group, login=False, opts=after_check
        )
        members = [
            postgresql.GrantRole(f"{name}-{group}-{user}", role=user, grant_role=role.name, opts=children)
            for group, role, users in (
                ("services", services, args.users),
                ("superusers", superusers, args.superusers),
            )
            for user in users
        ]

        role_name = names.auth_role(args.rotation)
        slot = role_name[-1]
        secret = random.RandomPassword(
            f"{name}-password-{slot}",
            length=48,
            special=False,
            keepers={"rotation": str(args.rotation)},
            opts=children,
        )
        salt = random.RandomBytes(
            f"{name}-salt-{slot}", length=16, keepers={"rotation": str(args.rotation)}, opts=children
        )
        role = postgresql.Role(
            f"{name}-role-{slot}",
            name=role_name,
            login=True,
            # secret because both parts are
            password=pulumi.Output.all(secret.result, salt.base64).apply(lambda both: scram_verifier(*both)),
            opts=after_check,
        )
        schema = postgresql.Schema(
            f"{name}-schema",
            name=names.schema,
            database=names.database,
            if_not_exists=False,
            opts=after_check,
        )
        function = postgresql.Function(
            f"{name}-lookup",
            name="user_lookup",
            schema=schema.name,
            database=names.database,
            args=[postgresql.FunctionArgArgs(name="i_username", type="text", mode="IN")],
            returns="TABLE(uname text, phash text)",
            language="sql",
            security_definer=True,
            volatility="STABLE",
            body=lookup_body(names),
            opts=children,
        )
        revoked = postgresql.Grant(
            f"{name}-revoke-public",
            role="public",
            database=names.database,
            schema=schema.name,
            object_type="function",
            objects=[function.name],
            privileges=[],
            opts=children,
        )
        usage = postgresql.Grant(
            f"{name}-usage-{slot}",
            role=role.name,
            database=names.database,
            schema=schema.name,
            object_type="schema",
            privileges=["USAGE"],
            opts=children,
        )
        execute = postgresql.Grant(
            f"{name}-execute-{slot}",
            role=role.name,
            database=names.database,
            schema=schema.name,
            object_type="function",
            objects=[function.name],
            privileges=["EXECUTE"],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[revoked]),
        )
        self.ready: list[pulumi.Resource] = [*members, usage, execute]
        """All that must be there before the first login through the pooler."""
        self.password = secret.result
        self.register_outputs({})
