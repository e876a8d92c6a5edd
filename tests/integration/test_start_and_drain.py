"""Containers that start, overlap, drain and die: what clients notice of it."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
from types import TracebackType
from typing import Self

import psycopg
import pytest

from components.dsn import dsn
from components.settings import Settings
from tests.integration.bouncer import Bouncer, Process, assert_passed, wait_until
from tests.integration.conftest import Deploy
from tests.integration.server import NAMES, Connection, Server

pytestmark = pytest.mark.timeout(120)

PASSWORD = "drained"
GRACE_SECONDS = 12
ALIAS = "pooler-under-test"


def configured(server: Server, **values: object) -> Settings:
    server.add_service("drained", PASSWORD)
    return server.settings(
        {"drained": {"route": "transaction"}},
        **{"alias": ALIAS, "drain_seconds": 2, "destroy_grace_seconds": GRACE_SECONDS, **values},
    )


@pytest.fixture
def bouncer(deploy: Deploy, server: Server) -> Bouncer:
    return deploy(configured(server))


def dsn_of(process: Process, database: str = NAMES.database) -> str:
    return dsn(
        user="drained",
        password=PASSWORD,
        host=process.address,
        port=6432,
        database=database,
        application_name="test",
    )


def stop(process: Process) -> tuple[int, float]:
    """`docker stop` with the grace of the stack: exit code and seconds."""
    began = time.monotonic()
    process.container.stop(timeout=GRACE_SECONDS)
    seconds = time.monotonic() - began
    return int(process.state["ExitCode"]), seconds


class Transactions:
    """Clients that run explicit transactions of several statements until the `with` block ends.

    `cut`: errors after the first reply of a transaction. `closed`: errors between transactions.
    """

    def __init__(self, process: Process, clients: int = 6, pause_seconds: float = 0.05) -> None:
        self.done = 0
        self.cut: list[str] = []
        self.closed: list[str] = []
        self._dsn = dsn_of(process)
        self._pause = pause_seconds
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self) -> None:
        inside = False
        try:
            with psycopg.connect(self._dsn, autocommit=True) as connection:
                while not self._stop.is_set():
                    connection.execute("BEGIN")
                    inside = True
                    for _ in range(4):
                        connection.execute("SELECT 1")
                        time.sleep(self._pause)
                    connection.execute("COMMIT")
                    inside = False
                    self.done += 1
        except psycopg.Error as error:
            (self.cut if inside else self.closed).append(str(error))


class TestStop:
    def test_a_stop_under_load_cuts_no_transaction(self, bouncer: Bouncer) -> None:
        process = bouncer.up()
        with Transactions(process) as load:
            time.sleep(1.5)
            status, seconds = stop(process)
        print(f"stopped in {seconds:.1f} s, {load.done} transactions, closed: {len(load.closed)}")
        assert load.cut == []
        assert load.done > 0
        assert len(load.closed) == 6  # each client once, between transactions
        assert (status, seconds < GRACE_SECONDS) == (0, True)

    def test_a_transaction_longer_than_phase_one_ends_before_the_pooler_does(self, bouncer: Bouncer) -> None:
        process = bouncer.up()
        with Transactions(process, clients=2, pause_seconds=1.5) as load:
            wait_until(lambda: any(row["sv_active"] != "0" for row in process.console("SHOW POOLS")), 5)
            status, seconds = stop(process)
        print(f"stopped in {seconds:.1f} s")
        assert (load.cut, status, seconds < GRACE_SECONDS) == ([], 0, True)

    def test_an_idle_pooler_stops_at_once(self, bouncer: Bouncer) -> None:
        status, seconds = stop(bouncer.up())
        assert (status, seconds < GRACE_SECONDS) == (0, True)

    def test_an_idle_client_does_not_hold_up_a_stop(self, bouncer: Bouncer) -> None:
        process = bouncer.up()
        with psycopg.connect(dsn_of(process), autocommit=True) as client:
            client.execute("SELECT 1")
            status, seconds = stop(process)
        assert (status, seconds < GRACE_SECONDS) == (0, True)

    def test_a_stopped_pooler_holds_no_slot(self, bouncer: Bouncer) -> None:
        stop(bouncer.up())
        assert bouncer.on_volumes("ls /run/pgb/1") == ""

    def test_a_stop_cuts_no_transaction_when_the_console_is_out_of_reach(self, bouncer: Bouncer) -> None:
        process = bouncer.up()
        with Transactions(process, clients=3, pause_seconds=0.5) as load:
            wait_until(lambda: load.done >= 3, 10)
            process.run('rm "$(cat /tmp/slot)"/.s.PGSQL.6432')
            status, seconds = stop(process)
        assert (load.cut, status, seconds < GRACE_SECONDS) == ([], 0, True)

    def test_a_second_stop_cuts_no_transaction(self, bouncer: Bouncer) -> None:
        process = bouncer.up()
        with Transactions(process, clients=2, pause_seconds=1.5) as load:
            wait_until(lambda: any(row["sv_active"] != "0" for row in process.console("SHOW POOLS")), 5)
            process.container.kill("SIGTERM")
            time.sleep(1)
            status, _ = stop(process)
        assert (load.cut, status) == ([], 0)

    def test_a_pooler_full_of_clients_drains_too(self, deploy: Deploy, server: Server) -> None:
        """The console has to answer although max_client_conn is reached."""
        process = deploy(configured(server, limits={"max_client_conn": 6})).up()
        with Transactions(process) as load:
            wait_until(lambda: load.done > 6, 10)
            with pytest.raises(psycopg.OperationalError, match="no more connections allowed"):
                psycopg.connect(dsn_of(process))
            status, seconds = stop(process)
        assert (load.cut, status, seconds < GRACE_SECONDS) == ([], 0, True)


class TestAnOverlap:
    def test_the_second_container_takes_the_second_slot_while_the_first_answers(
        self, bouncer: Bouncer
    ) -> None:
        first = bouncer.up()
        second = bouncer.overlap()
        assert (first.slot(), second.slot()) == ("1", "2")

    def test_the_alias_leads_to_the_second_once_the_first_has_stopped(self, bouncer: Bouncer) -> None:
        first = bouncer.up()
        second = bouncer.overlap()
        stop(first)
        found = bouncer.on_network(f"getent ahostsv4 {ALIAS} | cut -d' ' -f1 | sort -u")
        assert found == second.address

    def test_a_replacement_under_load_cuts_nothing_and_refuses_nothing(self, bouncer: Bouncer) -> None:
        """Clients with the first container's address finish; new ones find the second."""
        first = bouncer.up()
        with Transactions(first) as load:
            second = bouncer.overlap()
            assert_passed(bouncer.reload(bouncer.files, second))
            stop(first)
        with psycopg.connect(dsn_of(second)) as client:
            row = client.execute("SELECT 1").fetchone()
        assert (load.cut, row) == ([], (1,))

    def test_a_container_passes_over_the_slot_of_one_that_hangs(self, bouncer: Bouncer) -> None:
        first = bouncer.up()
        os.kill(host_pid(first), signal.SIGSTOP)
        try:
            second = bouncer.overlap()
        finally:
            os.kill(host_pid(first), signal.SIGCONT)
        assert (second.slot(), first.slot()) == ("2", "1")

    def test_containers_that_start_at_the_same_moment_end_up_in_slots_of_their_own(
        self, bouncer: Bouncer
    ) -> None:
        """As after a reboot in the middle of an overlap."""
        processes = [bouncer.up(), bouncer.overlap()]
        for process in processes:
            process.container.kill()
        for process in processes:
            process.container.start()
        for process in processes:
            assert_passed(bouncer.ready(process))
        assert {process.slot() for process in processes} == {"1", "2"}

    def test_three_containers_have_a_slot_each(self, bouncer: Bouncer) -> None:
        processes = [bouncer.up(), bouncer.overlap(), bouncer.overlap()]
        assert [process.slot() for process in processes] == ["1", "2", "3"]

    def test_a_fourth_container_says_that_all_slots_are_busy(self, bouncer: Bouncer) -> None:
        for _ in range(3):
            bouncer.overlap()
        fourth = bouncer.start()
        wait_until(lambda: "all socket slots are taken" in fourth.log, 15)
        assert fourth.log.splitlines()[0] == (
            "all socket slots are taken: remove a pooler that is not in use (docker ps)"
        )

    def test_the_ready_job_fails_when_the_new_container_never_answers(self, bouncer: Bouncer) -> None:
        process = bouncer.up()
        os.kill(host_pid(process), signal.SIGSTOP)
        try:
            ended = bouncer.ready(process, timeout_seconds=1)
        finally:
            os.kill(host_pid(process), signal.SIGCONT)
        assert ended.exit_code == 1
        assert ended.log.startswith(
            f"the new pooler did not answer within 1 s; see: docker logs {str(process.container.id)[:12]}\n"
        )

    @pytest.mark.parametrize("draining", [False, True], ids=["before the drain", "in its first phase"])
    def test_a_cancel_that_reaches_the_other_process_is_passed_on(
        self, bouncer: Bouncer, draining: bool
    ) -> None:
        first = bouncer.up()
        second = bouncer.overlap()
        with Forwarder(first.address) as forwarder:
            through = dsn_of(first).replace(f"{first.address}:6432", f"127.0.0.1:{forwarder.port}")
            with psycopg.connect(through, autocommit=True) as client:
                client.execute("SELECT 1")
                forwarder.target = second.address  # as for a driver that resolves the name again
                stopping = threading.Thread(target=stop, args=[first], daemon=True)
                if draining:
                    stopping.start()
                    wait_until(lambda: not accepts(first.address), 5, every=0.05)
                canceller = threading.Timer(0.2, client.cancel_safe)
                canceller.start()
                began = time.monotonic()
                with pytest.raises(psycopg.errors.QueryCanceled):
                    client.execute("SELECT pg_sleep(10)")
                seconds = time.monotonic() - began
                canceller.join()
            if draining:
                stopping.join()
        assert seconds < 9  # of ten that the query sleeps


