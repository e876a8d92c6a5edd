"""The hidden marker by which a comment is found again."""

from __future__ import annotations

import pytest

from review.comment import Marker, same
from review.publish import drift_report
from toolchain.problem import Problem

MARKER = Marker("preview", "prod")
LINE = "<!-- pgbouncer-stack preview of prod -->"


def test_the_marker_is_an_html_comment_in_the_first_line() -> None:
    assert MARKER.on("## text") == f"{LINE}\n## text"


@pytest.mark.parametrize("body", [f"{LINE}\ntext", f"{LINE}\r\ntext", LINE])
def test_a_comment_that_begins_with_it_carries_it(body: str) -> None:
    assert MARKER.is_on(body)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "text",
        f"> {LINE}\n> text",
        f"text\n{LINE}",
        f" {LINE}",
        "<!-- pgbouncer-stack preview of prod-2 -->\n",
        "<!-- pgbouncer-stack preview of team/pgbouncer/prod -->\n",
        "<!-- pgbouncer-stack drift of prod -->\n",
    ],
)
def test_a_quotation_another_stack_and_another_purpose_do_not(body: str) -> None:
    assert not MARKER.is_on(body)


@pytest.mark.parametrize("stack", ["", "a b", "prod -->", "a\nb", "a/b/c/d"])
def test_what_is_no_name_of_a_stack_is_refused(stack: str) -> None:
    with pytest.raises(Problem, match="is not the name of a stack"):
        Marker("preview", stack)


@pytest.mark.parametrize("stack", ["prod", "team/prod", "team/pgbouncer/prod.eu-1"])
def test_every_name_that_pulumi_knows_is_taken(stack: str) -> None:
    assert stack in str(Marker("preview", stack))


def test_other_line_breaks_are_the_same_text() -> None:
    assert same("a\r\nb\r\n", "a\nb")


def test_the_drift_report_shows_what_the_check_said_as_it_is() -> None:
    assert drift_report("prod", "role x: gone\n``` @team\n") == (
        "What runs is not what stack `prod` declares. `make drift STACK=prod` shows it again, "
        "docs/runbook.md (*Changed by hand*) and docs/verify.md say how to put it back. "
        "This text is renewed every night; the issue is closed when the drift is gone.\n\n"
        "````\nrole x: gone\n``` @team\n````\n"
    )


def test_a_long_drift_report_is_cut_at_a_line() -> None:
    found = drift_report("prod", "a line\n" * 20_000)
    assert len(found) < 65_536
    assert found.endswith("a line\n… the rest is in the job's log\n```\n")
