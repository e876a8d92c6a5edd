"""Text of others in our Markdown, rendered by a Markdown parser: it stays text, and nobody is mentioned."""

from __future__ import annotations

import html
import re

import pytest
from markdown_it import MarkdownIt

from review.escape import cell, code, fenced, prose

NASTY = [
    "`",
    "``a`b``",
    "a|b",
    "a\\|b",
    "\\",
    "*bold* __bold__ _it_",
    "<script>alert(1)</script>",
    "</details>",
    "<!-- pgbouncer-stack preview of prod -->",
    "[link](https://example.org)",
    "![](https://example.org/pixel.png)",
    "&amp;",
    "@everybody #12 GH-12",
    "~~gone~~",
    "odd@:/?#%'\" \\ü",
]


def rendered(markdown: str) -> str:
    return str(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown))


@pytest.mark.parametrize("text", NASTY)
def test_code_shows_the_text_as_it_is(text: str) -> None:
    found = re.fullmatch(r"<p>x <code>(.*)</code> y</p>\n", rendered(f"x {code(text)} y"))
    assert found is not None
    assert html.unescape(found[1]) == text


@pytest.mark.parametrize("text", NASTY)
def test_a_cell_is_one_cell_and_shows_the_text_as_it_is(text: str) -> None:
    found = re.findall(r"<td>(.*?)</td>", rendered(f"| a | b |\n|---|---|\n| {cell(text)} | y |\n"))
    assert [html.unescape(re.sub(r"</?code>", "", one)) for one in found] == [text, "y"]


@pytest.mark.parametrize("text", NASTY)
def test_prose_shows_the_text_and_is_no_markup(text: str) -> None:
    found = re.fullmatch(r"<p>x (.*) y</p>\n", rendered(f"x {prose(text)} y"))
    assert found is not None
    assert "<" not in found[1]
    assert html.unescape(found[1]).replace("\u200b", "") == text


@pytest.mark.parametrize(
    "text", ["@team", "by @a-b", "#12", "GH-12", "gh-12", "https://example.org", "www.example.org"]
)
def test_prose_mentions_and_links_nothing(text: str) -> None:
    shown = html.unescape(rendered(prose(text)))
    assert not re.search(r"@\w|#\d|(?i:gh-\d|https?://|www\.\w)", shown)


def test_prose_leaves_names_with_underscores_readable() -> None:
    assert prose("services.web.direct_connections: 10 (a-b)") == "services.web.direct_connections: 10 (a-b)"


def test_line_breaks_end_neither_a_code_span_nor_a_sentence() -> None:
    assert (code("a\n\nb"), prose("a\r\n# b")) == ("`a b`", "a # b")


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_an_empty_text_is_said_to_be_empty(text: str) -> None:
    assert code(text) == "(empty)"


def test_a_fence_is_longer_than_any_inside() -> None:
    assert fenced("a\n````\nb", "diff") == "`````diff\na\n````\nb\n`````\n"


def test_a_fence_shows_markup_as_text() -> None:
    text = "</details>\n```\n<img src=x>\n~~~\n"
    assert html.unescape(rendered(fenced(text))) == f"<pre><code>{text}</code></pre>\n"
