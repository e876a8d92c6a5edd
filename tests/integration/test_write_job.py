"""The userlist and write jobs: only what a scratch PgBouncer accepts without a complaint reaches the volume."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.settings import Settings
from tests.integration.bouncer import Bouncer, Ended, Files, assert_passed, rendered
from tests.integration.conftest import Deploy
from tests.integration.server import Server

pytestmark = pytest.mark.timeout(120)


def configured(server: Server, **values: object) -> Settings:
    return server.settings({"webhook": {"route": "transaction"}}, **values)


@pytest.fixture(scope="module")
def bouncer(deploy_for_module: Deploy, server: Server) -> Bouncer:
    """A deployment with one good configuration staged and live."""
    bouncer = deploy_for_module(configured(server))
    assert_passed(bouncer.hand_over_userlist(bouncer.files))
    assert_passed(bouncer.write(bouncer.files))
    return bouncer


def refused(bouncer: Bouncer, files: Files) -> Ended:
    """The write job for these files, which has to fail and to leave the volume as it was."""
    before = bouncer.on_volumes("ls -A /config && readlink /config/live")
    ended = bouncer.write(files)
    assert ended.exit_code != 0
    assert bouncer.on_volumes("ls -A /config && readlink /config/live") == before
    return ended


def test_the_first_configuration_is_live_at_once(bouncer: Bouncer) -> None:
    assert bouncer.on_volumes("readlink /config/live") == bouncer.files.digest


def test_a_good_configuration_says_which_version_accepts_it(bouncer: Bouncer) -> None:
    ended = bouncer.write(bouncer.files)
    version = bouncer.settings.image.rpartition(":")[2]
    assert ended.log.strip() == f"staged {bouncer.files.digest}: PgBouncer {version} accepts it"


def test_a_second_good_configuration_is_staged_beside_the_live_one(deploy: Deploy, server: Server) -> None:
    bouncer = deploy(configured(server))
    assert_passed(bouncer.hand_over_userlist(bouncer.files))
    assert_passed(bouncer.write(bouncer.files))
    changed = rendered(configured(server, settings={"query_wait_timeout": 7}), server.auth_password)
    assert_passed(bouncer.write(changed))
    assert bouncer.on_volumes(f"readlink /config/live; ls /config/{changed.digest}").split() == [
        bouncer.files.digest,
        "expected",
        "pg_hba.conf",
        "pgbouncer.ini",
        "userlist.txt",
    ]


@pytest.mark.parametrize("file", ["pgbouncer.ini", "pg_hba.conf", "userlist.txt"])
def test_a_staged_file_can_be_read_by_the_poolers_uid_alone(bouncer: Bouncer, file: str) -> None:
    assert bouncer.on_volumes(f"stat -c '%a %u:%g' /config/live/{file}") == "400 65532:65532"


@pytest.mark.parametrize("folder", ["/config", "/config/live/", "/config/pending", "/run/pgb"])
def test_a_folder_can_be_entered_by_the_poolers_uid_alone(bouncer: Bouncer, folder: str) -> None:
    assert bouncer.on_volumes(f"stat -c '%a %u:%g' {folder}") == "700 65532:65532"


def test_a_bad_value_is_refused_with_pgbouncers_own_words(bouncer: Bouncer, server: Server) -> None:
    files = rendered(configured(server, settings={"query_wait_timeout": "soon"}), server.auth_password)
    assert 'invalid value "soon" for parameter query_wait_timeout' in refused(bouncer, files).log


def test_an_unknown_key_is_refused_with_pgbouncers_own_words(bouncer: Bouncer, server: Server) -> None:
    files = rendered(configured(server, settings={"pool_sise": 5}), server.auth_password)
    assert "unknown parameter: pgbouncer/pool_sise" in refused(bouncer, files).log


def test_an_hba_line_that_pgbouncer_only_warns_of_is_refused(bouncer: Bouncer) -> None:
    files = replace(bouncer.files, hba=bouncer.files.hba + "host all all 10.0.0.0/99 scram-sha-256\n")
    assert "WARNING could not parse hba config line 11" in refused(bouncer, files).log


def test_a_userlist_that_pgbouncer_cannot_parse_is_refused(deploy: Deploy, server: Server) -> None:
    bouncer = deploy(configured(server))
    broken = replace(bouncer.files, userlist='"pgbouncer_auth_a" no quotes\n')
    assert_passed(bouncer.hand_over_userlist(broken))
    assert bouncer.write(broken).exit_code != 0


def test_a_refusal_says_that_the_configuration_in_use_is_untouched(bouncer: Bouncer, server: Server) -> None:
    files = rendered(configured(server, settings={"pool_sise": 5}), server.auth_password)
    last = refused(bouncer, files).log.strip().splitlines()[-1]
    assert last == "PgBouncer does not accept this configuration; the one in use is untouched"


def test_a_refusal_shows_no_password(bouncer: Bouncer, server: Server) -> None:
    files = rendered(configured(server, settings={"pool_sise": 5}), server.auth_password)
    assert server.auth_password not in refused(bouncer, files).log


def test_a_userlist_of_another_password_is_refused(bouncer: Bouncer, server: Server) -> None:
    files = rendered(configured(server), "another password")
    assert refused(bouncer, files).log.strip() == (
        f"the files on the volume have hash {bouncer.files.digest}, the stack declares {files.digest}: "
        "run the userlist job again"
    )


def test_a_missing_userlist_is_refused(deploy: Deploy, server: Server) -> None:
    bouncer = deploy(configured(server))
    assert_passed(bouncer.hand_over_userlist(bouncer.files))
    bouncer.on_volumes("rm /config/pending/userlist.txt")
    assert "/config/pending/userlist.txt" in refused_on_empty(bouncer).log


def test_a_userlist_that_the_pooler_may_not_read_is_refused(deploy: Deploy, server: Server) -> None:
    bouncer = deploy(configured(server))
    assert_passed(bouncer.hand_over_userlist(bouncer.files))
    bouncer.on_volumes("chown 0:0 /config/pending/userlist.txt")
    assert "Permission denied" in refused_on_empty(bouncer).log


def refused_on_empty(bouncer: Bouncer) -> Ended:
    """The write job on a volume where nothing is live: it fails, and nothing is live after it."""
    ended = bouncer.write(bouncer.files)
    assert ended.exit_code != 0
    assert bouncer.on_volumes("ls -A /config") == "pending"
    return ended


def test_the_password_is_gone_from_the_stopped_job(deploy: Deploy, server: Server) -> None:
    bouncer = deploy(configured(server))
    ended = bouncer.hand_over_userlist(bouncer.files)
    assert not ended.holds("/staged/userlist.txt")


def test_docker_cp_would_find_a_file_that_was_left_in_a_stopped_job(bouncer: Bouncer) -> None:
    assert bouncer.write(bouncer.files).holds("/staged/pgbouncer.ini")


def test_the_userlist_job_logs_no_password(deploy: Deploy, server: Server) -> None:
    bouncer = deploy(configured(server))
    assert bouncer.hand_over_userlist(bouncer.files).log == "userlist staged\n"
