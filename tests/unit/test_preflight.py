"""Texts of the preflight. Servers are stood in for here; how real ones answer is an integration test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace

import docker
import psycopg
import pytest
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from components import preflight
from components.settings import SettingsError
from tests.unit.stacks import settings

Answers = dict[str, Sequence[tuple[object, ...]]]

HEALTHY: Answers = {
    "pg_settings": [
        ("max_connections", "100"),
        ("superuser_reserved_connections", "3"),
        ("reserved_connections", "0"),
    ],
    "current_user": [(True, True, True)],
    "rolsuper FROM": [("web", False)],
}


class Database:
    """Answers a query by the first of these words that is in its text."""

    def __init__(self, answers: Answers | None = None, version: int = 170000) -> None:
        self.info = SimpleNamespace(server_version=version)
        self.answers = HEALTHY | (answers or {})

    def execute(self, query: str, _: object = None) -> _Rows:
        return next((_Rows(rows) for word, rows in self.answers.items() if word in query), _Rows([]))

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class _Rows:
    def __init__(self, rows: Sequence[tuple[object, ...]]) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[tuple[object, ...]]:
        return iter(self.rows)

    def fetchone(self) -> tuple[object, ...] | None:
        return self.rows[0] if self.rows else None


class Docker:
    """An engine with one network and containers on it."""

    def __init__(self, *members: SimpleNamespace) -> None:
        by_id = {member.id: member for member in members}
        self.containers = SimpleNamespace(get=by_id.__getitem__)
        network = SimpleNamespace(name="app_net", attrs={"Containers": {member.id: {} for member in members}})
        self.networks = SimpleNamespace(get=lambda _: network)
        self.images = SimpleNamespace(get=lambda _: "found", get_registry_data=lambda _: "found")


def member(
    name: str, aliases: list[str] | None = None, labels: dict[str, str] | None = None
) -> SimpleNamespace:
    return SimpleNamespace(
        id=f"id-of-{name}",
        name=name,
        labels=labels or {},
        attrs={"NetworkSettings": {"Networks": {"app_net": {"Aliases": aliases}}}},
    )


@pytest.fixture(autouse=True)
def servers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts a database and an engine in place; healthy ones from the start."""

    def put(database: Database | Exception | None = None, engine: Docker | Exception | None = None) -> None:
        monkeypatch.setattr(psycopg, "connect", _giving(database or Database()))
        monkeypatch.setattr(docker, "from_env", _giving(engine or Docker()))
        monkeypatch.setattr(docker, "DockerClient", _giving(engine or Docker()))

    put()
    return put


def _giving(answer: object) -> Callable[..., object]:
    def call(*_: object, **__: object) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return call


def refused(**changes: object) -> str:
    with pytest.raises(SettingsError) as caught:
        preflight.check(settings(**changes), "prod")
    return str(caught.value)


def test_healthy_servers_are_accepted() -> None:
    assert preflight.check(settings(), "prod") is None  # type: ignore[func-returns-value] # no finding is no error


# --- connecting


@pytest.mark.parametrize(
    "text",
    ['FATAL:  password authentication failed for user "postgres"', "fe_sendauth: no password supplied"],
)
def test_a_refused_password_is_corrected_by_its_key(servers: Callable[..., None], text: str) -> None:
    servers(psycopg.OperationalError(f"connection failed: {text}"))
    assert refused() == (
        "admin_password: was refused for postgres at 127.0.0.1:5432; "
        "set it with `pulumi config set --secret admin_password`"
    )


def test_a_missing_database_is_corrected_by_its_key(servers: Callable[..., None]) -> None:
    servers(psycopg.OperationalError('connection failed: FATAL:  database "app" does not exist'))
    assert refused() == "database: app does not exist at 127.0.0.1:5432; correct the name"


def test_a_server_out_of_reach_is_corrected_by_host_and_port(servers: Callable[..., None]) -> None:
    servers(psycopg.OperationalError("connection failed:\n\tConnection refused"))
    assert refused(admin_host="10.0.0.5", admin_port="5433") == (
        "admin_host, admin_port: no Postgres reached at 10.0.0.5:5433 (connection failed: Connection refused); "
        "publish its port, give the container's address, or open an SSH tunnel"
    )


@pytest.mark.parametrize(
    "text", ["password authentication failed", 'database "app" does not exist', "timeout"]
)
def test_no_error_of_a_connection_shows_the_password(servers: Callable[..., None], text: str) -> None:
    servers(psycopg.OperationalError(text))
    assert "tr0ub4dor" not in refused(admin_password="tr0ub4dor")


# --- the server


def test_a_server_before_14_is_refused(servers: Callable[..., None]) -> None:
    servers(Database(version=130011))
    assert refused() == "database: the server is version 13; PgBouncer's cap needs 14 or later"


