"""Fixtures of the book's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from services.kit.database import Database
from tests.fakes.clock import FakeClock
from tests.kit.conftest import postgres_server as postgres_server  # noqa: PLC0414 -- a fixture, used by its name
from tests.kit.conftest import postgres_url as postgres_url  # noqa: PLC0414 -- the same
from tests.trading.orders.support import House, open_database

# How long an example takes says more about the machine's load than about the code.
settings.register_profile("orders", deadline=None)
settings.load_profile("orders")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "trading.db")
    yield opened
    opened.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def house(database: Database, clock: FakeClock) -> House:
    return House(database, clock)
