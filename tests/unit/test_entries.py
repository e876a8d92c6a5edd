"""How max_backends is divided; every number by hand."""

from __future__ import annotations

import pytest

from components.entries import Entries, Entry, divide
from components.settings import SettingsError
from tests.unit.stacks import settings


def divided(**changes: object) -> Entries:
    return divide(settings(**changes))


def entry(found: Entries, name: str) -> Entry:
    return {item.name: item for item in found.entries}[name]


def refused(**changes: object) -> str:
    with pytest.raises(SettingsError) as caught:
        divided(**changes)
    return str(caught.value)


def test_without_sizes_the_lanes_take_all_but_two() -> None:
    # 25 - 2 kept back - 2 for lookups - 3 for the session lane
    assert divided().entries == (
        Entry("app", "transaction", 18, 18),
        Entry("app_session", "session", 3, 3),
        Entry("pgbouncer_auth", "transaction", 2, 2),
    )


def test_a_service_on_the_direct_lane_takes_no_share() -> None:
    found = divided(services={"a": {"route": "transaction"}, "b": {"route": "direct"}})
    assert entry(found, "app").pool_size == 18


def test_a_service_on_the_session_lane_takes_no_share_of_the_transaction_lane() -> None:
    found = divided(services={"a": {"route": "transaction"}, "b": {"route": "session"}})
    assert entry(found, "app").pool_size == 18


def test_users_on_the_transaction_lane_share_what_is_left_evenly() -> None:
    found = divided(services={name: {"route": "transaction"} for name in ("a", "b", "c", "d")})
    assert entry(found, "app").pool_size == 4  # 18 by 4, rounded down


def test_two_services_of_one_user_take_one_share() -> None:
    services = {
        "a": {"user": "x", "route": "transaction"},
        "b": {"user": "x", "route": "transaction"},
        "c": {"route": "transaction"},
    }
    assert entry(divided(services=services), "app").pool_size == 9


def test_a_service_with_a_size_gets_an_entry_of_its_own() -> None:
    services = {"web": {"user": "app_rw", "pool_size": 5}, "bi": {"route": "transaction"}}
    found = divided(services=services)
    assert (entry(found, "web"), entry(found, "app")) == (
        Entry("web", "transaction", 5, 5),
        Entry("app", "transaction", 13, 13),
    )


def test_a_service_that_shares_its_user_gets_an_entry_of_its_own() -> None:
    services = {"web": {"user": "x", "pool_size": 5}, "worker": {"user": "x"}}
    assert entry(divided(services=services), "web") == Entry("web", "transaction", 5, 5)


def test_an_entry_of_its_own_leaves_less_for_the_shared_one() -> None:
    services = {"web": {"user": "x", "pool_size": 5}, "worker": {"user": "x"}}
    assert entry(divided(services=services), "app").max_db_connections == 13


def test_two_sized_services_of_one_user_get_two_entries() -> None:
    services = {"web": {"user": "x", "pool_size": 5}, "worker": {"user": "x", "pool_size": 4}}
    assert divided(services=services).own == {"web": "web", "worker": "worker"}


def test_caps_of_all_entries_and_what_is_kept_back_make_up_max_backends() -> None:
    services = {
        "web": {"user": "x", "route": "transaction", "pool_size": 5},
        "worker": {"user": "x", "route": "session"},
        "api": {"user": "ü", "pool_size": 2},
        "bi": {"route": "transaction", "pool_size": 3},
        "etl": {"route": "transaction"},
    }
    found = divided(max_backends="31", session_backends="4", services=services)
    assert sum(item.max_db_connections for item in found.entries) + 2 == 31


def test_the_smallest_cap_is_eight() -> None:
    assert entry(divided(max_backends="8"), "app").max_db_connections == 1


def test_sizes_that_leave_one_for_the_shared_entry_are_accepted() -> None:
    found = divided(services={"a": {"pool_size": 10}, "b": {"pool_size": 7}})
    assert entry(found, "app").max_db_connections == 1


def test_sizes_one_over_the_cap_are_refused_with_the_change_that_fits() -> None:
    assert refused(services={"a": {"pool_size": 10}, "b": {"pool_size": 8}}) == (
        "max_backends: 25 is less than the pools need (26: 2 for lookups, 2 kept back, 3 session lane, 10 a, 8 b, "
        "1 the shared entry); "
        "lower services.*.pool_size or session_backends by 1, or raise max_backends to 26"
    )


def test_users_without_a_size_need_one_backend_each() -> None:
    services = {"a": {"pool_size": 17}, "b": {"route": "transaction"}, "c": {"route": "transaction"}}
    assert refused(services=services) == (
        "max_backends: 25 is less than the pools need (26: 2 for lookups, 2 kept back, 3 session lane, 17 a, "
        "1 for each of 2 other users); "
        "lower services.*.pool_size or session_backends by 1, or raise max_backends to 26"
    )


def test_a_size_above_the_cap_is_refused_by_its_own_key() -> None:
    assert refused(services={"webhook_receiver": {"pool_size": 30}}) == (
        "services.webhook_receiver.pool_size: 30 is more than max_backends (25); "
        "lower it, or raise max_backends within max_connections"
    )


def test_a_session_lane_as_large_as_the_cap_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"^max_backends: 25 is less than the pools need \(30: "):
        divided(session_backends="25")


# --- further databases

BILLING = {"billing": {"dbname": "billing_db", "backends": 6, "session_backends": 2}}


def test_a_further_database_has_both_lanes_inside_the_same_cap() -> None:
    found = divided(databases=BILLING)
    assert (entry(found, "billing"), entry(found, "billing_session"), entry(found, "app")) == (
        Entry("billing", "transaction", 6, 6, "billing_db"),
        Entry("billing_session", "session", 2, 2, "billing_db"),
        Entry("app", "transaction", 10, 10),
    )


def test_a_further_database_without_session_backends_has_no_session_entry() -> None:
    found = divided(databases={"billing": {"backends": 6}})
    assert "billing_session" not in {item.name for item in found.entries}


def test_users_of_a_further_database_share_its_backends() -> None:
    services = {n: {"route": "transaction", "database": "billing"} for n in ("a", "b")}
    found = divided(databases=BILLING, services=services)
    assert (entry(found, "billing").pool_size, entry(found, "app").pool_size) == (3, 10)


def test_more_users_than_backends_of_a_further_database_are_refused() -> None:
    services = {n: {"route": "transaction", "database": "billing"} for n in ("a", "b")}
    assert refused(databases={"billing": {"backends": 1}}, services=services) == (
        "databases.billing.backends: 1 is less than one for each of the 2 users on its transaction lane; raise it to 2"
    )


def test_a_further_database_that_does_not_fit_is_refused_with_the_change_that_fits() -> None:
    assert refused(databases={"billing": {"backends": 18}}) == (
        "max_backends: 25 is less than the pools need (26: 2 for lookups, 2 kept back, 3 session lane, "
        "18 databases.billing, 1 the shared entry); lower services.*.pool_size or session_backends or databases.* "
        "by 1, or raise max_backends to 26"
    )


def test_an_own_entry_leads_to_the_database_of_its_service() -> None:
    services = {"web": {"database": "billing", "pool_size": 2, "query_wait_timeout": 4, "max_clients": 9}}
    found = divided(databases=BILLING, services=services)
    assert entry(found, "web") == Entry("web", "transaction", 2, 2, "billing_db", 4, 9)
