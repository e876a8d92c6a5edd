"""The commands of the README, typed as a user does, in a copy of the project with a cache of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.e2e.deployment import PROJECT, Deployment
from toolchain import dev_stack, engine, image, paths, pulumi_cli
from toolchain.dev_database import STACK_LABEL, DevDatabase
from toolchain.engine import docker

OWN = "test-two-commands"
BYSTANDER = "test-bystander"
KINDS = ("container", "network", "volume")
TIMEOUT_SECONDS = 240
OF_THE_CALLER = {
    *("MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"),  # of `make test`
    *("STACK", "CMD", "FORCE", "UPGRADE", "PYTEST_ARGS"),
    *("PULUMI_ACCESS_TOKEN", "PULUMI_BACKEND_URL", "PULUMI_STACK"),  # of somebody's own stacks
    *("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"),
}


@dataclass(frozen=True)
class Checkout:
    """A copy of the project, in which nothing reaches the state, passphrases and plugins of the user's own."""

    folder: Path
    cache: Path

    def make(self, target: str, stack: str = "dev", *, fails: bool = False, **variables: str) -> str:
        """Output of `make TARGET …`, stdout and stderr together."""
        given = {name.upper(): value for name, value in variables.items()}
        if stack != "dev":
            given["STACK"] = stack
        words = ["make", target, *(f"{name}={value}" for name, value in given.items())]
        return self._run(words, stack, fails=fails)

    def pulumi(self, arguments: str, stack: str = "dev", stdin: str = "") -> str:
        """Output of plain `pulumi` in a shell that has evaluated `make env`."""
        option = "" if stack == "dev" else f" STACK={stack}"
        script = f'eval "$(make -s env{option})" && pulumi {arguments} --stack {stack}'
        return self._run(["sh", "-c", script], stack, stdin=stdin)

    def typed(self, script: str, stack: str) -> tuple[int, str]:
        """Exit code and output of lines that somebody types at this checkout; the first that fails ends them."""
        return self._ended(["sh", "-e", "-c", script], stack)

    def outputs(self, stack: str = "dev") -> dict[str, Any]:
        """Stack outputs, secrets in clear."""
        found: dict[str, Any] = json.loads(self.pulumi("stack output --json --show-secrets", stack))
        return found

    def replace(self, stack: str, old: str, new: str) -> None:
        """Edit the stack's file, where `old` must stand once."""
        path = self.folder / f"Pulumi.{stack}.yaml"
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path.name}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def files(self) -> set[str]:
        """Everything in it but packages and what Python compiles."""
        found = (path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file())
        return {str(path) for path in found if not {".venv", "__pycache__"} & set(path.parts)}

    def environment(self, stack: str) -> dict[str, str]:
        """Of whoever types there."""
        kept = {name: value for name, value in os.environ.items() if name not in OF_THE_CALLER}
        kept |= {"PGBOUNCER_STACK_CACHE": str(self.cache), "NO_COLOR": "1"}
        kept["PULUMI_HOME"] = str(pulumi_cli.user_home())  # official plugins, if there are any
        if stack != "dev":  # where the user may be logged in to a backend of the team's
            kept["PULUMI_BACKEND_URL"] = f"file://{self.cache / 'state'}"
        return kept

    def _run(self, words: Sequence[str], stack: str, *, stdin: str = "", fails: bool = False) -> str:
        code, said = self._ended(words, stack, stdin)
        assert (code != 0) == fails, f"{words} ended with {code}:\n{said}"
        return said

    def _ended(self, words: Sequence[str], stack: str, stdin: str = "") -> tuple[int, str]:
        process = subprocess.Popen(
            words,
            cwd=self.folder,
            env=self.environment(stack),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # no terminal to ask on, and one group to end when it hangs
        )
        try:
            said, _ = process.communicate(stdin, timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            raise AssertionError(f"{words} took longer than {TIMEOUT_SECONDS} s:\n{said}") from None
        return process.returncode, said


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return make_checkout(tmp_path_factory.mktemp("two") / "checkout", tmp_path_factory.mktemp("two-cache"))


def make_checkout(folder: Path, cache: Path) -> Checkout:
    """Only what is the same for every checkout is shared with the user's own: packages and the built CLI."""
    made = Checkout(folder, cache)
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "Pulumi.dev.yaml")
    shutil.copytree(PROJECT, made.folder, symlinks=True, ignore=unwanted)
    (made.folder / ".venv").symlink_to(PROJECT / ".venv")
    (made.cache / "state").mkdir(mode=0o700)
    if (paths.cache_root() / "bin").exists():
        (made.cache / "bin").symlink_to(paths.cache_root() / "bin")
    return made


