"""Views that are drawn again and again, and text that fits."""

from __future__ import annotations

import io

import pytest
from rich.console import Console, RenderableType

from toolchain.problem import Problem
from views import live
from views.wrapped import fitted, section


def followed(*answers: RenderableType | Exception, terminal: bool = False) -> str:
    """What was drawn of these answers until ^C."""
    left = iter(answers)

    def render() -> RenderableType:
        answer = next(left, None)
        if answer is None:
            raise KeyboardInterrupt
        if isinstance(answer, Exception):
            raise answer
        return answer

    console = Console(file=io.StringIO(), force_terminal=terminal, width=80, highlight=False)
    with pytest.raises(KeyboardInterrupt):
        live.follow(render, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture(autouse=True)
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "REFRESH_SECONDS", 0)


def test_looks_follow_each_other_where_there_is_no_terminal() -> None:
    assert followed("one", "two") == "one\ntwo\n"


def test_what_cannot_be_answered_is_shown_and_asked_again() -> None:
    assert followed(Problem("no Postgres reached"), "two") == "! no Postgres reached\ntwo\n"


def test_a_terminal_gets_its_own_screen_and_has_the_old_one_back_after_ctrl_c() -> None:
    drawn = followed("one", terminal=True)
    assert (drawn.count("\x1b[?1049h"), drawn.count("\x1b[?1049l"), "one" in drawn) == (1, 1, True)


def test_a_table_that_fits_stays_as_it_is() -> None:
    assert fitted(("NAME", "N"), [("web", "1")], names=[0]) == "NAME  N\nweb   1"


def test_names_give_way_in_a_table_that_does_not_fit() -> None:
    assert fitted(("NAME", "N"), [("webhook_receiver", "1234")], names=[0], columns=16) == (
        "NAME        N\nwebhook_r…  1234"
    )


def test_the_longer_of_two_names_gives_way_first() -> None:
    assert fitted(("ROLE", "N"), [("abcdefghijklmnop", "abcdefgh")], names=[0, 1], columns=20) == (
        "ROLE        N\nabcdefghi…  abcdefgh"
    )


def test_a_section_wraps_below_its_title() -> None:
    assert section("Why", ["word " * 17]) == (
        "Why:\n  word word word word word word word word word word word word word word word\n    word word"
    )
