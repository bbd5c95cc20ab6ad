"""A venue for each test that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.conftest import postgres_server as postgres_server  # noqa: PLC0414 -- a fixture, used by its name
from tests.kit.conftest import postgres_url as postgres_url  # noqa: PLC0414 -- the same
from tests.venue.broker.serving import ServedVenue, serving


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[ServedVenue]:
    """Trades at once at the last price: AAPL at 100, MSFT at 200; 100,000 dollars."""
    with serving(tmp_path) as served:
        yield served
