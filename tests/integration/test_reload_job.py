"""The reload job: promote, RELOAD, compare, and put back what was there when anything differs."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

import psycopg
import pytest

from components.dsn import lanes
from components.settings import Lane, Settings
from tests.integration.bouncer import Bouncer, Process, assert_passed, rendered
from tests.integration.conftest import Deploy
from tests.integration.server import NAMES, Server

pytestmark = pytest.mark.timeout(120)

PASSWORD = "reload"


def configured(server: Server, **values: object) -> Settings:
    server.add_service("reloader", PASSWORD)
    return server.settings({"reloader": {"route": "transaction"}}, **values)


def with_two_entries(server: Server, pool_size: int | None) -> Settings:
    """Two services on one role: `reports` has an entry of its own as long as it has a pool_size."""
    server.add_service("reloader", PASSWORD)
    reports: dict[str, object] = {"user": "reloader", "route": "transaction"}
    if pool_size is not None:
        reports["pool_size"] = pool_size
    return server.settings({"reloader": {"route": "transaction"}, "reports": reports})


def dsn(settings: Settings, service: str, process: Process) -> str:
    at = settings.model_copy(update={"alias": process.address})
    return lanes(at, service, PASSWORD)[Lane.TRANSACTION]


def config(process: Process, key: str) -> str:
    return next(row["value"] for row in process.console("SHOW CONFIG") if row["key"] == key)


class Load:
    """A few clients that run short transactions until the `with` block ends."""

    def __init__(self, dsn: str, clients: int = 5) -> None:
        self.done = 0
        self.failures: list[str] = []
        self._dsn = dsn
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
            thread.join(20)

    def _run(self) -> None:
        try:
            with psycopg.connect(self._dsn) as connection:
                while not self._stop.is_set():
                    with connection.transaction():
                        connection.execute("SELECT 1")
                        connection.execute("SELECT pg_sleep(0.005)")
                    self.done += 1
        except psycopg.Error as error:
            self.failures.append(str(error))


@pytest.fixture
def bouncer(deploy: Deploy, server: Server) -> Bouncer:
    return deploy(configured(server))


def test_a_changed_pool_size_is_in_force_without_a_failed_query_in_the_same_process(
    bouncer: Bouncer, server: Server
) -> None:
    process = bouncer.up()
    pid = process.pgbouncer_pid()
    with Load(dsn(bouncer.settings, "reloader", process)) as load:
        time.sleep(1)
        assert_passed(bouncer.change(configured(server, max_backends=30), process))
        time.sleep(1)
    assert load.failures == []
    assert load.done > 0
    sizes = {row["name"]: row["pool_size"] for row in process.console("SHOW DATABASES")}
    assert (sizes["tracksolid_db"], process.pgbouncer_pid()) == ("23", pid)


def test_a_promotion_says_what_is_in_force_and_what_was_before(bouncer: Bouncer, server: Server) -> None:
    process = bouncer.up()
    changed = configured(server, settings={"query_wait_timeout": 7})
    ended = bouncer.change(changed, process)
    digest = rendered(changed, server.auth_password).digest
    assert ended.log.strip() == f"in force: {digest} (before: {bouncer.files.digest})"


def test_the_same_configuration_again_passes(bouncer: Bouncer) -> None:
    process = bouncer.up()
    assert_passed(bouncer.reload(bouncer.files, process))


def test_an_old_userlist_does_not_stay_on_the_volume(bouncer: Bouncer, server: Server) -> None:
    process = bouncer.up()
    changed = configured(server, settings={"query_wait_timeout": 7})
    assert_passed(bouncer.change(changed, process))
    digest = rendered(changed, server.auth_password).digest
    assert bouncer.on_volumes("ls -A /config").split() == sorted([digest, "live", "pending"])


class TestAMiss:
    """The staged `expected` file is changed, so that what is in force can never be what was declared."""

    @pytest.fixture(scope="class")
    @classmethod
    def bouncer(cls, deploy_for_module: Deploy, server: Server) -> Bouncer:
        return deploy_for_module(configured(server))

    @pytest.fixture(scope="class")
    @classmethod
    def process(cls, bouncer: Bouncer) -> Process:
        return bouncer.up()

    @pytest.fixture(scope="class")
    @classmethod
    def log(cls, bouncer: Bouncer, server: Server, process: Process) -> str:
        files = rendered(configured(server, settings={"query_wait_timeout": 7}), server.auth_password)
        assert_passed(bouncer.write(files))
        bouncer.on_volumes(
            "sed -i 's/^config query_wait_timeout = 7$/config query_wait_timeout = 8/' "
            f"/config/{files.digest}/expected"
        )
        ended = bouncer.reload(files, process)
        assert ended.exit_code != 0
        return ended.log

    def test_names_the_difference_and_what_is_back(self, bouncer: Bouncer, log: str) -> None:
        assert log.strip().splitlines() == [
            "in force, not declared: config query_wait_timeout = 7",
            "declared, not in force: config query_wait_timeout = 8",
            f"the previous configuration ({bouncer.files.digest}) is back in force",
        ]

    @pytest.mark.usefixtures("log")
    def test_puts_the_previous_files_back(self, bouncer: Bouncer) -> None:
        assert bouncer.on_volumes("readlink /config/live") == bouncer.files.digest

    @pytest.mark.usefixtures("log")
    def test_puts_the_previous_settings_back_in_force(self, process: Process) -> None:
        assert config(process, "query_wait_timeout") == "20"


def test_a_file_that_was_changed_after_staging_is_not_kept_in_force(bouncer: Bouncer, server: Server) -> None:
    process = bouncer.up()
    files = rendered(configured(server, settings={"query_wait_timeout": 7}), server.auth_password)
    assert_passed(bouncer.write(files))
    bouncer.on_volumes(f"echo 'query_wait_timeout = soon' >>/config/{files.digest}/pgbouncer.ini")
    ended = bouncer.reload(files, process)
    assert f"the previous configuration ({bouncer.files.digest}) is back in force" in ended.log
    assert (ended.exit_code != 0, config(process, "query_wait_timeout")) == (True, "20")


def test_a_live_file_that_was_edited_by_hand_is_found(bouncer: Bouncer) -> None:
    process = bouncer.up()
    bouncer.on_volumes("echo '# by hand' >>/config/live/pg_hba.conf")
    found = bouncer.on_volumes(
        "cd /config/live && cat pgbouncer.ini pg_hba.conf userlist.txt | sha256sum | cut -c1-16"
    )
    ended = bouncer.reload(bouncer.files, process)
    assert (ended.exit_code, ended.log.strip()) == (
        1,
        f"files: hash {found}, declared {bouncer.files.digest}",
    )


def test_an_edited_file_is_undone_when_the_jobs_run_again(bouncer: Bouncer) -> None:
    process = bouncer.up()
    bouncer.on_volumes("echo '# by hand' >>/config/live/pg_hba.conf")
    assert_passed(bouncer.change(bouncer.settings, process))
    assert "by hand" not in bouncer.on_volumes("cat /config/live/pg_hba.conf")


def test_an_entry_with_clients_is_not_removed(deploy: Deploy, server: Server) -> None:
    before = with_two_entries(server, pool_size=2)
    bouncer = deploy(before)
    process = bouncer.up()
    with psycopg.connect(dsn(before, "reports", process), autocommit=True) as connection:
        connection.execute("SELECT 1")
        ended = bouncer.change(with_two_entries(server, pool_size=None), process)
        row = connection.execute("SELECT 1").fetchone()
    assert (ended.exit_code, row, ended.log.strip()) == (
        1,
        (1,),
        "entry reports would be removed while clients are on it: reloader (1); move them first",
    )


def test_an_entry_without_clients_is_removed(deploy: Deploy, server: Server) -> None:
    bouncer = deploy(with_two_entries(server, pool_size=2))
    process = bouncer.up()
    assert_passed(bouncer.change(with_two_entries(server, pool_size=None), process))
    assert {row["name"] for row in process.console("SHOW DATABASES")} == {
        "pgbouncer",
        NAMES.transaction_entry,
        NAMES.session_entry,
        NAMES.auth_entry,
    }


def test_a_pooler_that_has_gone_is_named_with_the_way_to_its_log(bouncer: Bouncer) -> None:
    process = bouncer.up()
    process.container.stop(timeout=20)
    ended = bouncer.reload(bouncer.files, process)
    assert (ended.exit_code, ended.log.strip()) == (
        1,
        "the pooler container holds no socket slot; is it running? "
        f"see: docker logs {str(process.container.id)[:12]}",
    )