def test_another_max_connections_than_declared_is_corrected_by_a_command(
    servers: Callable[..., None],
) -> None:
    rows = [
        ("max_connections", "200"),
        ("superuser_reserved_connections", "3"),
        ("reserved_connections", "0"),
    ]
    servers(Database({"pg_settings": rows}))
    assert refused() == (
        "max_connections: declared 100, the server has 200; run `pulumi config set max_connections 200`"
    )


def test_both_kinds_of_reserved_connections_are_counted(servers: Callable[..., None]) -> None:
    rows = [
        ("max_connections", "100"),
        ("superuser_reserved_connections", "3"),
        ("reserved_connections", "5"),
    ]
    servers(Database({"pg_settings": rows}))
    assert refused() == (
        "reserved_connections: declared 3, the server has 8; run `pulumi config set reserved_connections 8`"
    )


def test_a_server_without_reserved_connections_of_the_new_kind_is_accepted(
    servers: Callable[..., None],
) -> None:
    servers(Database({"pg_settings": [("max_connections", "100"), ("superuser_reserved_connections", "3")]}))
    assert preflight.check(settings(), "prod") is None  # type: ignore[func-returns-value] # no finding is no error


@pytest.mark.parametrize(
    ("rights", "missing"),
    [
        ((False, True, True), "create roles"),
        ((True, False, True), "read pg_authid"),
        ((True, True, False), "create a schema in app"),
        ((False, False, True), "create roles or read pg_authid"),
    ],
)
def test_missing_rights_of_the_admin_are_named(
    servers: Callable[..., None], rights: tuple[bool, bool, bool], missing: str
) -> None:
    servers(Database({"current_user": [rights]}))
    assert refused() == f"admin_user: postgres may not {missing}; use a superuser, or grant what is missing"


# --- roles


def test_a_role_that_is_not_there_is_named_by_its_service(servers: Callable[..., None]) -> None:
    servers(Database({"rolsuper FROM": []}))
    assert refused(services={"api": {"user": "web"}}) == (
        'services.api.user: role "web" does not exist on the server; create it or correct the name'
    )


@pytest.mark.parametrize("route", ["transaction", "session"])
def test_a_superuser_that_the_stack_does_not_name_is_refused_behind_the_pooler(
    servers: Callable[..., None], route: str
) -> None:
    servers(Database({"rolsuper FROM": [("web", True)]}))
    assert refused(services={"web": {"route": route}}) == (
        'services.web.user: "web" is a superuser and would not get in; '
        "give the service a role of its own, or add it to superusers"
    )


def test_a_superuser_that_the_stack_does_not_name_is_accepted_on_the_direct_lane(
    servers: Callable[..., None],
) -> None:
    servers(Database({"rolsuper FROM": [("web", True)]}))
    assert preflight.check(settings(), "prod") is None  # type: ignore[func-returns-value] # no finding is no error


def test_a_superuser_that_the_stack_names_is_accepted(servers: Callable[..., None]) -> None:
    servers(Database({"rolsuper FROM": [("web", True)]}))
    named = settings(superusers=["web"], services={"web": {"route": "transaction"}})
    assert preflight.check(named, "prod") is None  # type: ignore[func-returns-value] # no finding is no error


# --- what is there already


def test_objects_that_are_there_already_are_named_with_both_ways_on(servers: Callable[..., None]) -> None:
    servers(Database({"pg_roles": [("pool_auth_a",), ("pool_services",)], "pg_namespace": [("pool",)]}))
    with pytest.raises(SettingsError) as caught:
        preflight.refuse_existing(settings(name="pool"))
    assert str(caught.value) == (
        'name: role "pool_auth_a", role "pool_services", schema "pool" is already there '
        "and not in this stack's state. "
        "Made by hand or by another stack? Give this one a name of its own beside it: "
        "`pulumi config set name pool_pulumi`, move the services over, then drop the old objects. "
        "Left over from a lost state? See 'Adopt what is there' in README.md"
    )


def test_a_server_without_such_objects_is_accepted(servers: Callable[..., None]) -> None:
    servers(Database({"pg_roles": [], "pg_namespace": []}))
    assert preflight.refuse_existing(settings(name="pool")) is None  # type: ignore[func-returns-value] # as above


# --- the engine


def test_a_network_that_is_not_there_is_named(servers: Callable[..., None]) -> None:
    engine = Docker()
    engine.networks = SimpleNamespace(get=_giving(NotFound("no such network")))
    servers(engine=engine)
    assert refused() == "network: app_net does not exist on the engine; name the database's network"


def test_an_image_that_is_neither_there_nor_pullable_is_named(servers: Callable[..., None]) -> None:
    engine = Docker()
    engine.images = SimpleNamespace(
        get=_giving(ImageNotFound("no such image")),
        get_registry_data=_giving(APIError("404", explanation="pull access denied")),
    )
    servers(engine=engine)
    assert refused() == (
        "image: pgbouncer-stack/pgbouncer:1.26.1 is not on the engine and cannot be pulled (pull access denied); "
        "build it with `make image`, or name one that your engine can pull"
    )


