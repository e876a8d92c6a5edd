"""Reading a preview: which resources change, why, and what went wrong."""

from __future__ import annotations

import pytest

from review.plan import Change, Kind, PlanError, read
from tests.unit.plans import LOOKUP, POOLER, RELOAD, document, step


def test_what_stays_the_same_is_no_change() -> None:
    assert read(document(step("same", POOLER, "pgbouncer-pooler"))).changes == ()


def test_a_replaced_resource_names_the_inputs_that_differ_at_their_top_level_only() -> None:
    assert read(document(RELOAD[0])).changes == (
        Change(Kind.REPLACE, POOLER, "pgbouncer-write", ("command", "uploads")),
    )


@pytest.mark.parametrize("order", [("create-replacement", "replace", "delete-replaced"), ("replace",)])
def test_a_replacement_is_one_change_however_many_steps_it_takes(order: tuple[str, ...]) -> None:
    found = read(document(*(step(operation, POOLER, "pgbouncer-pooler") for operation in order)))
    assert [change.kind for change in found.changes] == [Kind.REPLACE]


def test_a_created_resource_needs_no_reason() -> None:
    found = read(document(step("create", f"{LOOKUP}role:Role", "pgbouncer-role-b", "password")))
    assert found.changes == (Change(Kind.CREATE, f"{LOOKUP}role:Role", "pgbouncer-role-b"),)


def test_the_order_does_not_depend_on_that_of_the_preview() -> None:
    assert read(document(*RELOAD)) == read(document(*reversed(RELOAD)))


@pytest.mark.parametrize("kind", ["pulumi:pulumi:Stack", "pgbouncer:pooler:Pooler"])
def test_what_only_groups_others_is_no_change(kind: str) -> None:
    assert read(document(step("create", kind, "pgbouncer"))).changes == ()


def test_a_name_may_hold_what_separates_the_parts_of_a_urn() -> None:
    found = read(document(step("create", f"{LOOKUP}grantRole:GrantRole", "pgbouncer-services-a::b")))
    assert found.changes[0].name == "pgbouncer-services-a::b"


def test_nothing_of_a_state_is_read() -> None:
    assert "sentinel" not in repr(read(document(*RELOAD)))


def test_an_unknown_operation_is_an_error_rather_than_left_out() -> None:
    with pytest.raises(PlanError, match="does not know: teleport"):
        read(document(step("teleport", POOLER, "pgbouncer-pooler")))


@pytest.mark.parametrize("text", ["", "error: no", "[]"])
def test_what_is_no_plan_is_an_error(text: str) -> None:
    with pytest.raises(PlanError, match="printed no JSON"):
        read(text)


def test_errors_are_the_lines_that_the_program_wrote_without_its_warnings_and_colours() -> None:
    found = read(
        document(
            diagnostics=[
                {"message": "warning: superusers: postgres\n\n", "severity": "info#err"},
                {
                    "message": "error: the stack's configuration cannot be deployed:\n\n",
                    "severity": "info#err",
                },
                {"message": "max_backends: 500 does not fit\n\n", "severity": "info#err"},
                {"message": "<{%fg 1%}>error: <{%reset%}>no engine\n", "severity": "error"},
                {"message": "progress\n", "severity": "info"},
            ]
        )
    )
    assert found.errors == (
        "error: the stack's configuration cannot be deployed:",
        "max_backends: 500 does not fit",
        "error: no engine",
    )
