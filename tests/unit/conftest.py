"""Fixtures of the unit tests."""

from __future__ import annotations

import pytest

from tests.unit.engine import Engine


@pytest.fixture
def engine() -> Engine:
    """An engine on which every job succeeds."""
    return Engine()
