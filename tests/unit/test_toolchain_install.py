"""Which mirror, version, backend and folder are taken, and how steps run."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from toolchain import passphrase, pulumi_cli
from toolchain.apt import mirror_of
from toolchain.dev_database import DevDatabase, identifier, literal
from toolchain.dev_stack import render
from toolchain.image import DATABASE, POOLER, as_numbers, version_in
from toolchain.own_stack import container_address
from toolchain.paths import cache_root
from toolchain.problem import Problem
from toolchain.pulumi_plugins import versions
from toolchain.steps import Step, agree, duration, ensure


def test_the_mirror_is_the_one_from_which_apt_takes_debian_itself() -> None:
    targets = (
        "http://a.example/debian-security|Debian|Debian-Security\nhttp://b.example/debian|Debian|Debian\n"
    )
    assert mirror_of(targets) == "http://b.example/debian"


def test_another_vendors_archive_is_no_debian_mirror() -> None:
    assert mirror_of("http://c.example/ubuntu|Ubuntu|Ubuntu\n") is None


def test_no_index_targets_at_all_mean_the_default_mirror() -> None:
    assert mirror_of("") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("v3.259.0", (3, 259, 0)), ("3.220.1-alpha", (3, 220, 1)), ("go1.26", (1, 26, 0)), ("none", None)],
)
def test_versions_are_compared_as_numbers(text: str, expected: tuple[int, ...] | None) -> None:
    assert pulumi_cli.version(text) == expected


def test_the_pinned_cli_is_recent_enough_for_the_project() -> None:
    pinned = pulumi_cli.version(pulumi_cli.module_version())
    assert pinned is not None
    assert pinned >= pulumi_cli.OLDEST


def test_the_plugins_have_the_versions_of_their_packages() -> None:
    lock = "pulumi==3.272.0\npulumi-docker==5.2.0 \\\npulumi-postgresql==3.18.2\npulumi-random==4.21.4\n"
    assert versions(lock) == {"docker": "5.2.0", "postgresql": "3.18.2", "random": "4.21.4"}


def test_the_images_say_their_version() -> None:
    pooler = version_in("PgBouncer 1.26.1\nlibevent 2.1.13-stable\n", POOLER.version_pattern)
    database = version_in("postgres (PostgreSQL) 17.6 (Debian 17.6-0+deb13u1)\n", DATABASE.version_pattern)
    assert (pooler, database) == ("1.26.1", "17")


def test_an_image_without_a_version_is_refused() -> None:
    with pytest.raises(Problem, match="does not say its version"):
        version_in("sh: pgbouncer: not found", POOLER.version_pattern)


def test_1_9_is_older_than_1_26_1() -> None:
    assert as_numbers("1.9.0") < as_numbers("1.26.1")


def test_the_cache_can_be_put_elsewhere() -> None:
    assert cache_root({"PGBOUNCER_STACK_CACHE": "/big/disk"}) == Path("/big/disk")
    assert cache_root({"XDG_CACHE_HOME": "/home/ann/.c"}) == Path("/home/ann/.c/pgbouncer-stack")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PGBOUNCER_STACK_CACHE", str(tmp_path))
    for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_throwaway_stack_stays_on_this_machine_in_spite_of_a_login(cache: Path) -> None:
    assert pulumi_cli.backend_of("dev", {}, "https://api.example") == f"file://{cache}/state"


@pytest.mark.usefixtures("cache")
def test_other_stacks_follow_the_users_login() -> None:
    assert pulumi_cli.backend_of("prod", {}, "https://api.example") is None


@pytest.mark.usefixtures("cache")
def test_a_backend_in_the_environment_wins() -> None:
    assert pulumi_cli.backend_of("dev", {"PULUMI_BACKEND_URL": "s3://state"}, None) == "s3://state"


def test_a_login_is_read_from_the_users_credentials(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text(json.dumps({"current": "https://api.example"}))
    assert pulumi_cli.logged_in_to(tmp_path) == "https://api.example"
    assert pulumi_cli.logged_in_to(tmp_path / "nobody") is None


def test_a_new_passphrase_can_be_read_by_its_owner_alone_and_is_kept(cache: Path) -> None:
    passphrase.ensure("test-unit")
    file = cache / "passphrases" / "test-unit"
    first = file.read_text()
    passphrase.ensure("test-unit")
    assert stat.S_IMODE(file.stat().st_mode) == 0o400
    assert file.read_text() == first
    assert len(first) >= 32


def test_a_passphrase_that_the_user_brought_is_not_replaced(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "/keys/team")
    passphrase.ensure("test-unit")
    assert not (cache / "passphrases").exists() or not list((cache / "passphrases").iterdir())


@pytest.mark.usefixtures("cache")
def test_an_encrypted_stack_without_its_passphrase_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passphrase, "PROJECT", tmp_path)
    (tmp_path / "Pulumi.prod.yaml").write_text("encryptionsalt: v1:abc\nconfig: {}\n")
    with pytest.raises(Problem, match=r"PULUMI_CONFIG_PASSPHRASE_FILE"):
        passphrase.ensure("prod")


def test_a_step_that_is_done_is_skipped_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[str] = []
    ensure(Step("CLI: building", "about 5 min", lambda: True, lambda: ran.append("built")))
    assert (ran, capsys.readouterr().err) == ([], "")


def test_a_step_says_what_it_does_how_long_it_takes_and_when_it_is_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran: list[str] = []
    ensure(Step("CLI: building", "about 5 min", lambda: False, lambda: ran.append("built")))
    assert (ran, capsys.readouterr().err) == (["built"], "CLI: building, about 5 min ...\n  done in 0:00\n")


def test_a_duration_is_minutes_and_seconds() -> None:
    assert (duration(3.4), duration(200)) == ("0:03", "3:20")


def test_without_a_terminal_nothing_is_installed_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    with pytest.raises(Problem, match="run `apt-get install x`"):
        agree("installing x", instead="run `apt-get install x`", environ={})


def test_ci_has_agreed_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    agree("installing x", instead="install it", environ={"CI": "true"})


def test_the_dev_stack_starts_without_a_secret_and_with_its_database() -> None:
    text = render(DevDatabase("db", "net", max_connections=60), "172.18.0.2", 5432, "repo/pgbouncer:1.26.1")
    head = text.splitlines()[2:9]
    assert head == [
        "config:",
        "  pgbouncer:network: net",
        "  pgbouncer:database: tracksolid_db",
        "  pgbouncer:max_connections: 60",
        '  pgbouncer:admin_host: "172.18.0.2"',
        "  pgbouncer:admin_port: 5432",
        "  pgbouncer:image: repo/pgbouncer:1.26.1",
    ]
    assert "secure" not in text


def test_names_and_texts_are_quoted_for_postgres() -> None:
    assert (identifier('we"ird'), literal("it's")) == ('"we""ird"', "'it''s'")


def test_a_database_container_is_found_by_its_name_or_alias_on_the_network() -> None:
    container: dict[str, object] = {
        "Name": "/timescale",
        "NetworkSettings": {
            "Networks": {
                "tracksolid_net": {"Aliases": ["timescale_db"], "IPAddress": "172.30.0.7"},
                "other": {"Aliases": None, "IPAddress": "172.31.0.9"},
            }
        },
    }
    assert container_address([container], "tracksolid_net", "timescale_db") == "172.30.0.7"
    assert container_address([container], "other", "timescale") == "172.31.0.9"
    assert container_address([container], "other", "timescale_db") is None


def test_two_checkouts_have_plugins_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    homes = set()
    for checkout in ("one", "two"):
        monkeypatch.setattr(pulumi_cli, "PROJECT", tmp_path / checkout)
        homes.add(pulumi_cli.private_home())
    assert len(homes) == 2


def test_another_checkouts_home_in_the_environment_is_not_taken_for_the_users(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pulumi_cli, "PROJECT", tmp_path / "other")
    monkeypatch.setenv("PULUMI_HOME", str(pulumi_cli.private_home()))
    monkeypatch.setattr(pulumi_cli, "PROJECT", tmp_path / "mine")
    assert pulumi_cli.user_home() == Path.home() / ".pulumi"