def test_an_image_of_an_exporter_that_is_not_there_is_named_with_its_key(
    servers: Callable[..., None],
) -> None:
    engine = Docker()

    def get(reference: str) -> str:
        if reference == "exporters:2":
            raise ImageNotFound("no such image")
        return "found"

    engine.images = SimpleNamespace(
        get=get, get_registry_data=_giving(APIError("404", explanation="pull access denied"))
    )
    servers(engine=engine)
    assert refused(metrics={"image": "exporters:1", "postgres_image": "exporters:2"}) == (
        "metrics.postgres_image: exporters:2 is not on the engine and cannot be pulled (pull access denied); "
        "build it with `make exporters`, or name one that your engine can pull"
    )


def test_an_image_that_can_be_pulled_is_accepted(servers: Callable[..., None]) -> None:
    engine = Docker()
    engine.images = SimpleNamespace(
        get=_giving(ImageNotFound("no such image")), get_registry_data=lambda _: "found"
    )
    servers(engine=engine)
    assert preflight.check(settings(), "prod") is None  # type: ignore[func-returns-value] # no finding is no error


def test_an_engine_out_of_reach_is_corrected_by_its_key(servers: Callable[..., None]) -> None:
    servers(engine=DockerException("connection refused"))
    assert refused(docker_host="tcp://10.0.0.5:2376") == (
        "docker_host: no Docker engine reached at tcp://10.0.0.5:2376 (connection refused); start it or correct the key"
    )


def test_an_engine_out_of_reach_without_a_key_is_the_default_socket(servers: Callable[..., None]) -> None:
    servers(engine=DockerException("connection refused"))
    assert refused() == (
        "docker_host: no Docker engine reached at the default socket (connection refused); start it or correct the key"
    )


@pytest.mark.parametrize(("name", "aliases"), [("pgbouncer", None), ("old-pooler", ["pooler", "pgbouncer"])])
def test_a_container_of_others_that_answers_to_the_alias_is_refused(
    servers: Callable[..., None], name: str, aliases: list[str] | None
) -> None:
    servers(engine=Docker(member(name, aliases)))
    assert refused() == (
        f'alias: "pgbouncer" is answered by container {name} already, which is not of this stack; '
        "stop it, take it over step by step (`adopts`, see 'Adopt what is there' in README.md), or "
        "`pulumi config set alias` to another name until the services have moved"
    )


def test_the_container_of_another_stack_that_answers_to_the_alias_is_refused(
    servers: Callable[..., None],
) -> None:
    servers(engine=Docker(member("other", ["pgbouncer"], {"pgbouncer-stack.stack": "staging"})))
    assert refused().startswith('alias: "pgbouncer" is answered by container other already')


def test_the_container_that_is_adopted_may_answer_to_the_alias(servers: Callable[..., None]) -> None:
    servers(engine=Docker(member("old-pooler", ["pgbouncer"])))
    preflight.check(settings(adopts="old-pooler"), "prod")


def test_the_container_of_this_stack_may_answer_to_the_alias(servers: Callable[..., None]) -> None:
    servers(engine=Docker(member("mine", ["pgbouncer"], {"pgbouncer-stack.stack": "prod"})))
    assert preflight.check(settings(), "prod") is None  # type: ignore[func-returns-value] # no finding is no error


def test_containers_with_other_names_are_left_alone(servers: Callable[..., None]) -> None:
    servers(engine=Docker(member("timescale_db", ["db"]), member("grafana")))
    assert preflight.check(settings(), "prod") is None  # type: ignore[func-returns-value] # no finding is no error


def test_findings_of_both_servers_come_at_once(servers: Callable[..., None]) -> None:
    servers(Database(version=130011), DockerException("connection refused"))
    assert [line.split(":")[0] for line in refused().splitlines()] == ["database", "docker_host"]


# --- further databases


def databases(*found: tuple[str, bool]) -> Database:
    return Database({"pg_database WHERE": list(found)})


BILLING = {"billing": {"dbname": "billing_db", "backends": 4}}


def test_a_further_database_that_does_not_exist_is_refused(servers: Callable[..., None]) -> None:
    servers(databases(("app", True)))
    assert refused(databases=BILLING) == (
        "databases.billing.dbname: billing_db does not exist on the server; create it or correct the name"
    )


def test_a_further_database_of_somebody_else_is_refused(servers: Callable[..., None]) -> None:
    servers(databases(("app", True), ("billing_db", False)))
    assert refused(databases=BILLING) == (
        "admin_user: postgres may not alter the database billing_db; "
        "use a superuser, or make it a member of the owner"
    )


def test_a_further_database_that_this_deployment_may_alter_is_accepted(servers: Callable[..., None]) -> None:
    servers(databases(("app", True), ("billing_db", True)))
    assert preflight.check(settings(databases=BILLING), "prod") is None  # type: ignore[func-returns-value] # no finding is no error