def labelled(stack: str) -> dict[str, list[str]]:
    """What the engine has of a stack, by kind."""
    return {kind: sorted(engine.listed(kind, f"label={STACK_LABEL}={stack}")) for kind in KINDS}


def remove(stack: str, database: DevDatabase) -> None:
    Deployment(stack, Path(), database, {}, {}).remove()


# --- stack dev -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Up:
    """Stack dev after its first `make up`."""

    checkout: Checkout
    files_before: set[str]
    said: str

    def on_engine(self) -> Deployment:
        """What the engine knows of it; Pulumi's side of a Deployment is not used."""
        return Deployment("dev", self.checkout.folder, dev_stack.DATABASE, {}, {})


@pytest.fixture(scope="module")
def up(checkout: Checkout) -> Iterator[Up]:
    """Its names are fixed: where somebody uses stack dev, its tests would work on that one."""
    if any(labelled("dev").values()) or dev_stack.DATABASE.state() is not None:
        pytest.fail(
            f"stack dev is on this engine already (`docker ps -a --filter label={STACK_LABEL}=dev`); "
            "run `make down` first"
        )
    before = checkout.files()
    try:
        yield Up(checkout, before, checkout.make("up"))
    finally:
        remove("dev", dev_stack.DATABASE)


TABLE = """
SERVICE           ROUTE        DSN
analytics_mcp     direct       postgresql://analytics_ro:****@timescale_db:5432/tracksolid_db?application_name=analytics_mcp&connect_timeout=5
cron              transaction  postgresql://postgres:****@pgbouncer:6432/tracksolid_db?application_name=cron&connect_timeout=5
dashboard_api     transaction  postgresql://postgres:****@pgbouncer:6432/tracksolid_db?application_name=dashboard_api&connect_timeout=5
gateway           transaction  postgresql://postgres:****@pgbouncer:6432/tracksolid_db?application_name=gateway&connect_timeout=5
grafana           transaction  postgresql://grafana_ro:****@pgbouncer:6432/tracksolid_db?application_name=grafana&connect_timeout=5
ingest_worker     transaction  postgresql://postgres:****@pgbouncer:6432/tracksolid_db?application_name=ingest_worker&connect_timeout=5
migrations        direct       postgresql://migrator:****@timescale_db:5432/tracksolid_db?application_name=migrations&connect_timeout=5
webhook_receiver  transaction  postgresql://postgres:****@pgbouncer:6432/tracksolid_db?application_name=webhook_receiver&connect_timeout=5
worker            transaction  postgresql://postgres:****@pgbouncer:6432/tracksolid_db?application_name=worker&connect_timeout=5

"""
NEXT = """
Next:
  in Pulumi.dev.yaml: route: direct → transaction, then `make up`   cut a service over
  in Pulumi.dev.yaml: route: transaction → direct, then `make up`   roll it back
  make preview                                                      show what an update would change
  make console CMD="SHOW POOLS"                                     look at the pools (without CMD: the admin console)
  eval "$(make -s env)"                                             use plain `pulumi … --stack dev` in this shell
  pulumi stack output --show-secrets --stack dev analytics_mcp_dsn  one DSN with its password
  make down                                                         remove the stack with its database
"""


def test_make_up_shows_every_service_with_its_lane_and_its_masked_dsn(up: Up) -> None:
    assert TABLE in up.said


def test_make_up_ends_with_what_to_type_next(up: Up) -> None:
    passphrase = up.checkout.cache / "passphrases" / "dev"
    assert up.said.endswith(
        f"{NEXT}The secrets in Pulumi.dev.yaml are encrypted with the passphrase in {passphrase}.\n"
    )


def test_make_up_prints_no_password_of_the_stack(up: Up) -> None:
    secrets = passwords(up.checkout)
    assert len(secrets) == 5  # of four roles, and the lookup's
    assert [secret for secret in secrets if secret in up.said] == []


