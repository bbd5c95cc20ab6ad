"""The portfolio's tables, on SQLite and on Postgres."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import services.trading.migrations.versions as home
from services.kit.database import Database
from tests.kit.conftest import postgres_server as postgres_server  # noqa: PLC0414 -- a fixture, used by its name

VERSIONS = Path(str(home.__file__)).parent


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("initdb", "postgres"))])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/trading.db"
    if request.param == "postgresql":
        url = f"{request.getfixturevalue('postgres_server')}/postgres"
    # A schema for each test: the server is shared.
    opened = Database(url, service=f"trading_{abs(hash(str(tmp_path))):x}", versions=(VERSIONS,))
    opened.migrate()
    yield opened
    opened.close()
