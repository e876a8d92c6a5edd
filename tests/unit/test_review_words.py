"""What an update does, in words; every sentence is kept by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components.budget import prove
from components.outputs import plain
from components.settings import Settings
from review.facts import Facts, of_outputs
from review.plan import read
from review.words import Update, headline, points
from tests.unit.plans import LOOKUP, POOLER, RELOAD, REPLACE, VERIFICATION, VERIFY, document, step
from tests.unit.stacks import settings

SERVICES: dict[str, dict[str, object]] = {
    "web": {"route": "direct"},
    "worker": {"route": "transaction"},
    "reports": {"route": "transaction", "pool_size": 2},
}
DATABASE_JOB = "docker:index/container:Container"
RESTART = (
    "transaction lane: each client once, between two transactions; session lane: who has not left after 30 s"
)


def facts(found: Settings) -> Facts:
    return of_outputs(plain(found, prove(found)))


def update(
    *steps: dict[str, Any], first: bool = False, before: dict[str, Any] | None = None, **after: object
) -> Update:
    """From the three services to the same with changes; `before` are changes to what runs."""
    old = settings(**{"services": SERVICES, **(before or {})})
    new = settings(**{"services": SERVICES, **after})
    return Update(read(document(*steps)), Facts() if first else facts(old), facts(new), new)


def routed(name: str, **changes: object) -> dict[str, dict[str, object]]:
    return {**SERVICES, name: {**SERVICES.get(name, {}), **changes}}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (update(), "Nothing changes."),
        (
            update(VERIFY, services=routed("web", route="transaction")),
            "PgBouncer and the database stay as they are; only outputs of the stack change.",
        ),
        (
            update(services=routed("web", route="transaction")),
            "PgBouncer and the database stay as they are; only outputs of the stack change.",
        ),
        (
            replace(update(VERIFY), new_dsns=frozenset({"worker"})),
            "PgBouncer and the database stay as they are; only outputs of the stack change.",
        ),
        (update(VERIFY), "PgBouncer and the database stay as they are; they are only verified once more."),
        (update(*RELOAD), "PgBouncer reloads; nobody reconnects."),
        (update(*REPLACE), f"The pooler container is replaced. Who reconnects: {RESTART}."),
        (
            update(*REPLACE, ports=["127.0.0.1:6432"]),
            "The pooler container is replaced. Who reconnects: everybody, and until the new container answers "
            "nobody gets in: a published port allows no overlap.",
        ),
        (
            update(step("update", POOLER, "pgbouncer-pooler", "destroyGraceSeconds")),
            "The pooler container is updated in place; nobody reconnects.",
        ),
        (
            update(step("create", POOLER, "pgbouncer-pooler"), first=True),
            "First deployment: PgBouncer starts, and nobody is connected to it yet.",
        ),
        (
            update(step("create", POOLER, "pgbouncer-pooler")),
            "The pooler container is gone from the state and is created again.",
        ),
        (
            update(step("create", POOLER, "pool-pooler"), step("delete", POOLER, "pgbouncer-pooler")),
            f"A pooler of another name takes over and the old one is removed. Who reconnects: {RESTART}.",
        ),
        (
            update(
                step("delete", POOLER, "pgbouncer-pooler"),
                step("delete", VERIFICATION, "pgbouncer-verify"),
                step("delete", f"{LOOKUP}role:Role", "pgbouncer-role-a"),
            ),
            "Everything of this stack is removed; whoever is still connected loses its connection.",
        ),
        (
            update(
                step("delete", POOLER, "pgbouncer-pooler"),
                step("create", f"{LOOKUP}role:Role", "pgbouncer-role-a"),
            ),
            "The pooler is removed; whoever is still connected loses its connection.",
        ),
        (
            update(step("create", f"{LOOKUP}grantRole:GrantRole", "pgbouncer-services-ann"), VERIFY),
            "PgBouncer stays as it is; nobody reconnects.",
        ),
    ],
    ids=[
        "nothing",
        "outputs only",
        "outputs only, without a verification",
        "another DSN only",
        "verification only",
        "reload",
        "replacement",
        "replacement with a published port",
        "in place",
        "first deployment",
        "lost container",
        "another name",
        "everything removed",
        "pooler removed",
        "database only",
    ],
)
def test_the_headline_says_what_happens_and_who_reconnects(found: Update, said: str) -> None:
    assert headline(found) == said


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (update(), []),
        (update(VERIFY), []),
        (
            update(*RELOAD, services=routed("web", route="transaction")),
            [
                "`web` moves direct → transaction: redeploy it with its new DSN; until then it stays on direct.",
                "Entry `app`: `pool_size` `16` → `8`.",
            ],
        ),
        (
            update(before={"services": routed("web", route="session")}),
            ["`web` moves session → direct: redeploy it with its new DSN; until then it stays on session."],
        ),
        (
            update(services={**SERVICES, "new": {"route": "session"}}),
            ["`new` is new, on the session lane."],
        ),
        (
            update(before={"services": {**SERVICES, "old": {}}}),
            ["`old` is no longer a service: its DSN output goes."],
        ),
        (
            replace(update(), new_dsns=frozenset({"worker"})),
            ["`worker` gets another DSN on the same lane: redeploy it."],
        ),
        (
            replace(update(services=routed("web", route="session")), new_dsns=frozenset({"web"})),
            ["`web` moves direct → session: redeploy it with its new DSN; until then it stays on direct."],
        ),
        (
            update(*RELOAD, services=routed("reports", pool_size=3)),
            [
                "Entry `app`: `pool_size` `16` → `15`, `max_db_connections` `16` → `15`.",
                "Entry `reports`: `pool_size` `2` → `3`, `max_db_connections` `2` → `3`.",
            ],
        ),
        (
            update(*RELOAD, services=routed("worker", statement_timeout=30)),
            ["Entries `app`, `app_session`, `reports`: backends are recycled."],
        ),
        (
            update(*RELOAD, services=routed("worker", pool_size=4)),
            [
                "Entry `worker` of PgBouncer is new.",
                "Entry `app`: `pool_size` `16` → `12`, `max_db_connections` `16` → `12`.",
            ],
        ),
        (
            update(*RELOAD, before={"services": routed("worker", pool_size=4)}),
            [
                "Entry `app`: `pool_size` `12` → `16`, `max_db_connections` `12` → `16`.",
                "Entry `worker` of PgBouncer goes; the update is refused while clients are on it.",
            ],
        ),
        (
            update(
                *RELOAD,
                step("create", f"{LOOKUP}role:Role", "pgbouncer-role-b"),
                step("delete", f"{LOOKUP}role:Role", "pgbouncer-role-a"),
                step("delete", f"{LOOKUP}grant:Grant", "pgbouncer-usage-a"),
                step("delete", f"{LOOKUP}grant:Grant", "pgbouncer-execute-a"),
                rotation=2,
            ),
            [
                "Entry `pgbouncer_auth`: backends are recycled.",
                "The auth password is rotated: lookups move from `pgbouncer_auth_a` to `pgbouncer_auth_b`, "
                "no login is refused.",
                "Database objects change: 1 role created; 2 grants, 1 role removed.",
            ],
        ),
        (
            update(
                step("create", f"{LOOKUP}grantRole:GrantRole", "pgbouncer-services-ann"),
                step("create", f"{LOOKUP}grantRole:GrantRole", "pgbouncer-superusers-ann"),
                step("delete", f"{LOOKUP}grantRole:GrantRole", "pgbouncer-services-bob"),
            ),
            [
                "From then on `ann` may log in through the pooler.",
                "From then on `bob` may no longer log in through the pooler.",
                "From then on `ann` may do so as superusers.",
                "Database objects change: 2 memberships created; 1 membership removed.",
            ],
        ),
        (
            update(step("replace", POOLER, "pgbouncer-pooler", "stopTimeout"), destroy_grace_seconds=40),
            ["`pgbouncer-pooler` is replaced because of `stopTimeout`."],
        ),
        (update(*REPLACE, limits={"memory_mb": 96}), []),
        (
            update(
                step(
                    "replace",
                    f"pgbouncer:auth:ServicePasswords${DATABASE_JOB}",
                    "x-service-passwords",
                    "uploads[1]",
                )
            ),
            [
                "Passwords of services are set on the server (`x-service-passwords`): "
                "new logins with an old one are refused from then on."
            ],
        ),
        (
            update(
                step(
                    "replace",
                    f"pgbouncer:auth:ServicePasswords${DATABASE_JOB}",
                    "x-service-passwords",
                    "image",
                )
            ),
            [],
        ),
        (
            update(step("create", f"pgbouncer:routes:RoleSettings${DATABASE_JOB}", "x-role-settings")),
            ["Defaults of services' roles are set on the server (`x-role-settings`)."],
        ),
        (
            update(step("create", f"pgbouncer:cap:CapSetting${DATABASE_JOB}", "x-check-interval-billing")),
            ["The check interval that keeps the cap is set on the database (`x-check-interval-billing`)."],
        ),
        (
            update(step("create", f"pgbouncer:metrics:Metrics${DATABASE_JOB}", "x-exporter")),
            ["Container `x-exporter` is created."],
        ),
        (update(step("update", "pulumi:providers:postgresql", "database", "host")), []),
        (
            update(step("replace", "pulumi:providers:docker", "engine", "host")),
            ["docker `engine` is replaced."],
        ),
    ],
    ids=[
        "nothing",
        "verification only",
        "cutover",
        "rollback",
        "new service",
        "service gone",
        "another DSN",
        "a move says it already",
        "pool size",
        "role settings",
        "own entry",
        "own entry gone",
        "rotation",
        "memberships",
        "replaced by no setting",
        "replaced by a setting",
        "passwords",
        "same passwords in another image",
        "defaults of roles",
        "check interval",
        "something new",
        "connection of the deployment",
        "another engine",
    ],
)
def test_the_points_say_what_else_to_know(found: Update, said: list[str]) -> None:
    assert points(found) == said


def test_a_first_deployment_lists_the_services_by_lane() -> None:
    found = points(update(step("create", POOLER, "pgbouncer-pooler"), first=True))
    assert found == [
        "On the transaction lane, once redeployed with their DSN: `worker`, `reports`.",
        "On the direct lane, where they are: `web`.",
    ]


def test_another_name_is_neither_a_rotation_nor_a_change_of_entries() -> None:
    steps = [step("create", POOLER, "pool-pooler"), step("delete", POOLER, "pgbouncer-pooler")]
    steps += [
        step(operation, f"{LOOKUP}grantRole:GrantRole", f"{name}-services-web")
        for operation, name in (("create", "pool"), ("delete", "pgbouncer"))
    ]
    assert points(update(*steps, name="pool")) == [
        "Database objects change: 1 membership created; 1 membership removed."
    ]


def test_the_removal_of_everything_lists_what_leaves_the_database() -> None:
    old = settings(services=SERVICES)
    planned = read(
        document(
            step("delete", POOLER, "pgbouncer-pooler"),
            step("delete", f"{LOOKUP}schema:Schema", "pgbouncer-schema"),
        )
    )
    assert points(Update(planned, facts(old), Facts(), old)) == ["Database objects change: 1 schema removed."]


def test_a_stack_that_was_never_updated_is_not_there() -> None:
    assert not Facts().is_there
