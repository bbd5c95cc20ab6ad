"""A strategy's progress on a real Postgres: the same trades as on SQLite, also when the process ends in between."""

from collections.abc import Iterator

import pytest

from services.kit.database import Database
from tests.kit.conftest import postgres_server as postgres_server  # noqa: PLC0414 -- a fixture, used by its name
from tests.kit.conftest import postgres_url as postgres_url  # noqa: PLC0414 -- the same
from tests.trading.desk.support import VERSIONS
from tests.trading.engine.support import A, World, bar, trend

pytestmark = [pytest.mark.needs("initdb", "postgres")]

_PRICES = [110, 108, 106, 104, 102, 100, 104, 108, 112, 106, 100, 94]


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Database]:
    database = Database(postgres_url, service="engine", versions=(VERSIONS,), connections=6)
    database.migrate()
    yield database
    database.close()


def test_a_strategy_trades_and_goes_on_after_an_end_at_each_of_its_statements(postgres: Database) -> None:
    world = World(postgres, trend())
    for day, price in enumerate(_PRICES):
        world.trade([bar(A, day, price)])
        world.fuse.left = day
        world.hear([bar(A, day, price)])
        world.fuse.left = None
        world.hear(())

    assert [(side, int(shares)) for _, side, shares in world.sent] == [("buy", 92), ("sell", 92)]
    assert world.crashes > 3
    assert world.outcomes() == [(A, "entry", "sent"), (A, "close", "sent")]
