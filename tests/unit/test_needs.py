"""A route that cannot give what a service needs is refused with the lanes that can."""

from __future__ import annotations

import pytest

from components.needs import WHY, Need
from tests.unit.stacks import refusal, settings

EVERY_NEED = (
    "listen",
    "advisory_lock",
    "temp_table",
    "with_hold",
    "set",
    "sql_prepare",
    "load",
    "startup_options",
)
ON_SESSION = EVERY_NEED[:-1]


def service(route: str, *needs: str, **more: object) -> dict[str, object]:
    return {"web": {"route": route, "needs": needs, **more}}


def test_these_are_all_the_needs() -> None:
    assert tuple(Need) == EVERY_NEED


@pytest.mark.parametrize("need", EVERY_NEED)
def test_every_need_has_a_reason(need: str) -> None:
    assert WHY[Need(need)]


@pytest.mark.parametrize("need", EVERY_NEED)
def test_the_transaction_lane_gives_no_session_feature(need: str) -> None:
    said = refusal(services=service("transaction", need))
    assert said.startswith(f"services.web.route: transaction cannot give {need} (")


@pytest.mark.parametrize("need", ON_SESSION)
def test_the_session_lane_gives_what_a_backend_of_its_own_gives(need: str) -> None:
    assert settings(services=service("session", need)).services["web"].needs == (need,)


@pytest.mark.parametrize("need", EVERY_NEED)
def test_the_direct_lane_gives_everything(need: str) -> None:
    assert settings(services=service("direct", need)).services["web"].needs == (need,)


def test_a_listening_worker_on_the_transaction_lane_is_one_clear_line() -> None:
    assert refusal(services=service("transaction", "listen")) == (
        "services.web.route: transaction cannot give listen (a notification comes to the backend that ran LISTEN, "
        "not to the client); use session or direct"
    )


def test_several_needs_are_one_line_in_the_order_of_the_documentation() -> None:
    assert refusal(services=service("transaction", "set", "temp_table")) == (
        "services.web.route: transaction cannot give temp_table (a temporary table stays with the backend); "
        "set (a SET that PgBouncer does not track stays with the backend, for whoever gets it next); "
        "use session or direct"
    )


def test_startup_options_leave_the_direct_lane_only() -> None:
    assert refusal(services=service("session", "startup_options", "listen")) == (
        "services.web.route: session cannot give startup_options (PgBouncer drops options= at connect; "
        "read_only and the timeouts of a service replace it); use direct"
    )


def test_a_session_lane_that_the_database_does_not_have_is_not_offered() -> None:
    said = refusal(
        databases={"billing": {"backends": 2}}, services=service("transaction", "listen", database="billing")
    )
    assert said.endswith("; use direct")


def test_a_session_lane_that_the_further_database_has_is_offered() -> None:
    said = refusal(
        databases={"billing": {"backends": 2, "session_backends": 1}},
        services=service("transaction", "listen", database="billing"),
    )
    assert said.endswith("; use session or direct")


def test_an_unknown_need_is_refused_with_the_known_ones() -> None:
    assert refusal(services=service("direct", "listen", "lissten")) == (
        'services.web.needs.1: "lissten" is not known; use listen, advisory_lock, temp_table, with_hold, set, '
        "sql_prepare, load or startup_options"
    )


def test_a_need_that_is_no_list_is_refused_with_the_list_to_write() -> None:
    assert refusal(services={"web": {"needs": "listen"}}) == (
        'services.web.needs: "listen" is not a list; write it like ["listen"]'
    )


def test_an_unknown_database_is_said_once() -> None:
    said = refusal(services=service("transaction", "listen", database="nowhere", driver="prisma"))
    assert said.splitlines()[0].startswith('services.web.database: "nowhere" is not in databases')
    assert len(said.splitlines()) == 2
