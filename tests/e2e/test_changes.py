"""Changes to a running stack: what reloads, what replaces, what fails, and that nobody is dropped by it."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.e2e.conftest import PASSWORDS
from tests.e2e.deployment import Deployment
from tests.e2e.load import Report, busy
from tests.e2e.raw_client import raw_clients
from toolchain.engine import docker
from toolchain.processes import attempt

pytestmark = pytest.mark.alone

BROKEN_TAG = "pgbouncer-stack/pgbouncer:1.26.99-test"


@pytest.fixture(scope="module")
def up(deployment: Deployment) -> Deployment:
    """The deployment after its first update."""
    deployment.up()
    return deployment


def pool_sizes(deployment: Deployment) -> dict[str, str]:
    """Entry → pool_size as the running pooler has it."""
    shown = docker(
        "exec", deployment.poolers()[0], "sh", "-c",
        'psql -XAt -h "$(cat /tmp/slot)" -p 6432 -U pgbouncer -d pgbouncer -c "SHOW DATABASES"',
    )  # fmt: skip
    return {line.split("|")[0]: line.split("|")[5] for line in shown.splitlines()}


def live_hash(deployment: Deployment) -> str:
    return docker("exec", deployment.poolers()[0], "readlink", "/config/live").strip()


def test_a_changed_pool_size_fails_no_transaction_of_50_busy_clients(up: Deployment) -> None:
    dsn, before = up.lane("webhook_receiver", "transaction"), up.poolers()
    services = up.config["services"] | {
        "reporter": {"user": "postgres", "route": "transaction", "pool_size": 3}
    }
    with busy(lambda: dsn, 50, reconnect=False) as report:
        up.up({"services": services})
    print(f"pool size changed under 50 clients: {summary(report)}")
    assert (report.cut, report.closed_between, report.refused) == ([], [], [])
    assert report.transactions > 0
    assert up.poolers() == before
    assert pool_sizes(up)["reporter"] == "3"


def test_sockets_that_never_reconnect_live_through_reloads_and_a_rotation(up: Deployment) -> None:
    with raw_clients(up.lane("service_6", "transaction"), 10) as met:
        up.up({"settings": {"query_wait_timeout": 17}})
        up.up({"rotation": 2})
        up.up({"settings": {}, "rotation": 3})
    print(f"10 raw sockets, two reloads and two rotations: {len(met)} transactions")
    assert set(met) == {1}


def test_sockets_that_never_reconnect_are_closed_by_a_drain_between_two_transactions(up: Deployment) -> None:
    [before] = up.poolers()
    with raw_clients(up.lane("service_6", "transaction"), 5) as met:
        up.up({"drain_seconds": 4})
        assert up.poolers() != [before]
    ended = [text for text in met if text != 1]
    print(
        f"5 raw sockets, a replaced container: {len(met) - len(ended)} transactions, ended by: {set(ended)}"
    )
    assert len(ended) == 5
    up.up({"drain_seconds": 3})


def previewed(up: Deployment, changes: dict[str, Any]) -> str:
    kept = up.config
    up.write_config(changes)
    shown = up.pulumi("preview").stdout
    up.config = kept
    up.write_config()
    return shown


def test_a_preview_shows_a_setting_that_reloads_and_that_nobody_reconnects(up: Deployment) -> None:
    shown = previewed(up, {"settings": {"query_wait_timeout": 11}})
    reloadable = shown[shown.index("~ reloadable") :]
    assert re.search(r"\(who reconnects\) +: \"nobody\"", reloadable)
    assert re.search(r'~ query_wait_timeout +: "20" => "11"', reloadable)
    assert "~ restart_only" not in shown


def test_a_preview_shows_a_limit_that_replaces_the_container_and_who_reconnects(up: Deployment) -> None:
    shown = previewed(up, {"limits": {"memory_mb": 96}})
    restart_only = shown[shown.index("~ restart_only") :]
    assert re.search(r"\(who reconnects\) *: \"transaction lane: each client once", restart_only)
    assert re.search(r'~ limits.memory_mb *: "64" => "96"', restart_only)
    assert "~ reloadable" not in shown


PGBENCH = """
IFS= read -r PGPASSWORD; export PGPASSWORD
printf 'BEGIN;\nSELECT pg_catalog.pg_sleep(0.002);\nSELECT 1;\nCOMMIT;\n' >/tmp/load.sql
echo $$ >/tmp/pgbench.pid
exec pgbench -n -M extended -c 20 -j 2 -T 3600 -f /tmp/load.sql -h pgbouncer -p 6432 -U user_2 tracksolid_db 2>&1
"""
END_PGBENCH = "kill -ALRM $(cat /tmp/pgbench.pid)"
"""What its own clock would send at the end of -T: it sums up and ends well, however long the updates took."""


@contextmanager
def pgbench(up: Deployment) -> Iterator[subprocess.Popen[str]]:
    """20 clients that never reconnect, all of them connected; ended afterwards."""
    bench = subprocess.Popen(
        ["docker", "exec", "-i", up.database.name, "sh", "-c", PGBENCH],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert bench.stdin is not None
    bench.stdin.write(PASSWORDS["user_2"] + "\n")
    bench.stdin.flush()
    try:
        end = time.monotonic() + 60
        while sum(row["user"] == "user_2" for row in up.console("SHOW CLIENTS")) < 20:
            assert bench.poll() is None, bench.communicate()[0]
            assert time.monotonic() < end, "pgbench is not connected after 60 s"
            time.sleep(0.2)
        yield bench
    finally:
        attempt(["docker", "exec", up.database.name, "sh", "-c", END_PGBENCH])


def test_pgbench_which_never_reconnects_meets_no_failure_in_two_reloads(up: Deployment) -> None:
    with pgbench(up) as bench:
        before = live_hash(up)
        up.up({"settings": {"query_wait_timeout": 18}})
        up.up({"settings": {}})
        assert bench.poll() is None, "pgbench ended before the reloads did: this shows nothing"
    said, _ = bench.communicate(timeout=60)
    print("pgbench, two reloads: " + " ".join(line for line in said.splitlines() if "number of" in line))
    assert live_hash(up) == before
    assert bench.returncode == 0, said
    assert "number of failed transactions: 0 (0.000%)" in said


def test_a_bad_setting_fails_with_the_message_of_pgbouncer_and_changes_nothing(up: Deployment) -> None:
    dsn, before = up.lane("webhook_receiver", "transaction"), (up.poolers(), live_hash(up))
    with busy(lambda: dsn, 10, reconnect=False) as report:
        said = up.failed_up({"settings": {"server_lifetime": "soon"}})
    assert 'invalid value "soon" for parameter server_lifetime' in said
    assert "pulumi up --replace 'urn:pulumi:test-changes::pgbouncer::" in said
    assert (up.poolers(), live_hash(up)) == before
    assert (report.cut, report.closed_between, report.refused) == ([], [], [])


def test_the_corrected_setting_heals_the_next_up(up: Deployment) -> None:
    up.up({"settings": {"server_lifetime": "1800"}})
    shown = docker(
        "exec", up.poolers()[0], "sh", "-c",
        'psql -XAt -h "$(cat /tmp/slot)" -p 6432 -U pgbouncer -d pgbouncer -c "SHOW CONFIG"',
    )  # fmt: skip
    assert "server_lifetime|1800|3600|yes" in shown.splitlines()


def test_an_entry_with_clients_is_not_removed(up: Deployment) -> None:
    services = dict(up.config["services"])
    removed = {name: body for name, body in services.items() if name != "reporter"}
    with psycopg.connect(up.lane("reporter", "transaction"), autocommit=True) as client:
        client.execute("SELECT 1")
        said = up.failed_up({"services": removed})
        assert client.execute("SELECT 1").fetchone() == (1,)
    assert "entry reporter would be removed while clients are on it: postgres (1)" in said
    up.up({"services": services})


@pytest.fixture
def image_that_never_gets_ready(up: Deployment) -> Iterator[str]:
    """PgBouncer that checks a configuration like any other but hangs when it should serve."""
    program = (
        "cp /usr/bin/pgbouncer /usr/bin/pgbouncer.real 2>/dev/null || cp /usr/sbin/pgbouncer /usr/bin/pgbouncer.real; "
        "rm -f /usr/sbin/pgbouncer /usr/bin/pgbouncer; "
        'printf "#!/bin/sh\\ncase \\$1 in /tmp/pgbouncer.ini) exec sleep 600;; esac\\n'
        'exec /usr/bin/pgbouncer.real \\"\\$@\\"\\n" >/usr/bin/pgbouncer; chmod 755 /usr/bin/pgbouncer'
    )
    made = docker(
        "create", f"--label=pgbouncer-stack.stack={up.stack}", "--network=none", "--user=0", "--entrypoint=/bin/sh",
        up.config["image"], "-c", program,
    ).strip()  # fmt: skip
    docker("start", "--attach", made)
    docker("commit", made, BROKEN_TAG)
    docker("rm", made)
    yield BROKEN_TAG
    docker("image", "rm", "--force", BROKEN_TAG)


def test_an_image_that_never_gets_ready_fails_each_up_while_the_old_pooler_serves(
    up: Deployment, image_that_never_gets_ready: str
) -> None:
    good, dsn, [old] = up.config["image"], up.lane("webhook_receiver", "transaction"), up.poolers()
    with busy(lambda: dsn, 5, reconnect=False) as report:
        first = up.failed_up({"image": image_that_never_gets_ready})
        second = up.failed_up()
        assert old in up.poolers()
    assert "pgbouncer-ready failed (exit code 1)" in first
    assert "pgbouncer-ready failed (exit code 1)" in second
    assert (report.cut, report.closed_between, report.refused) == ([], [], [])
    up.up({"image": good})
    assert len(up.poolers()) == 1


def test_an_image_upgrade_cuts_no_transaction_and_refuses_no_login(up: Deployment) -> None:
    other = f"{up.config['image']}-test"
    docker("tag", up.config["image"], other)
    dsn = up.outputs()["lanes"]["webhook_receiver"]["transaction"]
    try:
        with busy(lambda: with_addresses(up, dsn), 10) as report:
            before = up.poolers()
            up.up({"image": other})
        print(f"image upgraded under 10 clients: {summary(report)}")
        assert report.cut == []
        assert report.refused == []
        assert up.poolers() != before
    finally:
        up.up({"image": other.removesuffix("-test")})
        docker("image", "rm", other)


def with_addresses(deployment: Deployment, dsn: str) -> str:
    """The DSN with every address that Docker's DNS gives for the alias at this moment; libpq tries them in turn."""
    parts: dict[str, Any] = conninfo_to_dict(dsn)
    addresses = deployment.pooler_addresses()
    parts["hostaddr"] = ",".join(addresses)
    parts["host"] = ",".join([str(parts["host"])] * len(addresses))
    return make_conninfo(**parts)