def accepts(address: str) -> bool:
    try:
        socket.create_connection((address, 6432), timeout=2).close()
    except OSError:
        return False
    return True


class Forwarder:
    """A TCP port of this machine that leads each new connection to the pooler at `target`."""

    def __init__(self, target: str) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                incoming, _ = self._listener.accept()
            except OSError:
                return
            outgoing = socket.create_connection((self.target, 6432))
            threading.Thread(target=self._pass_on, args=[incoming, outgoing], daemon=True).start()

    def _pass_on(self, incoming: socket.socket, outgoing: socket.socket) -> None:
        ways = {incoming: outgoing, outgoing: incoming}
        with incoming, outgoing:
            while True:
                for readable in select.select(list(ways), [], [])[0]:
                    try:
                        content = readable.recv(65536)
                    except OSError:
                        content = b""
                    if not content:
                        return
                    ways[readable].sendall(content)


def host_pid(process: Process) -> int:
    """The pgbouncer process as this machine numbers it: the one child of the container's first process."""
    shell = process.state["Pid"]
    top = process.container.top(ps_args="-eo pid,ppid,comm")
    return next(
        int(pid)
        for pid, parent, command in top["Processes"]
        if command == "pgbouncer" and int(parent) == shell
    )


class TestAnUnexpectedEnd:
    def test_a_killed_process_is_back_within_seconds_in_its_old_slot(self, bouncer: Bouncer) -> None:
        process = bouncer.up()
        process.run("kill -9 $(cat /proc/1/task/1/children)")
        wait_until(process.was_restarted, 5)
        seconds = process.wait_until_it_answers()
        print(f"answered {seconds:.1f} s after the restart")
        assert (process.slot(), seconds < 6) == ("1", True)

    def test_clients_get_in_again_within_two_seconds_of_a_kill(self, bouncer: Bouncer) -> None:
        process = bouncer.up()
        target = dsn_of(process)
        process.run("kill -9 $(cat /proc/1/task/1/children)")
        began = time.monotonic()
        wait_until(lambda: can_log_in(target), 15, every=0.05)
        seconds = time.monotonic() - began
        print(f"back after {seconds:.2f} s")
        assert seconds < 8  # about one, and a busy machine

    def test_a_killed_container_leaves_a_slot_that_the_next_takes(self, bouncer: Bouncer) -> None:
        bouncer.up().container.kill()
        assert bouncer.overlap().slot() == "1"

    def test_a_restart_comes_up_on_the_live_configuration(self, bouncer: Bouncer, server: Server) -> None:
        process = bouncer.up()
        assert_passed(bouncer.change(configured(server, max_backends=30), process))
        process.container.restart(timeout=GRACE_SECONDS)
        process.wait_until_it_answers()
        sizes = {row["name"]: row["pool_size"] for row in process.console("SHOW DATABASES")}
        assert sizes["tracksolid_db"] == "23"

    def test_a_restarted_container_is_found_by_its_slot(self, bouncer: Bouncer) -> None:
        process = bouncer.up()
        process.container.restart(timeout=GRACE_SECONDS)
        process.wait_until_it_answers()
        assert_passed(bouncer.ready(process))

    def test_a_hung_process_is_ended_within_the_grace(self, bouncer: Bouncer) -> None:
        process = bouncer.up()
        os.kill(host_pid(process), signal.SIGSTOP)
        _, seconds = stop(process)
        print(f"a hung process: exit code {process.state['ExitCode']} after {seconds:.1f} s")
        assert seconds < GRACE_SECONDS + 3

    def test_no_backend_outlives_a_stopped_pooler(self, bouncer: Bouncer, admin: Connection) -> None:
        process = bouncer.up()
        with psycopg.connect(dsn_of(process), autocommit=True) as client:
            client.execute("SELECT 1")
        address = process.address
        stop(process)

        def gone() -> bool:
            row = admin.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE client_addr = %s::inet", [address]
            ).fetchone()
            return row == (0,)

        wait_until(gone, 3)


def can_log_in(target: str) -> bool:
    try:
        with psycopg.connect(target, connect_timeout=2) as client:
            return client.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_a_log_that_cannot_be_written_does_not_stop_the_service(deploy: Deploy, server: Server) -> None:
    """As on a full disk: every write to the log fails with ENOSPC, and every login writes a line."""
    bouncer = deploy(configured(server, settings={"log_connections": True, "log_disconnections": True}))
    bouncer.up().container.remove(force=True)
    process = bouncer.start(before="exec >/dev/full 2>&1\n")
    process.wait_until_it_answers()
    for _ in range(50):
        with psycopg.connect(dsn_of(process)) as client:
            assert client.execute("SELECT 1").fetchone() == (1,)
    assert process.container.logs() == b""
