"""Secrets in the words of others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.verification import READ_BY_ITS_GROUP
from review.redact import PLAIN_FILE, Secrets

NASTY = "p@ss'w\"ord\\ü/%"
CONFIG = {
    "pgbouncer:admin_password": {"value": NASTY, "secret": True},
    "pgbouncer:passwords": {
        "value": '{"web": "battery-staple"}',
        "objectValue": {"web": "battery-staple", "worker": "worker"},
        "secret": True,
    },
    "pgbouncer:services": {
        "value": '{"worker": {}}',
        "objectValue": {"worker": {"user": "worker"}},
        "secret": False,
    },
}
STATE = {
    "deployment": {
        "resources": [
            {
                "outputs": {
                    "result": {
                        "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
                        "plaintext": json.dumps("generated-48-characters"),
                    },
                    "uploads": {
                        "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
                        "plaintext": json.dumps(
                            [
                                {"content": "a line with it\n", "permissions": "0400"},
                                {"content": "[databases]\n", "permissions": "0440"},
                            ]
                        ),
                    },
                }
            }
        ]
    }
}


def hidden(text: str, config: dict[str, Any] | None = None) -> str:
    return Secrets.of(CONFIG if config is None else config, STATE).hide(text)


@pytest.mark.parametrize(
    "text",
    [
        f"password {NASTY} is wrong",
        "postgresql://u:p%40ss%27w%22ord%5C%C3%BC%2F%25@db/x is wrong",
        f"{json.dumps(NASTY)} is wrong",
        f"{NASTY!r} is wrong",
        "ALTER ROLE x PASSWORD 'p@ss''w\"ord\\ü/%'",
        "battery-staple",
        "generated-48-characters",
        "a line with it\n",
    ],
    ids=[
        "as it is",
        "in a DSN",
        "in JSON",
        "as Python shows it",
        "in SQL",
        "of a user",
        "generated",
        "an upload",
    ],
)
def test_a_secret_is_hidden_in_every_spelling(text: str) -> None:
    found = hidden(text)
    assert "[secret]" in found
    assert not any(part in found for part in ('w"ord', "w%22ord", "staple", "48", "line with"))


def test_other_text_stays() -> None:
    assert hidden("mode 0400 of web and worker") == "mode 0400 of web and worker"


def test_a_plain_file_beside_one_with_a_secret_stays() -> None:
    assert hidden("[databases]\n") == "[databases]\n"


def test_plain_files_beside_secret_ones_are_known_by_the_mode_that_the_job_gives_them() -> None:
    assert PLAIN_FILE == READ_BY_ITS_GROUP


def test_a_password_that_is_a_plain_word_of_the_configuration_is_not_told_by_hiding_it() -> None:
    assert hidden("worker moves") == "worker moves"


def test_a_short_secret_of_the_configuration_counts_too() -> None:
    assert (
        hidden("it is x1", {"pgbouncer:admin_password": {"value": "x1", "secret": True}}) == "it is [secret]"
    )


def test_the_longer_secret_is_hidden_first() -> None:
    both = {"a": {"value": "abcd", "secret": True}, "b": {"value": "abcdefgh", "secret": True}}
    assert hidden("abcdefgh abcd", both) == "[secret] [secret]"


def test_an_empty_secret_hides_nothing() -> None:
    assert hidden("a b", {"a": {"value": "", "secret": True}}) == "a b"


def test_a_repr_shows_no_secret() -> None:
    assert "staple" not in repr(Secrets.of(CONFIG, STATE))