def test_a_stopped_pooler_lets_running_transactions_finish(up: Deployment) -> None:
    dsn, [pooler] = up.lane("webhook_receiver", "transaction"), up.poolers()
    outcome: list[object] = []

    def one_long_transaction() -> None:
        with psycopg.connect(dsn, autocommit=True) as client:
            client.execute("BEGIN")
            client.execute("SELECT pg_catalog.pg_sleep(6)")
            outcome.append(client.execute("SELECT 'still here'").fetchone())
            client.execute("COMMIT")
            outcome.append("committed")

    client = threading.Thread(target=one_long_transaction, daemon=True)
    client.start()
    time.sleep(1)
    with busy(lambda: dsn, 10) as report:
        time.sleep(1)
        docker("stop", "--time=30", pooler)
        client.join(60)
        docker("start", pooler)
        time.sleep(2)
    print(f"pooler stopped under 10 clients: {len(report.cut)} transactions cut of {report.transactions}")
    assert outcome == [("still here",), "committed"]
    assert report.cut == []


def test_new_auth_passwords_fail_no_login(up: Deployment) -> None:
    """Three in a row: the third role has the name of the first, whose idle backends must not serve its lookups.

    Logins come one after the other: many at once would need every backend, and push the idle ones out.
    """
    dsn, stop, failed, logins = (
        up.lane("service_1", "transaction"),
        threading.Event(),
        list[str](),
        list[int](),
    )

    def keep_logging_in() -> None:
        while not stop.is_set():
            try:
                psycopg.connect(dsn, connect_timeout=5).close()
                logins.append(1)
            except psycopg.OperationalError as refused:
                failed.append(str(refused))

    client = threading.Thread(target=keep_logging_in, daemon=True)
    client.start()
    try:
        for rotation in (4, 5, 6):
            up.up({"rotation": rotation})
        time.sleep(1)
    finally:  # an update that fails must not leave the logins going
        stop.set()
        client.join(30)
    print(f"three auth passwords in a row: {len(failed)} of {len(logins)} logins failed")
    assert failed == []
    assert auth_roles(up) == ["pgbouncer_auth_b"]


