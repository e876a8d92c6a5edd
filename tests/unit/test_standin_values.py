"""Values on the wire, requests to Docker and statements to Postgres, without either."""

from __future__ import annotations

import io
import tarfile

import pytest
from standin import go_duration
from standin.docker_container_request import archive, creation
from standin.postgres_function import _parsed, _statement
from standin.postgres_role import _options
from standin.postgres_server import ServerConfig, identifier, literal
from standin.resource import Cancellation, PluginError
from standin.values import UNKNOWN, Secret, from_wire, to_wire

BODY = "SELECT 1"


def test_whole_numbers_come_back_as_integers() -> None:
    assert from_wire(to_wire({"port": 5432}))["port"] == 5432


def test_an_unknown_comes_back_as_unknown() -> None:
    assert from_wire(to_wire({"id": UNKNOWN}))["id"] is UNKNOWN


def test_a_secret_carries_the_mark_of_the_engine() -> None:
    assert to_wire({"result": Secret("x")})["result"]["4dabf18193072939515e22adb298388d"] == (
        "1b47061264138c4ac30d75fd1eb44270"
    )


def test_a_secret_is_unwrapped_when_it_is_read() -> None:
    assert from_wire(to_wire({"labels": [Secret("x")]})) == {"labels": ["x"]}


def test_a_secret_does_not_show_in_a_representation() -> None:
    assert "hunter2" not in repr(Secret("hunter2"))


def test_the_server_password_does_not_show_in_a_representation() -> None:
    assert "hunter2" not in repr(ServerConfig(password="hunter2"))


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [("0s", 0), ("5s", 5_000_000_000), ("1m30s", 90_000_000_000), ("500ms", 500_000_000)],
)
def test_a_duration_survives_the_way_there_and_back(text: str, nanoseconds: int) -> None:
    assert (go_duration.parse(text), go_duration.render(nanoseconds)) == (nanoseconds, text)


def test_an_upload_keeps_its_permissions() -> None:
    packed = archive({"file": "/etc/f", "content": "x", "permissions": "0400"})
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert tar.getmembers()[0].mode == 0o400


def test_an_upload_without_content_is_refused() -> None:
    with pytest.raises(PluginError, match="one of 'content'"):
        archive({"file": "/etc/f"})


def test_memory_is_given_in_mebibytes() -> None:
    assert creation({"image": "x", "memory": 64, "memorySwap": 128})["HostConfig"]["MemorySwap"] == 134217728


def test_an_empty_word_in_a_command_is_refused() -> None:
    with pytest.raises(PluginError, match="may not be empty"):
        creation({"image": "x", "command": ["sh", ""]})


def test_a_volume_is_bound_read_only_where_the_program_says_so() -> None:
    volume = {"containerPath": "/config", "volumeName": "config", "readOnly": True}
    assert creation({"image": "x", "volumes": [volume]})["HostConfig"]["Binds"] == ["config:/config:ro"]


def test_a_verifier_is_stored_as_it_is() -> None:
    assert "ENCRYPTED PASSWORD 'SCRAM-SHA-256$4096:a$b:c'" in _options(
        {"password": "SCRAM-SHA-256$4096:a$b:c"}
    )


def test_an_identifier_with_a_quote_is_escaped() -> None:
    assert identifier('a"b') == '"a""b"'


def test_a_string_with_a_quote_is_escaped() -> None:
    assert literal("a'b") == "'a''b'"


def test_a_function_is_written_with_its_table_result() -> None:
    inputs = {
        "name": "user_lookup",
        "schema": "pgbouncer",
        "args": [{"name": "i", "type": "text", "mode": "IN"}],
        "returns": "TABLE(uname text, phash text)",
        "language": "sql",
        "securityDefiner": True,
        "volatility": "STABLE",
        "body": BODY,
    }
    assert _statement("CREATE FUNCTION", inputs) == (
        'CREATE FUNCTION "pgbouncer"."user_lookup" (IN i text)\n'
        "RETURNS TABLE(uname text, phash text)\n"
        "LANGUAGE sql\n"
        "STABLE\n"
        "SECURITY DEFINER\n"
        "AS $function$SELECT 1$function$;"
    )


def test_a_function_is_read_from_its_definition() -> None:
    definition = (
        "CREATE OR REPLACE FUNCTION pgbouncer.user_lookup(i text)\n"
        " RETURNS TABLE(uname text, phash text)\n"
        " LANGUAGE sql\n"
        " STABLE SECURITY DEFINER\n"
        "AS $function$SELECT 1$function$\n"
    )
    assert _parsed(definition) == {
        "args": [{"default": "", "mode": "IN", "name": "i", "type": "text"}],
        "body": "SELECT 1",
        "language": "sql",
        "name": "user_lookup",
        "parallel": "UNSAFE",
        "returns": "TABLE(uname text, phash text)",
        "schema": "pgbouncer",
        "securityDefiner": True,
        "strict": False,
        "volatility": "STABLE",
    }


def test_a_wait_ends_when_the_update_is_cancelled() -> None:
    cancellation = Cancellation()
    deadline = cancellation.deadline(3600)
    cancellation.set()
    assert deadline.passed
