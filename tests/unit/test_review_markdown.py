"""The comment where names are hostile or many."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from review.facts import Facts
from review.markdown import of_failure, of_update
from review.plan import Change, Kind, Plan
from review.words import Update
from tests.unit.plans import LOOKUP, POOLER
from tests.unit.stacks import settings

HOSTILE = "x` | @team </details> <img src=x> **b** ``` \\"
QUIET = Update(Plan(()), Facts(), Facts(), settings())


def hostile(text: str) -> Update:
    """The text wherever a user can put it: in names of roles, in values and in the ini."""
    old = Facts(
        routes={"web": "direct"}, budget=f"direct: {text}      1\nsum  1", ini=text, reloadable={text: text}
    )
    plan = Plan((Change(Kind.CREATE, f"{LOOKUP}grantRole:GrantRole", f"pgbouncer-services-{text}"),))
    return Update(plan, old, replace(old, ini=f"{text}\n{text}", reloadable={text: "2"}), settings())


def test_hostile_names_leave_the_structure_of_the_page_alone() -> None:
    def structure(text: str) -> list[str]:
        tokens = (
            MarkdownIt("commonmark").enable("table").parse(of_update("prod", hostile(text), [f"a {text}"]))
        )
        inline = [child.type for token in tokens for child in token.children or [] if child.type != "text"]
        return [token.type for token in tokens] + inline

    tame = [kind for kind in structure("plain") if kind not in ("text_special", "html_inline")]
    # A value with a pipe is a <code> element of our own in place of a code span.
    wild = [kind for kind in structure(HOSTILE) if kind not in ("text_special", "html_inline", "code_inline")]
    assert wild == [kind for kind in tame if kind != "code_inline"]


def test_hostile_names_bring_no_element_of_their_own() -> None:
    page = MarkdownIt("commonmark").enable("table").render(of_update("prod", hostile(HOSTILE), [HOSTILE]))
    assert "<img" not in page
    assert page.count("<details>") == page.count("</details>") == 2


def many(number: int) -> Update:
    """As many roles, services, settings and lines, each with a name of its own."""
    names = [f"service_with_a_long_name_{index:05}" for index in range(number)]
    old = Facts(routes={"web": "direct"}, ini="[databases]\n")
    new = replace(
        old,
        routes=dict.fromkeys(names, "direct"),
        reloadable=dict.fromkeys(names, "1"),
        budget="".join(f"direct: {name}  1\n" for name in names) + "sum  1\nmax_connections  100\n",
        ini="[databases]\n" + "".join(f"{name} = host=x pool_size=1\n" for name in names),
    )
    plan = Plan(tuple(Change(Kind.CREATE, POOLER, name) for name in names))
    return Update(plan, old, new, settings())


@pytest.mark.parametrize("number", [10, 200, 700, 3000])
def test_a_comment_is_never_longer_than_the_limit(number: int) -> None:
    assert len(of_update("prod", many(number), ["a warning"] * number)) <= 64_512


@pytest.mark.parametrize("limit", range(1_000, 12_000, 499))
def test_wherever_it_is_cut_fences_and_details_are_closed(limit: int) -> None:
    page = of_update("prod", many(100), ["a warning"], limit=limit)
    assert len(page) <= limit
    assert page.count("<details>") == page.count("</details>")
    assert page.count("```") % 2 == 0


def test_what_is_cut_is_counted() -> None:
    page = of_failure("prod", "an error\n" * 100, [], limit=600)
    cut = re.search(r"\n_(\d+) more lines are left out: the comment would be too long\._\n", page)
    assert cut is not None
    assert 1 < page.count("an error\n") == 100 - int(cut[1])


def test_words_and_warnings_outlive_the_diff() -> None:
    page = of_update("prod", many(300), ["mind the gap"], limit=40_000)
    assert "- `service_with_a_long_name_00299` is new" in page
    assert "> - mind the gap" in page


def test_a_long_error_is_cut_too() -> None:
    page = of_failure("prod", "an error of forty characters and no more\n" * 5_000, [])
    assert len(page) <= 64_512
    assert page.endswith("more lines are left out: the comment would be too long._\n")


def test_an_error_with_backticks_stays_in_its_fence() -> None:
    assert of_failure("prod", "a\n```\nb", []).endswith("\n````\na\n```\nb\n````\n")


def test_an_overcommitted_budget_says_by_how_much() -> None:
    over = replace(QUIET, after=Facts(budget="direct: web  101\nsum  101\nmax_connections  100  over by 1"))
    assert "\n**Over by 1 connections.**\n" in of_update("prod", over, [])