def passwords(checkout: Checkout) -> set[str]:
    """Every password that the stack knows, configured or generated."""
    config = json.loads(checkout.pulumi("config --json --show-secrets"))
    state = json.loads(checkout.pulumi("stack export --show-secrets"))
    generated = next(
        resource["outputs"]["result"]
        for resource in state["deployment"]["resources"]
        if resource["type"] == "random:index/randomPassword:RandomPassword"
    )
    dsns = [dsn for name, dsn in checkout.outputs().items() if name.endswith("_dsn")]
    return {
        config["pgbouncer:admin_password"]["value"],
        *config["pgbouncer:passwords"]["objectValue"].values(),
        json.loads(generated["plaintext"]) if isinstance(generated, dict) else generated,
        *(str(conninfo_to_dict(dsn)["password"]) for dsn in dsns),
    }


def test_a_second_make_up_says_that_all_is_unchanged(up: Up) -> None:
    assert re.search(r"\nResources:\n    \d+ unchanged\n\n", up.checkout.make("up"))


def test_a_second_make_up_leaves_containers_volumes_and_network_as_they_are(up: Up) -> None:
    before = labelled("dev")
    up.checkout.make("up")
    assert labelled("dev") == before


def test_a_dsn_read_with_plain_pulumi_logs_in(up: Up) -> None:
    dsn = up.checkout.pulumi("stack output --show-secrets webhook_receiver_dsn").strip()
    with psycopg.connect(up.on_engine().reachable(dsn)) as client:
        found = client.execute("SELECT current_user::text, current_setting('application_name')").fetchone()
    assert found == ("postgres", "webhook_receiver")


def test_make_console_prints_the_pools(up: Up) -> None:
    dsn = up.checkout.outputs()["lanes"]["grafana"]["transaction"]
    with psycopg.connect(up.on_engine().reachable(dsn)):
        said = up.checkout.make("console", cmd="SHOW POOLS")
    header, _, *rows = (line for line in said.splitlines() if "|" in line or "+" in line)
    assert [cell.strip() for cell in header.split("|")][:3] == ["database", "user", "cl_active"]
    assert ["tracksolid_db", "grafana_ro", "1"] in [
        [cell.strip() for cell in row.split("|")][:3] for row in rows
    ]


@pytest.fixture(scope="module")
def rolled_back(up: Up) -> Up:
    """After Grafana was put on the direct lane."""
    up.checkout.replace(
        "dev", "grafana: {user: grafana_ro, route: transaction,", "grafana: {user: grafana_ro, route: direct,"
    )
    up.checkout.make("up")
    return up


def test_a_changed_route_and_make_up_move_the_dsn_of_that_service(rolled_back: Up) -> None:
    dsn = conninfo_to_dict(rolled_back.checkout.outputs()["grafana_dsn"])
    assert (dsn["host"], dsn["port"], dsn["dbname"]) == ("timescale_db", "5432", "tracksolid_db")


def test_a_changed_route_leaves_the_dsn_of_every_other_service(rolled_back: Up) -> None:
    outputs = rolled_back.checkout.outputs()
    hosts = {name: conninfo_to_dict(outputs[f"{name}_dsn"])["host"] for name in outputs["routes"]}
    assert hosts == {
        "analytics_mcp": "timescale_db",
        "cron": "pgbouncer",
        "dashboard_api": "pgbouncer",
        "gateway": "pgbouncer",
        "grafana": "timescale_db",
        "ingest_worker": "pgbouncer",
        "migrations": "timescale_db",
        "webhook_receiver": "pgbouncer",
        "worker": "pgbouncer",
    }


def test_make_preview_after_make_up_has_nothing_to_change(rolled_back: Up) -> None:
    said = rolled_back.checkout.make("preview")
    assert re.search(r"\nResources:\n    \d+ unchanged\n", said), said


def test_make_env_with_a_service_writes_the_dsn_of_its_route_to_a_private_file(rolled_back: Up) -> None:
    rolled_back.checkout.make("env", service="grafana")
    written = rolled_back.checkout.folder / ".env.dev.grafana"
    text, mode = written.read_text(), stat.S_IMODE(written.stat().st_mode)
    assert (text, mode) == (f"DATABASE_URL='{rolled_back.checkout.outputs()['grafana_dsn']}'\n", 0o600)