def test_a_new_password_of_a_service_leaves_its_connections_and_memberships_alone(up: Deployment) -> None:
    up.database.sql("CREATE ROLE readers; GRANT readers TO user_2;")
    old = up.lane("service_2", "transaction")
    up.up({"managed_passwords": ["user_2", "analytics_ro"]})
    with psycopg.connect(old, autocommit=True) as open_before:
        open_before.execute("SELECT 1")
        up.pulumi("config", "set", "--secret", "--path", "passwords.user_2", stdin="another-sentinel:\\'")
        up.up()
        assert open_before.execute("SELECT current_user::text").fetchone() == ("user_2",)
    with psycopg.connect(up.lane("service_2", "transaction")) as client:
        assert client.execute("SELECT pg_has_role('readers', 'member')").fetchone() == (True,)
    with pytest.raises(psycopg.OperationalError, match="SASL authentication failed"):
        psycopg.connect(old)
    with psycopg.connect(up.lane("analytics_mcp", "transaction")) as client:  # its odd password, set anew
        assert client.execute("SELECT 1").fetchone() == (1,)
    up.pulumi("preview", "--expect-no-changes")


def auth_roles(deployment: Deployment) -> list[str]:
    found = deployment.database.sql(
        "SELECT rolname FROM pg_roles WHERE rolname LIKE 'pgbouncer_auth_%' ORDER BY 1;"
    )
    return found.split()


