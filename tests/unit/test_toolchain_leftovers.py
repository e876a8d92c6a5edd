"""What a killed update leaves behind is recognised from the state, the lock file and the labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolchain.cleaning import stack_label
from toolchain.leftovers import Lock, is_living_pulumi, living, locks, pending, read_lock, unknown
from toolchain.stack import failed_jobs, ids

CONTAINER = "docker:index/container:Container"
DEAD = Lock(pid=100, user="ann", host="here", since="2026-01-01T00:00:00Z")


def _lock(folder: Path, stack: str, text: str) -> Path:
    path = folder / ".pulumi" / "locks" / "organization" / "pgbouncer" / stack / "1234.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_a_lock_file_says_who_holds_the_stack_since_when(tmp_path: Path) -> None:
    _lock(tmp_path, "dev", '{"pid":8967,"username":"ann","hostname":"vm","timestamp":"2026-01-02T03:04:05Z"}')
    assert locks(f"file://{tmp_path}", "dev") == [Lock(8967, "ann", "vm", "2026-01-02T03:04:05Z")]


def test_the_lock_of_another_stack_does_not_count(tmp_path: Path) -> None:
    _lock(tmp_path, "prod", '{"pid":1,"username":"ann","hostname":"vm","timestamp":"now"}')
    assert locks(f"file://{tmp_path}", "dev") == []


def test_backends_other_than_files_have_no_lock_of_ours() -> None:
    assert locks("s3://bucket", "dev") == []


@pytest.mark.parametrize("text", ["", "{}", '{"pid": "many"}', "[1"])
def test_a_lock_that_is_being_written_is_no_lock(tmp_path: Path, text: str) -> None:
    assert read_lock(_lock(tmp_path, "dev", text)) is None


def test_a_lock_whose_process_has_died_here_may_be_cleared() -> None:
    assert living([DEAD], "here", lambda _: False) is None


def test_a_lock_whose_process_runs_may_not_be_cleared() -> None:
    assert living([DEAD], "here", lambda pid: pid == 100) == DEAD


def test_a_lock_from_another_host_may_not_be_cleared() -> None:
    assert living([DEAD], "elsewhere", lambda _: False) == DEAD


@pytest.mark.parametrize(
    ("stat", "lives"),
    [
        ("42 (pulumi) S 1 42 42 0", True),
        ("42 (pulumi) Z 1 42 42 0", False),
        ("42 (postgres) S 1 42 42 0", False),
        ("42 (odd) name) S 1 42 42 0", False),
    ],
)
def test_a_zombie_or_another_program_with_the_same_number_holds_no_lock(stat: str, lives: bool) -> None:
    assert is_living_pulumi(stat) is lives


def test_containers_that_the_state_knows_are_no_orphans() -> None:
    assert unknown(["a", "b", "c"], {"b"}) == ["a", "c"]


def _state(*resources: dict[str, object]) -> dict[str, object]:
    return {"deployment": {"resources": list(resources)}}


def test_a_container_that_waits_for_its_deletion_still_belongs_to_the_state() -> None:
    state = _state(
        {"type": CONTAINER, "id": "new", "urn": "u::pooler"},
        {"type": CONTAINER, "id": "old", "urn": "u::pooler", "delete": True},
        {"type": "docker:index/volume:Volume", "id": "volume", "urn": "u::volume"},
    )
    assert ids(state, CONTAINER) == {"new", "old"}


def test_only_one_shot_jobs_with_a_non_zero_exit_code_run_again() -> None:
    job = {"type": CONTAINER, "inputs": {"mustRun": False}}
    state = _state(
        {**job, "urn": "u::failed", "outputs": {"exitCode": 1}},
        {**job, "urn": "u::passed", "outputs": {"exitCode": 0}},
        {**job, "urn": "u::unknown", "outputs": {}},
        {**job, "urn": "u::old", "outputs": {"exitCode": 1}, "delete": True},
        {"type": CONTAINER, "inputs": {"mustRun": True}, "urn": "u::pooler", "outputs": {"exitCode": 137}},
        {"type": "random:index:X", "urn": "u::x"},
    )
    assert failed_jobs(state) == ["u::failed"]


def test_a_stack_that_was_never_made_has_no_failed_jobs() -> None:
    assert failed_jobs(None) == []


def test_interrupted_operations_are_named_by_their_resource() -> None:
    operation = {"type": "creating", "resource": {"urn": "urn:pulumi:dev::pgbouncer::T::pgbouncer-pooler"}}
    assert pending({"deployment": {"pending_operations": [operation, operation]}}) == ["pgbouncer-pooler"]


def test_an_update_that_was_not_interrupted_has_nothing_pending() -> None:
    assert pending({"deployment": {"pending_operations": None}}) == []


@pytest.mark.parametrize(
    ("labels", "stack"),
    [('{"pgbouncer-stack.stack": "test-a"}', "test-a"), ('{"other": "x"}', ""), ("null", "")],
)
def test_the_stack_of_a_volume_is_read_from_its_label(labels: str, stack: str) -> None:
    assert stack_label(labels) == stack
