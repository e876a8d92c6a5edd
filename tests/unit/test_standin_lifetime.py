"""A plugin must not outlive an engine that was killed."""

from __future__ import annotations

import socket

import pytest
from standin.lifetime import engine_address, wait_for_the_end


def _free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.timeout(10)
def test_a_plugin_ends_when_its_engine_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)  # ^C must go on stopping the tests
    wait_for_the_end(_free_address(), look_seconds=0.01)


def test_the_engine_is_the_last_argument() -> None:
    assert engine_address(["-root", "/project", "127.0.0.1:40000"]) == "127.0.0.1:40000"


def test_a_plugin_that_was_started_by_hand_has_no_engine() -> None:
    assert engine_address([]) is None
