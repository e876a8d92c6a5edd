"""The connection budget; every sum by hand."""

from __future__ import annotations

import pytest

from components.budget import Budget, overcommitment, prove
from components.settings import SettingsError, load
from tests.unit.stacks import production, settings


def proved(**changes: object) -> Budget:
    return prove(settings(**changes))


def refused(**changes: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        proved(**changes)
    return str(caught.value).splitlines()


def test_the_total_is_pooler_twice_deployment_reserved_and_direct() -> None:
    assert proved().total == 67  # 2 x 25 + 4 + 3 + 10


def test_a_published_port_counts_the_pooler_once() -> None:
    assert proved(ports=["127.0.0.1:6432"]).total == 42  # 25 + 4 + 3 + 10


@pytest.mark.parametrize("route", ["transaction", "session"])
def test_a_service_behind_the_pooler_counts_no_connections_of_its_own(route: str) -> None:
    assert proved(services={"web": {"route": route, "direct_connections": 40}}).total == 57


def test_a_direct_service_without_connections_has_no_row() -> None:
    assert proved(services={"web": {"direct_connections": 0}}).direct == ()


def test_the_table_is_aligned_and_ends_with_the_verdict() -> None:
    assert proved().table() == (
        "pooler: max_backends 25 x 2 while an update overlaps     50\n"
        "this deployment during an update                          4\n"
        "reserved by the server                                    3\n"
        "direct: web                                              10\n"
        "sum                                                      67\n"
        "max_connections                                         100  fits"
    )


def test_the_production_table_shows_by_how_much_direct_connections_cross_the_limit() -> None:
    assert prove(load(production())).table() == (
        "pooler: max_backends 25 x 2 while an update overlaps     50\n"
        "this deployment during an update                          4\n"
        "reserved by the server                                    3\n"
        "direct: webhook_receiver                                 15\n"
        "direct: ingest_worker                                    15\n"
        "direct: dashboard_api                                    15\n"
        "direct: worker                                           10\n"
        "direct: cron                                              5\n"
        "direct: gateway                                          10\n"
        "direct: analytics_mcp                                     5\n"
        "direct: grafana                                          10\n"
        "direct: migrations                                        2\n"
        "sum                                                     144\n"
        "max_connections                                         100  over by 44"
    )


def test_direct_connections_that_reach_the_limit_fit() -> None:
    assert proved(services={"web": {"direct_connections": 43}}).overcommitted == 0


def test_direct_connections_one_over_the_limit_are_overcommitted() -> None:
    assert proved(services={"web": {"direct_connections": 44}}).overcommitted == 1


def test_the_overcommitment_names_the_route_that_frees_most() -> None:
    services = {"a": {"direct_connections": 20}, "b": {"direct_connections": 30}}
    assert overcommitment(proved(services=services)) == (
        "declared connections cross max_connections by 7 (107 of 100); "
        "the largest step down is services.b.route: transaction (-30)"
    )


def test_a_strict_budget_refuses_an_overcommitment_with_the_table() -> None:
    assert refused(budget="strict", services={"web": {"direct_connections": 44}}) == [
        "budget: strict, and declared connections cross max_connections by 1 (101 of 100); "
        "the largest step down is services.web.route: transaction (-44)",
        "pooler: max_backends 25 x 2 while an update overlaps     50",
        "this deployment during an update                          4",
        "reserved by the server                                    3",
        "direct: web                                              44",
        "sum                                                     101",
        "max_connections                                         100  over by 1",
    ]


def test_a_strict_budget_that_fits_is_accepted() -> None:
    assert proved(budget="strict", services={"web": {"direct_connections": 43}}).total == 100


def test_a_cap_that_fits_twice_exactly_is_accepted() -> None:
    assert proved(max_backends="46", max_connections="99", services={"web": {"route": "session"}}).total == 99


def test_a_cap_that_does_not_fit_twice_is_refused_with_the_change_that_fits_and_the_table() -> None:
    assert refused(max_backends="47") == [
        "max_backends: 47 does not fit into max_connections (100); "
        "lower max_backends to 46, or raise max_connections of the server to 101",
        "pooler: max_backends 47 x 2 while an update overlaps     94",
        "this deployment during an update                          4",
        "reserved by the server                                    3",
        "direct: web                                              10",
        "sum                                                     111",
        "max_connections                                         100  over by 11",
    ]


def test_a_cap_with_a_published_port_has_to_fit_once() -> None:
    assert refused(max_backends="94", ports=["127.0.0.1:6432"])[0] == (
        "max_backends: 94 does not fit into max_connections (100); "
        "lower max_backends to 93, or raise max_connections of the server to 101"
    )


def test_a_server_too_small_for_any_pooler_can_only_be_raised() -> None:
    assert refused(max_connections="8")[0] == (
        "max_backends: 25 does not fit into max_connections (8); raise max_connections of the server to 57"
    )