def test_make_env_with_an_unknown_service_names_the_known_ones(rolled_back: Up) -> None:
    said = rolled_back.checkout.make("env", service="grafna", fails=True)
    assert "error: SERVICE=grafna: stack dev has no such service; it has analytics_mcp, cron, " in said


# --- a stack on a database of one's own ----------------------------------------------------------------------


@dataclass(frozen=True)
class Own:
    """A stack whose file is a copy of Pulumi.prod.yaml, and its database."""

    checkout: Checkout
    database: DevDatabase
    first_said: str

    def on_engine(self) -> Deployment:
        return Deployment(OWN, self.checkout.folder, self.database, {}, {})


@pytest.fixture(scope="module")
def own(checkout: Checkout) -> Iterator[Own]:
    """Configured as the README says, but not up yet; its first `make up` was refused for want of a password."""
    database = DevDatabase(f"{OWN}-db", f"{OWN}-net", stack=OWN, settings={"fsync": "off"})
    remove(OWN, database)
    try:
        database.start()
        database.sql(
            "ALTER ROLE postgres PASSWORD 'of-the-admin'; CREATE ROLE grafana_ro LOGIN PASSWORD 'of-grafana';"
            "CREATE ROLE analytics_ro LOGIN; CREATE ROLE migrator LOGIN;"
        )
        shutil.copy(checkout.folder / "Pulumi.prod.yaml", checkout.folder / f"Pulumi.{OWN}.yaml")
        checkout.replace(OWN, "tracksolid_net", database.network)
        checkout.replace(OWN, "pgbouncer-stack/pgbouncer:1.26.1", image.pooler_image())
        checkout.replace(
            OWN, "grafana: {user: grafana_ro, route: direct", "grafana: {user: grafana_ro, route: transaction"
        )
        refused = checkout.make("up", OWN, fails=True)
        checkout.pulumi("config set --secret admin_password", OWN, stdin="of-the-admin")
        yield Own(checkout, database, refused)
    finally:
        remove(OWN, database)


def complaint(said: str) -> list[str]:
    """Everything from the first error on, without what make itself adds."""
    lines = [line for line in said.splitlines() if not line.startswith("make: ")]
    return lines[next(number for number, line in enumerate(lines) if line.startswith("error: ")) :]


def test_a_stack_without_a_file_is_told_what_to_copy(checkout: Checkout) -> None:
    assert complaint(checkout.make("up", "test-nowhere", fails=True)) == [
        "error: Pulumi.test-nowhere.yaml does not exist; "
        "copy Pulumi.prod.yaml to it and adjust network, database and services"
    ]


def test_a_stack_without_an_admin_password_is_told_how_to_set_it(own: Own) -> None:
    assert complaint(own.first_said) == [
        "error: stack test-two-commands has no admin_password; run `pulumi config set --secret admin_password "
        "--stack test-two-commands` in `make shell STACK=test-two-commands`"
    ]


def complaint_about(own: Own, **values: str | None) -> list[str]:
    """What `make up` says when these keys have other values, or are missing."""
    path = own.checkout.folder / f"Pulumi.{OWN}.yaml"
    kept = text = path.read_text(encoding="utf-8")
    for key, value in values.items():
        text = re.sub(rf"(?m)^  pgbouncer:{key}: .*\n", "", text)
        if value is not None:
            text = text.replace("config:\n", f"config:\n  pgbouncer:{key}: {value}\n", 1)
    path.write_text(text, encoding="utf-8")
    try:
        return complaint(own.checkout.make("up", OWN, fails=True))
    finally:
        path.write_text(kept, encoding="utf-8")


def test_a_missing_key_is_named(own: Own) -> None:
    assert complaint_about(own, database=None) == [
        "error: validating stack config: Stack 'test-two-commands' is missing configuration value 'database'",
        "error: the update of stack test-two-commands failed; "
        "correct what is named above and run `make up STACK=test-two-commands` again",
    ]


