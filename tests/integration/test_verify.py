"""The verification on real servers: silent on a clean deployment, and each seeded fault is caught by its own check."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import docker
import psycopg
import pytest

from components.dsn import lanes
from components.names import DeploymentNames
from components.settings import Lane, Settings
from tests.integration import old_pgbouncer
from tests.integration.bouncer import Bouncer, Ended, Process, assert_passed, wait_until
from tests.integration.conftest import Deploy
from tests.integration.server import Connection, Server, create_role, grant_membership, install_lookup

pytestmark = pytest.mark.timeout(120)

NAMES = DeploymentNames("verified", "tracksolid_db")
PASSWORD = "verify:\\'secret"
FUNCTION = "user_lookup(i_username text)"


def configured(server: Server, **values: object) -> Settings:
    services: dict[str, object] = {
        "seen": {"user": "verify_seen", "route": "transaction", "pool_size": 3},
        "shared": {"user": "verify_shared", "route": "transaction"},
        "held": {"user": "verify_held", "route": "session"},
        "reader": {"user": "verify_reader", "route": "direct", "read_only": True},
        "unknown": {"user": "verify_unknown", "route": "transaction"},
        # one pool, of two backends, between them
        "first": {"user": "verify_crowd", "route": "transaction"},
        "second": {"user": "verify_crowd", "route": "transaction"},
        "third": {"user": "verify_crowd", "route": "transaction"},
    }
    users = ("verify_seen", "verify_shared", "verify_held", "verify_reader", "verify_crowd")
    given = {
        "name": "verified",
        "alias": "verified",
        # leaves 7 of max_backends for the three users of the shared entry: 2 each
        "session_backends": 11,
        "passwords": dict.fromkeys(users, PASSWORD),
        **values,
    }
    return server.settings(services, **given)


@pytest.fixture(scope="module")
def bouncer(deploy_for_module: Deploy, server: Server) -> Bouncer:
    settings = configured(server)
    with server.admin() as connection:
        install_lookup(connection, NAMES, server.auth_password)
        for user in settings.users():
            create_role(connection, user, PASSWORD)
            grant_membership(connection, NAMES.services_group, user)
        connection.execute(
            "ALTER ROLE verify_reader IN DATABASE tracksolid_db SET default_transaction_read_only = on"
        )
    made = deploy_for_module(settings)
    assert_passed(made.keep_check_interval(server.admin_password))
    return made


@pytest.fixture(scope="module")
def process(bouncer: Bouncer) -> Process:
    return bouncer.up()


@pytest.fixture(scope="module")
def clean(bouncer: Bouncer, process: Process) -> Ended:
    """A verification with no fault seeded."""
    return bouncer.verify(process)


def misses(ended: Ended) -> dict[str, tuple[str, str]]:
    """`check: subject` → (declared, found) of a table; exit code and misses must agree."""
    found = re.findall(r"^MISS +(.+)\n  declared  (.*)\n  found     (.*)$", ended.log, re.MULTILINE)
    assert (ended.exit_code, bool(found)) in [(0, False), (1, True)], ended.log
    return {subject: (declared, actual) for subject, declared, actual in found}


def test_a_clean_deployment_has_no_miss(clean: Ended) -> None:
    assert misses(clean) == {}


def test_the_table_has_a_line_for_each_check(clean: Ended) -> None:
    lines = [line.split(maxsplit=2) for line in clean.log.split("\n\n")[0].splitlines()]
    names = [re.sub(r" {2,}.*", "", line) for line in clean.log.split("\n\n")[0].splitlines()]
    assert lines[0] == ["CHECK", "RESULT", "FACTS"]
    assert names[1:] == [
        "version", "files", "settings", "databases", "users", "restart-only", "alias", "backends", "function",
        "grants", "roles", "members", "service roles", "role defaults", "check interval", "server", "refusals",
        "logins", "prepared",
    ]  # fmt: skip


def test_a_service_without_a_known_password_is_named_as_not_judged(clean: Ended) -> None:
    assert "not judged  logins: unknown: the stack knows no password of verify_unknown" in clean.log


def test_the_secrets_are_gone_from_the_ended_job(clean: Ended) -> None:
    for name in ("admin.pgpass", "services.pgpass"):
        stream, found = clean.container.get_archive(f"/staged/{name}")
        assert found is not None
        assert (found["size"], PASSWORD.encode() in b"".join(stream)) == (0, False)
    assert not clean.holds("/tmp/verify")


def test_services_that_share_a_pool_of_two_backends_do_not_stop_each_other(clean: Ended) -> None:
    open_or_missed = r"^(?:MISS|not judged) +(?:logins|prepared): (?:first|second|third).*$"
    assert re.findall(open_or_missed, clean.log, re.MULTILINE) == []


@pytest.mark.parametrize(
    ("in_transactions", "said"),
    [
        (1, ["prepared: first: no backend became free within 10 s"]),
        (2, ["logins: first: no backend became free within 10 s", "prepared: first: no login"]),
    ],
)
def test_a_lane_whose_backends_stay_in_transactions_is_not_judged(
    bouncer: Bouncer, process: Process, in_transactions: int, said: list[str]
) -> None:
    services = bouncer.settings.services
    alone = {name: body for name, body in services.items() if name not in ("second", "third")}
    at = bouncer.settings.model_copy(update={"alias": process.address, "services": alone})
    with ExitStack() as held:
        for _ in range(in_transactions):
            client = held.enter_context(psycopg.connect(lanes(at, "first", PASSWORD)[Lane.TRANSACTION]))
            client.execute("SELECT 1")
        ended = bouncer.verify(process, at.model_copy(update={"alias": "verified"}))
    assert misses(ended) == {}
    assert re.findall(r"^not judged  (.+: first: .+)$", ended.log, re.MULTILINE) == said


def test_a_command_that_fails_before_the_comparison_is_no_miss(bouncer: Bouncer, process: Process) -> None:
    ended = bouncer.verify(process, left_out="declared")
    assert (ended.exit_code, ended.log.splitlines()[-1]) == (
        2,
        "cannot be judged: a command failed before the comparison",
    )


def test_a_pooler_that_has_gone_cannot_be_judged(bouncer: Bouncer, process: Process) -> None:
    bouncer.on_volumes("mv /run/pgb/1/container /run/pgb/1/away")
    ended = bouncer.verify(process)
    bouncer.on_volumes("mv /run/pgb/1/away /run/pgb/1/container")
    assert (ended.exit_code, ended.log.strip()) == (
        2,
        "cannot be judged: the pooler container holds no socket slot; is it running? "
        f"see: docker logs {str(process.container.id)[:12]}",
    )


def test_a_database_that_refuses_the_admin_cannot_be_judged(bouncer: Bouncer, process: Process) -> None:
    wrong = bouncer.settings.model_copy(update={"admin_user": "verify_nobody"})
    ended = bouncer.verify(process, wrong)
    assert (ended.exit_code, ended.log.strip()) == (
        2,
        "cannot be judged: the catalogs cannot be read as verify_nobody: "
        'password authentication failed for user "verify_nobody"',
    )


# --- faults in the catalogs

LOOKUP = "verified.user_lookup(text)"
ANYBODY = (
    "SELECT i_username, 'md5' || pg_catalog.md5(i_username) "
    "WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = i_username) UNION ALL "
)
CATALOG_FAULTS = {
    "body of the function": (
        "DO $$ BEGIN EXECUTE replace(pg_get_functiondef('verified.user_lookup(text)'::regprocedure), "
        "'No row for', 'Rows for'); END $$",
        "DO $$ BEGIN EXECUTE replace(pg_get_functiondef('verified.user_lookup(text)'::regprocedure), "
        "'Rows for', 'No row for'); END $$",
        [f"function: {FUNCTION} body"],
    ),
    "search_path of the function": (
        f"ALTER FUNCTION {LOOKUP} SET search_path = public",
        f"ALTER FUNCTION {LOOKUP} RESET search_path",
        [f"function: {FUNCTION} settings"],
    ),
    "volatility of the function": (
        f"ALTER FUNCTION {LOOKUP} VOLATILE",
        f"ALTER FUNCTION {LOOKUP} STABLE",
        [f"function: {FUNCTION} returns"],
    ),
    "owner of the function": (
        f"CREATE ROLE verify_owner SUPERUSER; ALTER FUNCTION {LOOKUP} OWNER TO verify_owner",
        f"ALTER FUNCTION {LOOKUP} OWNER TO postgres; DROP ROLE verify_owner",
        # the owner's own right is part of the function's ACL
        [
            f"function: {FUNCTION} owner",
            f"grants: {FUNCTION}: postgres",
            f"grants: {FUNCTION}: verify_owner",
        ],
    ),
    "owner of the schema": (
        "CREATE ROLE verify_owner; ALTER SCHEMA verified OWNER TO verify_owner",
        "ALTER SCHEMA verified OWNER TO postgres; DROP ROLE verify_owner",
        [
            "function: schema verified owner",
            "grants: schema verified: postgres",
            "grants: schema verified: verify_owner",
        ],
    ),
    "a second function of the same name": (
        "CREATE FUNCTION verified.user_lookup(i integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'; "
        "REVOKE ALL ON FUNCTION verified.user_lookup(integer) FROM PUBLIC",
        "DROP FUNCTION verified.user_lookup(integer)",
        [
            *(
                f"function: user_lookup(i integer) {what}"
                for what in ("body", "owner", "returns", "security", "settings")
            ),
            "grants: user_lookup(i integer): postgres",
        ],
    ),
    "EXECUTE granted to PUBLIC": (
        f"GRANT EXECUTE ON FUNCTION {LOOKUP} TO PUBLIC",
        f"REVOKE EXECUTE ON FUNCTION {LOOKUP} FROM PUBLIC",
        [f"grants: {FUNCTION}: PUBLIC"],
    ),
    "CREATE in the schema granted to the auth role": (
        "GRANT CREATE ON SCHEMA verified TO verified_auth_a",
        "REVOKE CREATE ON SCHEMA verified FROM verified_auth_a",
        ["grants: schema verified: verified_auth_a"],
    ),
    "a table granted to the auth role": (
        "CREATE TABLE public.verify_table (); GRANT SELECT ON public.verify_table TO verified_auth_a",
        "DROP TABLE public.verify_table",
        ["grants: verified_auth_a elsewhere"],
    ),
    "auth role made superuser": (
        "ALTER ROLE verified_auth_a SUPERUSER",
        "ALTER ROLE verified_auth_a NOSUPERUSER",
        ["roles: verified_auth_a"],
    ),
    "auth role that may create roles": (
        "ALTER ROLE verified_auth_a CREATEROLE",
        "ALTER ROLE verified_auth_a NOCREATEROLE",
        ["roles: verified_auth_a"],
    ),
    "auth role in a group": (
        "GRANT pg_monitor TO verified_auth_a",
        "REVOKE pg_monitor FROM verified_auth_a",
        ["roles: verified_auth_a in pg_monitor"],
    ),
    "a second auth role left behind": (
        "CREATE ROLE verified_auth_b LOGIN",
        "DROP ROLE verified_auth_b",
        ["roles: verified_auth_b"],
    ),
    "the role of an exporter that is off": (
        "CREATE ROLE verified_monitor LOGIN; GRANT pg_monitor TO verified_monitor",
        "DROP ROLE verified_monitor",
        ["roles: verified_monitor", "roles: verified_monitor in pg_monitor"],
    ),
    "a group that can log in": (
        "ALTER ROLE verified_services LOGIN",
        "ALTER ROLE verified_services NOLOGIN",
        ["roles: verified_services"],
    ),
    "a function that answers for anybody": (
        f"DO $do$ BEGIN EXECUTE replace(pg_get_functiondef('{LOOKUP}'::regprocedure), "
        f"'SELECT r.rolname::', $${ANYBODY}$$ || 'SELECT r.rolname::'); END $do$",
        f"DO $do$ BEGIN EXECUTE replace(pg_get_functiondef('{LOOKUP}'::regprocedure), $${ANYBODY}$$, ''); END $do$",
        [f"function: {FUNCTION} body", "refusals: a role that no service names"],
    ),
    "a stranger among the services": (
        "CREATE ROLE verify_stranger; GRANT verified_services TO verify_stranger",
        "DROP ROLE verify_stranger",
        ["members: verify_stranger in verified_services"],
    ),
    "a service that is no member any more": (
        "REVOKE verified_services FROM verify_unknown",
        "GRANT verified_services TO verify_unknown",
        ["members: verify_unknown in verified_services"],
    ),
    "a pooled service made superuser": (
        "ALTER ROLE verify_unknown SUPERUSER",
        "ALTER ROLE verify_unknown NOSUPERUSER",
        ["service roles: verify_unknown"],
    ),
    "a pooled service whose password has expired": (
        "ALTER ROLE verify_unknown VALID UNTIL '2020-01-01'",
        "ALTER ROLE verify_unknown VALID UNTIL 'infinity'",
        ["service roles: verify_unknown"],
    ),
    "a default of a role": (
        "ALTER ROLE verify_reader IN DATABASE tracksolid_db SET default_transaction_read_only = off",
        "ALTER ROLE verify_reader IN DATABASE tracksolid_db SET default_transaction_read_only = on",
        # and its own login shows it
        ["logins: reader", "role defaults: verify_reader in tracksolid_db: default_transaction_read_only"],
    ),
    "check interval of the database": (
        "ALTER DATABASE tracksolid_db RESET client_connection_check_interval",
        "ALTER DATABASE tracksolid_db SET client_connection_check_interval = 20",
        ["check interval: tracksolid_db"],
    ),
    "a password changed behind the stack's back": (
        "ALTER ROLE verify_shared PASSWORD 'another'",
        f"ALTER ROLE verify_shared PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'",
        ["logins: shared"],
    ),
    "a direct service that may not log in": (
        "ALTER ROLE verify_reader NOLOGIN",
        "ALTER ROLE verify_reader LOGIN",
        ["logins: reader"],
    ),
}


@pytest.mark.parametrize(("seed", "undo", "caught"), CATALOG_FAULTS.values(), ids=CATALOG_FAULTS)
def test_a_fault_in_the_catalogs_is_caught_by_its_check_alone(
    bouncer: Bouncer, process: Process, admin: Connection, seed: str, undo: str, caught: list[str]
) -> None:
    admin.execute(seed.encode())
    try:
        ended = bouncer.verify(process)
    finally:
        admin.execute(undo.encode())
    assert sorted(misses(ended)) == caught


def test_a_function_that_runs_as_its_caller_is_caught_and_nobody_gets_in(
    bouncer: Bouncer, process: Process, admin: Connection
) -> None:
    admin.execute(f"ALTER FUNCTION {LOOKUP} SECURITY INVOKER".encode())
    try:
        found = misses(bouncer.verify(process))
    finally:
        admin.execute(f"ALTER FUNCTION {LOOKUP} SECURITY DEFINER".encode())
    assert found[f"function: {FUNCTION} security"] == ("SECURITY DEFINER", "SECURITY INVOKER")
    assert {check.partition(":")[0] for check in found} == {"function", "refusals", "logins"}


# --- faults on the volume and in the process

LIVE = "/config/live"


@contextmanager
def edited(bouncer: Bouncer, file: str, command: str) -> Iterator[Callable[[], None]]:
    """A file of the live configuration changed by a shell command; gives the function that puts it back."""
    path = f"{LIVE}/{file}"

    def put_back() -> None:
        bouncer.on_volumes(f"cat /config/kept >{path}")

    bouncer.on_volumes(f"cat {path} >/config/kept && {command} {path}")
    try:
        yield put_back
    finally:
        put_back()
        bouncer.on_volumes("rm /config/kept")


@contextmanager
def reloaded(bouncer: Bouncer, process: Process, file: str, command: str) -> Iterator[None]:
    """A changed file that was reloaded and then put back: the files are right, what is in force is not."""
    with edited(bouncer, file, command) as put_back:
        process.run(CONSOLE.format(port=process.port, command="RELOAD"))
        put_back()
        try:
            yield
        finally:
            process.run(CONSOLE.format(port=process.port, command="RELOAD"))


CONSOLE = 'psql -XAtq -h "$(cat /tmp/slot)" -p {port} -U pgbouncer -d pgbouncer -c "{command}"'


@pytest.mark.parametrize("file", ["pgbouncer.ini", "pg_hba.conf", "userlist.txt"])
def test_a_file_edited_in_the_volume_is_caught_by_the_files_alone(
    bouncer: Bouncer, process: Process, file: str
) -> None:
    with edited(bouncer, file, "echo '# by hand' >>"):
        ended = bouncer.verify(process)
    assert list(misses(ended)) == [f"files: {file}"]


def test_the_cap_of_an_entry_raised_in_the_process_is_caught_by_the_databases_alone(
    bouncer: Bouncer, process: Process
) -> None:
    raised = r"sed -i -e '/^seen = /s/max_db_connections=3/max_db_connections=4/'"
    with reloaded(bouncer, process, "pgbouncer.ini", raised):
        found = misses(bouncer.verify(process))
    assert found == {"databases: seen max_connections": ("3", "4")}


def test_a_wildcard_entry_is_caught_by_the_databases_alone(bouncer: Bouncer, process: Process) -> None:
    wildcard = r"sed -i -e '/^\[peers\]/i verify_extra = host=timescale_db'"
    with reloaded(bouncer, process, "pgbouncer.ini", wildcard):
        found = misses(bouncer.verify(process))
    assert {subject.rsplit(" ", 1)[0] for subject in found} == {"databases: verify_extra"}


def test_a_setting_changed_at_the_console_is_caught_by_the_settings_alone(
    bouncer: Bouncer, process: Process
) -> None:
    process.run(CONSOLE.format(port=process.port, command="SET query_wait_timeout = 7"))
    try:
        ended = bouncer.verify(process)
    finally:
        process.run(CONSOLE.format(port=process.port, command="RELOAD"))
    assert misses(ended) == {"settings: query_wait_timeout": ("20", "7")}


def test_a_limit_of_a_user_in_the_process_is_caught_by_the_users_alone(
    bouncer: Bouncer, process: Process
) -> None:
    limited = r"sed -i -e '/^\[peers\]/i [users]\nverified_auth_a = max_user_connections={}'"
    try:
        with reloaded(bouncer, process, "pgbouncer.ini", limited.format(7)):
            found = misses(bouncer.verify(process))
    finally:
        # a value stays when its line is gone
        with reloaded(bouncer, process, "pgbouncer.ini", limited.format(0)):
            pass
    assert found == {"users: verified_auth_a max_user_connections": ("0", "7")}


def test_a_console_opened_to_the_network_is_caught_by_the_refusals_beside_the_setting(
    bouncer: Bouncer, process: Process
) -> None:
    process.run(CONSOLE.format(port=process.port, command="SET admin_users = 'verified_auth_a'"))
    try:
        found = misses(bouncer.verify(process))
    finally:
        process.run(CONSOLE.format(port=process.port, command="RELOAD"))
    assert sorted(found) == ["refusals: the console from the network", "settings: admin_users"]


def test_an_access_rule_dropped_in_the_process_is_caught_by_the_refusals_alone(
    bouncer: Bouncer, process: Process
) -> None:
    with reloaded(bouncer, process, "pg_hba.conf", "sed -i -e '/verified_auth_a/d'"):
        found = misses(bouncer.verify(process))
    assert [(subject, declared) for subject, (declared, _) in found.items()] == [
        ("refusals: verified_auth_a as a client", "login rejected")
    ]


def test_the_lookup_entry_opened_in_the_process_is_caught_by_the_refusals_alone(
    bouncer: Bouncer, process: Process
) -> None:
    with reloaded(bouncer, process, "pg_hba.conf", "sed -i -e '/^host verified_auth all/d'"):
        found = misses(bouncer.verify(process))
    assert list(found) == ["refusals: a service on the entry verified_auth"]


def test_prepared_statements_that_are_off_fail_their_check_beside_the_setting(
    bouncer: Bouncer, process: Process
) -> None:
    process.run(CONSOLE.format(port=process.port, command="SET max_prepared_statements = 0"))
    try:
        found = misses(bouncer.verify(process))
    finally:
        process.run(CONSOLE.format(port=process.port, command="RELOAD"))
    assert found["settings: max_prepared_statements"] == ("200", "0")
    assert "prepared: seen" in found


def test_a_restart_only_setting_that_is_not_in_force_is_caught_by_its_check_alone(
    bouncer: Bouncer, process: Process, server: Server
) -> None:
    declared = configured(server, settings={"listen_backlog": 64})
    assert misses(bouncer.verify(process, declared)) == {"restart-only: listen_backlog": ("64", "128")}


@pytest.mark.parametrize(
    ("key", "declared", "caught"),
    [
        ("max_connections", 99, {"server: max_connections": ("99", "100")}),
        ("reserved_connections", 4, {"server: reserved connections": ("4", "3")}),
    ],
)
def test_a_limit_of_the_server_that_differs_is_caught_by_its_check_alone(
    bouncer: Bouncer,
    process: Process,
    server: Server,
    key: str,
    declared: int,
    caught: dict[str, tuple[str, str]],
) -> None:
    assert misses(bouncer.verify(process, configured(server, **{key: declared}))) == caught


def test_backends_over_the_cap_are_caught_in_the_pooler_and_in_postgres(
    bouncer: Bouncer, process: Process
) -> None:
    raised = "sed -i -e '/^seen = /s/=3/=30/g'"
    at = bouncer.settings.model_copy(update={"alias": process.address})
    with reloaded(bouncer, process, "pgbouncer.ini", raised), ExitStack() as held:
        for _ in range(26):
            client = held.enter_context(psycopg.connect(lanes(at, "seen", PASSWORD)[Lane.TRANSACTION]))
            client.execute("SELECT 1")
        found = misses(bouncer.verify(process))
    assert sorted(subject for subject in found if not subject.startswith("databases: seen")) == [
        "backends: in Postgres",
        "backends: of the pooler",
    ]
    assert found["backends: of the pooler"][0] == "at most 25"


def test_an_alias_that_leads_elsewhere_is_caught_by_its_check_alone(
    bouncer: Bouncer, process: Process, client: docker.DockerClient
) -> None:
    network = client.networks.get(process.network)
    network.disconnect(process.container)
    network.connect(process.container)
    try:
        found = misses(bouncer.verify(process))
    finally:
        network.disconnect(process.container)
        network.connect(process.container, aliases=["verified"])
    assert found == {"alias: verified": ("leads to the pooler", "leads elsewhere")}


def test_the_floor_is_the_declared_one(
    bouncer: Bouncer, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.expectations.OLDEST", "1.999.0")
    found = misses(bouncer.verify(process))
    version = process.console("SHOW VERSION")[0]["version"].split()[1]
    assert found == {"version: PgBouncer": ("at least 1.999.0", version)}


def test_a_real_pgbouncer_below_the_floor_is_caught(bouncer: Bouncer, process: Process) -> None:
    old = bouncer.start_other(old_pgbouncer.binary(), slot=2)
    wait_until(lambda: "process up" in old.log, 30)
    found = misses(bouncer.verify(old))
    declared, version = found["version: PgBouncer"]
    assert declared == "at least 1.26.1"
    assert re.fullmatch(r"1\.\d+\.\d+", version)
    assert process.state["Status"] == "running"
