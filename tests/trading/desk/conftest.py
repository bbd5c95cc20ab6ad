"""Fixtures of the desk's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.kit.database import Database
from tests.trading.desk.support import VERSIONS, DeskHouse
from tests.venue.broker.conftest import venue as venue  # noqa: PLC0414 -- a fixture, used by its name


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'trading.db'}", service="trading", versions=(VERSIONS,))
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def house(database: Database) -> DeskHouse:
    """A desk that is ready, at two venues."""
    return DeskHouse(database).start()