def test_a_database_that_does_not_answer_is_named_with_the_keys_to_set(own: Own) -> None:
    assert complaint_about(own, network="test-nowhere", admin_host="127.0.0.1", admin_port="1") == [
        "error: the database of stack test-two-commands does not answer on 127.0.0.1:1; set admin_host and "
        "admin_port (`pulumi config set admin_host … --stack test-two-commands`) to where this machine reaches it"
    ]


def test_an_image_that_is_not_there_is_named_with_the_one_that_is(own: Own) -> None:
    there = image.pooler_image()
    assert complaint_about(own, image="pgbouncer-stack/pgbouncer:1.99.0") == [
        "error: stack test-two-commands wants the image pgbouncer-stack/pgbouncer:1.99.0, "
        f"but Debian's packages give {there}; run `pulumi config set image {there} --stack test-two-commands`, "
        "or load the wanted image into the engine"
    ]


@pytest.fixture(scope="module")
def own_up(own: Own) -> tuple[Own, str]:
    """The stack and what `make up STACK=…` said when nothing was missing any more."""
    return own, own.checkout.make("up", OWN)


def test_an_empty_stack_is_refused(checkout: Checkout) -> None:
    assert complaint(checkout.make("preview", "", fails=True)) == [
        "error: STACK: is empty; name a stack, like STACK=prod, or leave it out for dev"
    ]


def cutover(own: Own, *lanes: tuple[str, str, str]) -> dict[str, dict[str, Any]]:
    """What `make cutover` tells scripts of each service while these (service, lane, password) are connected."""
    strings, deployment = own.checkout.outputs(OWN)["lanes"], own.on_engine()
    with ExitStack() as connected:
        for service, lane, password in lanes:
            dsn = make_conninfo(deployment.reachable(strings[service][lane]), password=password)
            connected.enter_context(psycopg.connect(dsn)).execute("SELECT 1")
        said = own.checkout.make("cutover", OWN, json="1")
    assert not any(password in said for _, _, password in lanes)
    found = json.loads(said[said.index("{\n") :])["services"]
    return {service["service"]: service for service in found}


def test_make_cutover_shows_where_the_connections_of_each_service_are(own_up: tuple[Own, str]) -> None:
    found = cutover(own_up[0], ("grafana", "transaction", "of-grafana"), ("worker", "direct", "of-the-admin"))
    keys = ("lane", "transaction_clients", "session_clients", "past", "backends", "next")
    assert {name: [found[name][key] for key in keys] for name in ("grafana", "worker", "cron")} == {
        "grafana": ["transaction", 1, 0, 0, 1, "nothing: it has moved"],
        "worker": ["direct", 0, 0, 1, 0, "stays direct until its route is changed"],
        "cron": ["direct", 0, 0, 0, 0, "no connection seen"],
    }


def test_make_cutover_warns_of_a_service_that_bypasses_its_lane(own_up: tuple[Own, str]) -> None:
    found = cutover(own_up[0], ("grafana", "direct", "of-grafana"))["grafana"]
    assert (found["bypasses"], found["next"]) == (True, "bypassing its lane: 1; redeploy with its DSN")


def test_make_up_finds_the_container_of_ones_own_database(own_up: tuple[Own, str]) -> None:
    own, _ = own_up
    config = json.loads(own.checkout.pulumi("config --json", OWN))
    found = config["pgbouncer:admin_host"]["value"], config["pgbouncer:admin_port"]["value"]
    assert found == (own.database.address()[0], "5432")


def test_the_next_commands_are_those_of_ones_own_stack(own_up: tuple[Own, str]) -> None:
    _, said = own_up
    assert "  make down STACK=test-two-commands  " in said


def test_users_without_a_known_password_are_named(own_up: tuple[Own, str]) -> None:
    _, said = own_up
    assert (
        "No password is known for analytics_ro, grafana_ro, migrator, postgres; to have it in the DSNs: "
        in said
    )


def test_make_down_of_ones_own_stack_names_the_clients_and_stops(own_up: tuple[Own, str]) -> None:
    own, _ = own_up
    gateway = "--format={{(index .IPAM.Config 0).Gateway}}"  # how the pooler sees this machine
    address = docker("network", "inspect", gateway, own.database.network)
    with grafana(own):
        said = own.checkout.make("down", OWN, fails=True)
    assert complaint(said) == [
        "error: stack test-two-commands has clients (1); move them first (route: direct), "
        "or run `make down STACK=test-two-commands FORCE=1`",
        f"  grafana_ro@tracksolid_db from {address}",
    ]


