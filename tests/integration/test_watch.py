"""What `make watch` sees of real poolers: two in an overlap, waits, who holds a backend, one that has gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from components.settings import Settings
from tests.integration.bouncer import Bouncer, Process, wait_until
from tests.integration.conftest import Deploy
from tests.integration.server import STACK, Connection, Server
from toolchain import pooler_console
from views import consoles, look
from views.alarms import alarms
from views.pools import Entry, Look

pytestmark = pytest.mark.timeout(180)

PASSWORD = "watched"
USER = "watch_narrow"


@pytest.fixture(scope="module")
def settings(server: Server) -> Settings:
    server.add_service(USER, PASSWORD)
    return server.settings({"narrow": {"user": USER, "route": "transaction", "pool_size": 1}})


@pytest.fixture(scope="module")
def bouncer(deploy_for_module: Deploy, settings: Settings) -> Bouncer:
    return deploy_for_module(settings)


@pytest.fixture(scope="module")
def process(bouncer: Bouncer) -> Process:
    return bouncer.up()


def connect(process: Process, application: str = "narrow") -> Connection:
    return psycopg.connect(
        host=process.address,
        port=6432,
        user=USER,
        password=PASSWORD,
        dbname="narrow",
        autocommit=True,
        application_name=application,
    )


def entry(found: Look, process: Process) -> Entry:
    return next(
        entry
        for pooler in found.poolers
        if pooler.id == process.container.id
        for entry in pooler.entries
        if entry.name == "narrow"
    )


@pytest.fixture
def crowded(process: Process) -> Iterator[Connection]:
    """A client that holds the entry's one backend, and another that waits for it."""
    with connect(process, "the-holder") as holder, connect(process) as other:
        holder.execute("BEGIN")
        holder.execute("SELECT 1")
        waiter = threading.Thread(target=other.execute, args=("SELECT 1",), daemon=True)
        waiter.start()
        try:
            wait_until(lambda: waits(process), 60)
            yield holder
        finally:
            holder.execute("ROLLBACK")
            waiter.join(60)


def waits(process: Process) -> bool:
    return any(row["cl_waiting"] != "0" for row in process.console("SHOW POOLS"))


@pytest.mark.usefixtures("crowded")
def test_a_client_that_waits_is_counted_with_its_wait(process: Process, settings: Settings) -> None:
    [pool] = entry(look.take(STACK, settings), process).pools
    assert (pool.user, pool.waiting, pool.backends, pool.longest_wait > 0) == (USER, 1, 1, True)


@pytest.mark.usefixtures("crowded")
def test_a_client_that_waits_is_the_first_alarm(settings: Settings) -> None:
    assert alarms(look.take(STACK, settings))[0].startswith("1 waiting, the longest ")


def test_who_holds_the_backend_is_named(process: Process, settings: Settings, crowded: Connection) -> None:
    pid = crowded.execute("SELECT pg_backend_pid()").fetchone()
    holder = entry(look.take(STACK, settings), process).holder
    assert holder is not None
    found = (holder.pid, holder.user, holder.application, holder.state)
    assert (found, holder.address != "") == ((*(pid or ()), USER, "the-holder", "idle in transaction"), True)


def test_a_paused_pooler_is_an_alarm(process: Process, settings: Settings) -> None:
    process.console("PAUSE")
    try:
        found = alarms(look.take(STACK, settings))
    finally:
        process.console("RESUME")
    assert f"pooler {str(process.container.id)[:12]} is paused: queries and logins wait" in found


def test_without_postgres_the_poolers_are_shown(process: Process, settings: Settings) -> None:
    found = look.take(STACK, settings.model_copy(update={"admin_port": 1}))
    assert ([one.id for one in found.poolers], found.server) == ([process.container.id], None)
    assert found.trouble.startswith("admin_host, admin_port: no Postgres reached at ")


def test_connections_are_counted_against_the_limit_of_the_server(
    process: Process, settings: Settings, admin: Connection
) -> None:
    assert process.container.id
    server = look.take(STACK, settings).server
    assert server is not None
    assert (server.max_connections, server.usable, server.connections >= 2, admin.closed) == (
        100,
        97,
        True,
        False,
    )


@pytest.fixture(scope="module")
def second(bouncer: Bouncer, process: Process) -> Process:
    """Comes up beside the first."""
    assert process.container.id
    return bouncer.overlap()


def test_both_poolers_of_an_overlap_are_shown(process: Process, second: Process, settings: Settings) -> None:
    found = {one.id for one in look.take(STACK, settings).poolers}
    assert found == {process.container.id, second.container.id}


def test_a_client_is_shown_at_the_pooler_that_it_is_connected_to(
    process: Process, second: Process, settings: Settings
) -> None:
    with connect(second) as client:
        client.execute("SELECT 1")
        found = look.take(STACK, settings)
    assert [
        len(entry(found, one).pools) and entry(found, one).pools[0].active for one in (process, second)
    ] == [
        0,
        1,
    ]


def test_a_pooler_that_goes_between_being_listed_and_asked_is_left_out(
    process: Process, second: Process
) -> None:
    listed = pooler_console.poolers(STACK)
    second.container.remove(force=True)
    assert (len(listed), [one.pooler for one in consoles.ask(listed)]) == (2, [process.container.id])
