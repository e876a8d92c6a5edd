"""Every symptom of docs/runbook.md is brought about, and every command of the page is typed and prints what it says."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.e2e import runbook
from tests.e2e.deployment import PROJECT, Deployment
from tests.e2e.test_two_commands import Checkout, make_checkout, remove
from toolchain import apt, image
from toolchain.dev_database import DevDatabase
from toolchain.engine import docker
from toolchain.processes import attempt

pytestmark = pytest.mark.timeout(300)

STACK = "test-runbook"
PAGE = (PROJECT / "docs" / "runbook.md").read_text(encoding="utf-8")
BLOCKS = runbook.blocks(PAGE)
SECTIONS = list(dict.fromkeys(block.section for block in BLOCKS))
WAIT_SECONDS = 60

PASSWORDS = {"postgres": "of-postgres", "grafana_ro": "of-grafana", "analytics_ro": "of-analytics"}
# A client waits for longer than anybody needs to type the commands of its section, on a slow machine, too.
CONFIG = f"""\
config:
  pgbouncer:network: {STACK}-net
  pgbouncer:database: tracksolid_db
  pgbouncer:max_connections: 40
  pgbouncer:max_backends: 12
  pgbouncer:drain_seconds: 1
  pgbouncer:image: IMAGE
  pgbouncer:superusers: [postgres]
  pgbouncer:settings: {{query_wait_timeout: 90}}
  pgbouncer:services:
    worker: {{user: postgres, route: transaction}}
    webhook_receiver: {{user: postgres, route: transaction, pool_size: 1}}
    grafana: {{user: grafana_ro, route: transaction}}
    analytics_mcp: {{user: analytics_ro, route: direct, direct_connections: 5}}
"""


@dataclass(frozen=True)
class Ran:
    """One block that was typed."""

    code: int
    said: str


@dataclass
class Operator:
    """Somebody at a checkout whose stack is up, in trouble and out of it again."""

    checkout: Checkout
    database: DevDatabase
    _lanes: dict[str, dict[str, str]] = field(default_factory=dict)
    _ran: dict[str, list[Ran]] = field(default_factory=dict)
    _over: dict[str, bool] = field(default_factory=dict)

    @property
    def deployment(self) -> Deployment:
        return Deployment(STACK, self.checkout.folder, self.database, {}, {})

    def type(self, script: str) -> Ran:
        """Runs lines of the page, after the functions that its reader has pasted."""
        return Ran(*self.checkout.typed(f"{self.here(BLOCKS[0].script)}{self.here(script)}", STACK))

    def here(self, text: str) -> str:
        """Commands of the page with the names of this stack and its database's container."""
        return re.sub(r"\bprod\b", STACK, text).replace("timescale_db", self.database.name)

    def pulumi(self, arguments: str) -> None:
        self.checkout.pulumi(arguments, STACK)

    def connect(self, service: str, lane: str = "transaction") -> psycopg.Connection[tuple[Any, ...]]:
        """A client of a service, by the DSN of the stack's outputs and with the password that it has there."""
        if not self._lanes:
            self._lanes = self.checkout.outputs(STACK)["lanes"]
        return psycopg.connect(self.deployment.reachable(self._lanes[service][lane]), autocommit=True)

    def forget_passwords(self) -> None:
        self._lanes = {}

    def refused(self, **parts: str) -> None:
        """A login at the pooler that must fail."""
        dsn = self._lanes or self.checkout.outputs(STACK)["lanes"]
        changed = make_conninfo(self.deployment.reachable(dsn["worker"]["transaction"]), **parts)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(changed)

    def serves(self, service: str = "worker") -> bool:
        """Whether the service can log in by the transaction lane and gets an answer."""
        try:
            with self.connect(service) as client:
                return client.execute("SELECT 'served'").fetchone() == ("served",)
        except (psycopg.Error, IndexError):  # no pooler at all
            return False

    def ran(self, section: str) -> list[Ran]:
        """What the commands of a section have printed while its symptom was there; typed once."""
        if section not in self._ran:
            with SYMPTOMS[section](self) as is_over:
                scripts = [block.script for block in BLOCKS if block.section == section]
                self._ran[section] = [self.type(script) for script in scripts]
                self._over[section] = eventually(is_over)
        return self._ran[section]

    def is_over(self, section: str) -> bool:
        """Whether the symptom was gone when the last command of its section had ended."""
        self.ran(section)
        return self._over[section]