def test_a_refused_make_down_leaves_the_clients_connected(own_up: tuple[Own, str]) -> None:
    own, _ = own_up
    with grafana(own) as client:
        own.checkout.make("down", OWN, fails=True)
        assert client.execute("SELECT current_user::text").fetchone() == ("grafana_ro",)


def grafana(own: Own) -> psycopg.Connection[tuple[Any, ...]]:
    on_engine = own.on_engine()
    [pooler] = on_engine.poolers()
    return psycopg.connect(
        host=on_engine.address(pooler),
        port=6432,
        user="grafana_ro",
        password="of-grafana",
        dbname="tracksolid_db",
        autocommit=True,
    )


def test_make_down_once_the_clients_have_left_leaves_the_database_only(own_up: tuple[Own, str]) -> None:
    own, _ = own_up
    own.checkout.make("down", OWN)
    assert_only_the_database_is_left()


def test_a_forced_make_down_removes_the_stack_with_a_client_connected(own_up: tuple[Own, str]) -> None:
    own, _ = own_up
    own.checkout.make("up", OWN)
    with grafana(own):
        own.checkout.make("down", OWN, force="1")
    assert_only_the_database_is_left()


def assert_only_the_database_is_left() -> None:
    names = docker("ps", "--all", "--format={{.Names}}", f"--filter=label={STACK_LABEL}={OWN}").split()
    networks = docker("network", "ls", "--format={{.Name}}", f"--filter=label={STACK_LABEL}={OWN}").split()
    assert (names, networks, labelled(OWN)["volume"]) == ([f"{OWN}-db"], [f"{OWN}-net"], [])


# --- the end of stack dev ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Down:
    """Stack dev after `make down`, with somebody else's things beside it."""

    up: Up
    said: str
    bystander_before: dict[str, list[str]]


@pytest.fixture(scope="module")
def down(up: Up) -> Iterator[Down]:
    label = f"--label={STACK_LABEL}={BYSTANDER}"
    remove_bystander()
    try:
        docker("network", "create", label, BYSTANDER)
        docker("volume", "create", label, BYSTANDER)
        docker(
            "run", "--detach", label, f"--name={BYSTANDER}", f"--network={BYSTANDER}", f"--volume={BYSTANDER}:/kept",
            "--entrypoint=sleep", image.database_image(), "600",
        )  # fmt: skip
        before = labelled(BYSTANDER)
        up.checkout.make("env", service="grafana")
        yield Down(up, up.checkout.make("down"), before)
    finally:
        remove_bystander()


def remove_bystander() -> None:
    remove(BYSTANDER, DevDatabase(BYSTANDER, BYSTANDER, stack=BYSTANDER, volume=BYSTANDER))


@pytest.mark.usefixtures("down")
def test_make_down_removes_everything_that_is_labelled_for_the_stack() -> None:
    assert labelled("dev") == {"container": [], "network": [], "volume": []}


def test_make_down_leaves_what_belongs_to_another_stack(down: Down) -> None:
    running = docker("ps", "--quiet", "--no-trunc", f"--filter=name=^{BYSTANDER}$").split()
    assert (labelled(BYSTANDER), running) == (down.bystander_before, down.bystander_before["container"])


def test_make_down_says_what_it_removed(down: Down) -> None:
    assert (
        "\nstack dev: removed stack dev, container pgbouncer-dev-db, volume pgbouncer-dev-data, "
        "network pgbouncer-dev, Pulumi.dev.yaml\n"
    ) in down.said


def test_make_down_says_that_it_removed_the_env_file_of_a_service(down: Down) -> None:
    assert "\nstack dev: removed .env.dev.grafana, written by `make env`\n" in down.said


def test_make_down_leaves_the_checkout_as_make_up_had_found_it(down: Down) -> None:
    own = {f"Pulumi.{OWN}.yaml"}
    assert down.up.checkout.files() - own == down.up.files_before - own


def test_a_second_make_down_has_nothing_to_remove(down: Down) -> None:
    assert down.up.checkout.make("down").endswith("stack dev: nothing to remove\n")