def test_a_wrong_admin_password_stops_an_update_before_anything_is_touched(up: Deployment) -> None:
    before = [(resource["urn"], resource.get("id")) for resource in up.state()]
    up.pulumi("config", "set", "--secret", "admin_password", stdin="wrong")
    said = up.failed_up({"max_backends": 24})
    up.pulumi("config", "set", "--secret", "admin_password", stdin=PASSWORDS["postgres"])
    assert "admin_password: was refused for postgres at" in said
    assert [(resource["urn"], resource.get("id")) for resource in up.state()] == before
    up.up({"max_backends": 25}, arguments=["--expect-no-changes"])


def test_a_preview_works_with_the_database_out_of_reach(up: Deployment) -> None:
    up.write_config({"max_backends": 24})
    docker("stop", up.database.name)
    try:
        shown = up.pulumi("preview").stdout
    finally:
        docker("start", up.database.name)
        up.database.wait()
        up.write_config({"max_backends": 25, "admin_host": up.database.address()[0]})
    assert "docker:index:Container pgbouncer-reload" in shown


def test_a_forgotten_alias_of_a_stranger_is_named(up: Deployment) -> None:
    stranger = docker(
        "run", "--detach", f"--label=pgbouncer-stack.stack={up.stack}-stranger", f"--network={up.database.network}",
        "--network-alias=pgbouncer", f"--name={up.stack}-stranger", "--entrypoint=sleep", up.config["image"], "600",
    ).strip()  # fmt: skip
    try:
        said = up.failed_up()
    finally:
        docker("rm", "--force", stranger)
    assert f'alias: "pgbouncer" is answered by container {up.stack}-stranger already' in said


def test_destroy_leaves_nothing_but_the_services_and_their_data(up: Deployment) -> None:
    up.database.sql("CREATE TABLE kept (id int); INSERT INTO kept VALUES (42);")
    up.pulumi("destroy", "--yes")
    label = f"--filter=label=pgbouncer-stack.stack={up.stack}"
    assert up.containers() == []
    assert docker("volume", "ls", "--quiet", label).split() == []
    assert up.database.sql(
        "SELECT nspname FROM pg_namespace WHERE nspname = 'pgbouncer' "
        "UNION SELECT rolname FROM pg_roles WHERE rolname LIKE 'pgbouncer%';"
    ).split() == []  # fmt: skip
    assert up.database.sql("SELECT id FROM kept;").split() == ["42"]
    assert up.database.sql("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'user\\__';").split() == ["8"]


def test_an_update_beside_objects_made_by_hand_says_how_to_go_on(up: Deployment) -> None:
    up.database.sql("CREATE ROLE pgbouncer_auth_b LOGIN; CREATE SCHEMA pgbouncer;")
    said = up.failed_up()
    up.database.sql("DROP SCHEMA pgbouncer; DROP ROLE pgbouncer_auth_b;")
    assert 'name: role "pgbouncer_auth_b", schema "pgbouncer" is already there' in said
    assert "pulumi config set name pgbouncer_pulumi" in said
    assert up.containers() == []


def summary(report: Report) -> str:
    return (
        f"{report.transactions} transactions, {len(report.cut)} cut, {len(report.closed_between)} closed between, "
        f"{len(report.refused)} refused, longest {report.longest_stall * 1000:.0f} ms"
    )
