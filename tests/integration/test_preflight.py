"""What an update finds out before it changes anything, on a real server and a real engine."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace, TracebackType
from typing import Self

import docker
import psycopg
import pytest

from components import preflight
from components.settings import Settings, SettingsError
from tests.integration.bouncer import LABELS
from tests.integration.server import PREFIX, STACK, Connection, Row, Server, create_role, grant_membership

pytestmark = pytest.mark.timeout(120)


def configured(server: Server, **values: object) -> Settings:
    server.add_service("checked", "checked")
    return server.settings({"checked": {"route": "transaction"}}, **values)


def found(settings: Settings, stack: str = STACK) -> list[str]:
    """Findings of preflight.check, one a line."""
    with pytest.raises(SettingsError) as refused:
        preflight.check(settings, stack)
    return str(refused.value).splitlines()


def test_a_stack_that_fits_passes(server: Server) -> None:
    preflight.check(configured(server), STACK)


def test_all_findings_come_at_once(server: Server) -> None:
    assert len(found(configured(server, max_connections=200, network="test-integration-absent"))) == 2


class TestTheConnection:
    def test_a_wrong_password_names_the_key_and_the_command(self, server: Server) -> None:
        assert found(configured(server, admin_password="wrong")) == [
            f"admin_password: was refused for postgres at {server.host}:5432; "
            "set it with `pulumi config set --secret admin_password`"
        ]

    def test_the_wrong_password_itself_is_not_shown(self, server: Server) -> None:
        assert "tell-nobody" not in "".join(found(configured(server, admin_password="tell-nobody")))

    def test_a_port_that_nobody_listens_on_says_how_to_reach_the_server(self, server: Server) -> None:
        text = found(configured(server, admin_port=5999))[0]
        assert text.startswith(f"admin_host, admin_port: no Postgres reached at {server.host}:5999 (")
        assert text.endswith("; publish its port, give the container's address, or open an SSH tunnel")

    def test_an_unknown_database_is_named(self, server: Server) -> None:
        assert found(configured(server, database="absent_db")) == [
            f"database: absent_db does not exist at {server.host}:5432; correct the name"
        ]


class TestTheServer:
    def test_another_max_connections_says_what_to_run(self, server: Server) -> None:
        assert found(configured(server, max_connections=200)) == [
            "max_connections: declared 200, the server has 100; run `pulumi config set max_connections 100`"
        ]

    def test_another_number_of_reserved_connections_says_what_to_run(self, server: Server) -> None:
        assert found(configured(server, reserved_connections=10)) == [
            "reserved_connections: declared 10, the server has 3; run `pulumi config set reserved_connections 3`"
        ]

    def test_a_server_older_than_14_is_refused(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(preflight, "connect", OldServer.connect)
        assert found(configured(server))[0] == (
            "database: the server is version 13; PgBouncer's cap needs 14 or later"
        )

    def test_an_admin_without_rights_is_told_each_that_is_missing(self, server: Server) -> None:
        with server.admin() as connection:
            create_role(connection, "powerless", "powerless")
        assert found(configured(server, admin_user="powerless", admin_password="powerless")) == [
            "admin_user: powerless may not create roles or read pg_authid or create a schema in tracksolid_db; "
            "use a superuser, or grant what is missing"
        ]


class OldServer:
    """A connection that says it is Postgres 13: no distribution at hand has a server that old."""

    info = SimpleNamespace(server_version=130000)

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        assert settings.admin_user
        return cls()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def execute(self, query: str, parameters: object = None) -> list[Row]:
        assert query
        assert parameters
        return []


class TestTheRoles:
    def test_a_missing_role_is_named(self, server: Server) -> None:
        settings = server.settings({"webhook_receiver": {"user": "missing_role"}})
        assert found(settings) == [
            'services.webhook_receiver.user: role "missing_role" does not exist on the server; '
            "create it or correct the name"
        ]

    @pytest.mark.parametrize("route", ["transaction", "session"])
    def test_a_superuser_on_a_pooled_lane_has_to_be_named(self, server: Server, route: str) -> None:
        settings = server.settings({"cron": {"user": "postgres", "route": route}})
        assert found(settings) == [
            'services.cron.user: "postgres" is a superuser and would not get in; '
            "give the service a role of its own, or add it to superusers"
        ]

    @pytest.mark.parametrize(
        ("route", "superusers"), [("transaction", ["postgres"]), ("direct", [])], ids=["named", "direct"]
    )
    def test_a_superuser_that_is_named_or_direct_passes(
        self, server: Server, route: str, superusers: list[str]
    ) -> None:
        settings = server.settings({"cron": {"user": "postgres", "route": route}}, superusers=superusers)
        preflight.check(settings, STACK)


class TestTheEngine:
    def test_a_network_that_is_not_there_is_named(self, server: Server) -> None:
        assert found(configured(server, network="test-integration-absent")) == [
            "network: test-integration-absent does not exist on the engine; name the database's network"
        ]

    def test_an_image_that_is_neither_here_nor_to_be_had_says_how_to_build_it(self, server: Server) -> None:
        text = found(configured(server, image="127.0.0.1:9/absent/pgbouncer:1.26.1"))[0]
        assert text.startswith(
            "image: 127.0.0.1:9/absent/pgbouncer:1.26.1 is not on the engine and cannot be pulled ("
        )
        assert text.endswith("); build it with `make image`, or name one that your engine can pull")

    def test_an_engine_that_does_not_answer_is_named(self, server: Server) -> None:
        text = found(configured(server, docker_host="tcp://127.0.0.1:9"))[0]
        assert text.startswith("docker_host: no Docker engine reached at tcp://127.0.0.1:9 (")
        assert text.endswith("); start it or correct the key")

    @pytest.fixture
    def neighbour(self, client: docker.DockerClient, server: Server) -> Iterator[str]:
        """A container that answers to `taken-name` on the network of the database."""
        network = server.container.network
        container = client.containers.create(
            server.pooler_image,
            entrypoint=["sleep", "100"],
            name=f"{PREFIX}neighbour",
            labels=LABELS,
            network=network,
            networking_config={network: client.api.create_endpoint_config(aliases=["taken-name"])},
        )
        try:
            container.start()
            yield "taken-name"
        finally:
            container.remove(force=True)

    def test_an_alias_that_another_container_answers_to_names_it(
        self, server: Server, neighbour: str
    ) -> None:
        assert found(configured(server, alias=neighbour), stack="prod") == [
            'alias: "taken-name" is answered by container test-integration-neighbour already, which is not of this '
            "stack; stop it, take it over step by step (`adopts`, see 'Adopt what is there' in README.md), or "
            "`pulumi config set alias` to another name until the services have moved"
        ]

    def test_the_name_of_a_container_is_taken_as_well(self, server: Server, neighbour: str) -> None:
        assert neighbour
        assert len(found(configured(server, alias="test-integration-neighbour"), stack="prod")) == 1

    def test_an_alias_that_this_stack_itself_answers_to_passes(self, server: Server, neighbour: str) -> None:
        preflight.check(configured(server, alias=neighbour), STACK)


class TestObjectsThatAreThereAlready:
    def test_they_are_named_with_both_ways_out(self, server: Server) -> None:
        with pytest.raises(SettingsError) as refused:
            preflight.refuse_existing(configured(server))
        assert str(refused.value) == (
            'name: role "pgbouncer_auth_a", role "pgbouncer_services", role "pgbouncer_superusers", '
            'schema "pgbouncer" is already there and not in this stack\'s state. Made by hand or by another stack? '
            "Give this one a name of its own beside it: `pulumi config set name pgbouncer_pulumi`, move the services "
            "over, then drop the old objects. Left over from a lost state? See 'Adopt what is there' in README.md"
        )

    def test_a_name_of_its_own_passes(self, server: Server) -> None:
        preflight.refuse_existing(configured(server, name="pgbouncer_pulumi"))

    def test_a_role_alone_is_enough(self, server: Server, admin: Connection) -> None:
        admin.execute("CREATE ROLE beside_services NOLOGIN")
        try:
            with pytest.raises(SettingsError, match='name: role "beside_services" is already there'):
                preflight.refuse_existing(configured(server, name="beside"))
        finally:
            admin.execute("DROP ROLE beside_services")


def test_the_admin_connection_says_what_it_is_for(server: Server) -> None:
    with preflight.connect(configured(server)) as connection:
        row = connection.execute("SHOW application_name").fetchone()
    assert row == ("pgbouncer-stack",)


def test_an_admin_with_just_the_rights_it_needs_passes(server: Server) -> None:
    with server.admin() as connection:
        create_role(connection, "deployer", "deployer", "LOGIN CREATEROLE")
        connection.execute("GRANT SELECT ON pg_catalog.pg_authid TO deployer")
        connection.execute("GRANT CREATE ON DATABASE tracksolid_db TO deployer")
        grant_membership(connection, "pg_monitor", "deployer")
    preflight.check(configured(server, admin_user="deployer", admin_password="deployer"), STACK)


def test_a_check_leaves_no_connection_open(server: Server, admin: Connection) -> None:
    preflight.check(configured(server), STACK)
    row = admin.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbouncer-stack'"
    ).fetchone()
    assert row == (0,)


def test_it_refuses_with_an_error_of_ours_alone(server: Server) -> None:
    """A driver's own error would show connection parameters."""
    with pytest.raises(SettingsError) as refused:
        preflight.connect(configured(server, admin_password="wrong"))
    assert not isinstance(refused.value, psycopg.Error)