def eventually(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + WAIT_SECONDS
    while not (holds := condition()) and time.monotonic() < end:
        time.sleep(0.2)
    return holds


# --- the symptoms --------------------------------------------------------------------------------------------

IsOver = Callable[[], bool]


@contextmanager
def healthy(operator: Operator) -> Iterator[IsOver]:
    """One client that does nothing, so that there is something to see."""
    with closing(operator.connect("worker")) as client:
        client.execute("SELECT 1")
        yield operator.serves


@contextmanager
def forgotten_transaction(operator: Operator) -> Iterator[IsOver]:
    """The only backend of an entry sits in a transaction, and the next client waits for it."""
    holder, waiter = operator.connect("webhook_receiver"), operator.connect("webhook_receiver")
    with closing(holder), closing(waiter):
        holder.execute("BEGIN")
        holder.execute("SELECT 1")
        waiting = threading.Thread(target=lambda: waiter.execute("SELECT 2"), daemon=True)
        waiting.start()
        assert eventually(lambda: longest_wait(operator) >= 1)
        yield lambda: not waiting.is_alive()
        waiting.join(WAIT_SECONDS)


def longest_wait(operator: Operator) -> int:
    return max(int(row["maxwait"]) for row in operator.deployment.console("SHOW POOLS"))


@contextmanager
def paused(operator: Operator) -> Iterator[IsOver]:
    """One entry, as a killed maintenance leaves it, and then all, as somebody does by hand."""
    with closing(operator.connect("worker")):
        operator.deployment.console("PAUSE tracksolid_db")
        operator.deployment.console("PAUSE")
        yield operator.serves


@contextmanager
def full_database(operator: Operator) -> Iterator[IsOver]:
    """Two services take all slots past the pooler: the ordinary role first, then the superuser the reserved ones."""
    with ExitStack() as connected:
        for service in ("analytics_mcp", "worker"):
            while True:
                try:
                    connected.enter_context(closing(operator.connect(service, "direct")))
                except psycopg.OperationalError:
                    break
        yield operator.serves


@contextmanager
def changed_password(operator: Operator) -> Iterator[IsOver]:
    operator.database.sql("ALTER ROLE grafana_ro PASSWORD 'changed past the stack';")
    operator.refused(user="grafana_ro", password=PASSWORDS["grafana_ro"])

    def is_over() -> bool:
        operator.forget_passwords()
        return operator.serves("grafana")

    yield is_over


@contextmanager
def refused_users(operator: Operator) -> Iterator[IsOver]:
    """A locked role, one of no service, and a superuser whom the stack does not name."""
    operator.database.sql(
        "ALTER ROLE grafana_ro NOLOGIN; CREATE ROLE stranger LOGIN PASSWORD 'of-stranger';"
        "CREATE ROLE boss SUPERUSER LOGIN PASSWORD 'of-boss'; GRANT pgbouncer_services TO boss;"
    )
    try:
        for user in ("grafana_ro", "stranger", "boss"):
            operator.refused(user=user, password="of-" + user)
        yield lambda: operator.serves("grafana")
    finally:
        operator.database.sql("DROP ROLE stranger; DROP ROLE boss;")


@contextmanager
def killed_pooler(operator: Operator) -> Iterator[IsOver]:
    docker("kill", *operator.deployment.poolers())
    yield operator.serves


@contextmanager
def removed_pooler(operator: Operator) -> Iterator[IsOver]:
    docker("rm", "--force", *operator.deployment.poolers())
    yield operator.serves


@contextmanager
def hung_pooler(operator: Operator) -> Iterator[IsOver]:
    [pooler] = operator.deployment.poolers()
    one = '[ "$(cat "$process/comm")" = pgbouncer ] && kill -STOP "${process#/proc/}"'
    docker("exec", pooler, "sh", "-c", f"for process in /proc/[0-9]*; do {one}; done; true")
    yield operator.serves


@contextmanager
def bypassing_service(operator: Operator) -> Iterator[IsOver]:
    with closing(operator.connect("grafana", "direct")):
        yield lambda: host_of("grafana", operator) == "timescale_db"


def host_of(service: str, operator: Operator) -> str:
    return str(conninfo_to_dict(operator.checkout.outputs(STACK)[f"{service}_dsn"])["host"])


@contextmanager
def bad_setting(operator: Operator) -> Iterator[IsOver]:
    operator.pulumi("config set --path pgbouncer:settings.server_check_delay soon")
    yield operator.serves


@contextmanager
def killed_update(operator: Operator) -> Iterator[IsOver]:
    script = f'eval "$(make -s env STACK={STACK})"; exec pulumi up --yes --skip-preview --stack {STACK}'
    process = subprocess.Popen(
        ["sh", "-c", script],
        cwd=operator.checkout.folder,
        env=operator.checkout.environment(STACK),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    locks = operator.checkout.cache / "state" / ".pulumi" / "locks"
    assert eventually(lambda: bool(list(locks.glob("**/*.json"))))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(WAIT_SECONDS)
    yield operator.serves


@contextmanager
def moved_database(operator: Operator) -> Iterator[IsOver]:
    """It comes back on another address, and a stranger has its old one."""
    database, stranger = operator.database, f"{STACK}-stranger"
    assert operator.serves()  # the pooler has looked the address up
    address = database.address()
    docker("stop", database.name)
    try:
        docker(
            "run", "--detach", f"--name={stranger}", f"--network={database.network}", "--entrypoint=sleep",
            image.database_image(), "600",
        )  # fmt: skip
        docker("start", database.name)
        database.wait()
        assert database.address() != address, "the stranger did not get the old address: this shows nothing"
        yield operator.serves
    finally:
        attempt(["docker", "rm", "--force", stranger])


@contextmanager
def revoked_membership(operator: Operator) -> Iterator[IsOver]:
    operator.database.sql("REVOKE pgbouncer_services FROM grafana_ro;")
    yield lambda: operator.serves("grafana")


SYMPTOMS = {
    "First of all": healthy,
    "Clients wait": forgotten_transaction,
    "Everybody waits": paused,
    "Too many clients": full_database,
    "A password is refused": changed_password,
    "A user is refused": refused_users,
    "The pooler is down": killed_pooler,
    "The container is gone": removed_pooler,
    "The pooler hangs": hung_pooler,
    "The wrong lane": bypassing_service,
    "An update failed": bad_setting,
    "An update was killed": killed_update,
    "The database has moved": moved_database,
    "Changed by hand": revoked_membership,
}


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    for program, package in (("ps", "procps"), ("openssl", "openssl")):
        if not shutil.which(program):
            apt.install([package], "the commands of the runbook")
    settings = {"fsync": "off"}
    database = DevDatabase(f"{STACK}-db", f"{STACK}-net", stack=STACK, max_connections=40, settings=settings)
    remove(STACK, database)
    checkout = make_checkout(
        tmp_path_factory.mktemp("runbook") / "checkout", tmp_path_factory.mktemp("cache")
    )
    try:
        database.start()
        database.sql(
            "ALTER ROLE postgres PASSWORD 'of-postgres'; CREATE ROLE grafana_ro LOGIN PASSWORD 'of-grafana';"
            "CREATE ROLE analytics_ro LOGIN PASSWORD 'of-analytics';"
        )
        path = checkout.folder / f"Pulumi.{STACK}.yaml"
        path.write_text(CONFIG.replace("IMAGE", image.pooler_image()), encoding="utf-8")
        checkout.make("preview", STACK, fails=True)  # makes the stack, and asks for the admin password
        secrets = {"admin_password": PASSWORDS["postgres"]}
        secrets |= {f"passwords.{user}": password for user, password in PASSWORDS.items()}
        lines = [
            f"printf %s {value} | pulumi config set --stack {STACK} --secret --path pgbouncer:{path}"
            for path, value in secrets.items()
        ]
        code, said = checkout.typed("\n".join([f'eval "$(make -s env STACK={STACK})"', *lines]), STACK)
        assert code == 0, said
        checkout.make("up", STACK)
        yield Operator(checkout, database)
    finally:
        attempt(["docker", "rm", "--force", f"{STACK}-stranger"])
        remove(STACK, database)


# --- the page ------------------------------------------------------------------------------------------------


def test_every_section_with_commands_has_a_symptom_and_every_symptom_a_section() -> None:
    assert list(SYMPTOMS) == SECTIONS


def test_every_symptom_of_the_table_leads_to_a_section_of_the_page() -> None:
    headings = {title.lower().replace(" ", "-") for title in re.findall(r"^## (.*)$", PAGE, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= headings


def test_no_command_with_arguments_hides_in_the_prose() -> None:
    """Only what stands in a block is typed by these tests."""
    prose = re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`((?:make [a-z-]+|docker|pulumi|psql|database) [^`]*)`", prose)
    assert inline == []


def numbered(section: str) -> list[runbook.Block]:
    return [block for block in BLOCKS if block.section == section]


TYPED = [(section, number) for section in SECTIONS for number in range(len(numbered(section)))]


@pytest.mark.parametrize(
    ("section", "number"), TYPED, ids=[f"{section} {number + 1}" for section, number in TYPED]
)
def test_a_command_prints_what_the_page_says(operator: Operator, section: str, number: int) -> None:
    block, ran = numbered(section)[number], operator.ran(section)[number]
    expected = tuple(re.sub(r"\bprod\b", STACK, line) for line in block.printed)
    assert runbook.missing(expected, ran.said) == [], ran.said


@pytest.mark.parametrize(
    ("section", "number"), TYPED, ids=[f"{section} {number + 1}" for section, number in TYPED]
)
def test_a_command_ends_as_the_page_says(operator: Operator, section: str, number: int) -> None:
    block, ran = numbered(section)[number], operator.ran(section)[number]
    assert (ran.code != 0) == block.fails, ran.said


@pytest.mark.parametrize("section", SECTIONS)
def test_the_commands_of_a_section_end_its_symptom(operator: Operator, section: str) -> None:
    assert operator.is_over(section)


@pytest.mark.parametrize("section", SECTIONS)
def test_no_command_of_a_section_prints_a_password(operator: Operator, section: str) -> None:
    said = "".join(ran.said for ran in operator.ran(section))
    assert [password for password in PASSWORDS.values() if password in said] == []
