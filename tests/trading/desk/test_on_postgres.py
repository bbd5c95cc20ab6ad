"""What depends on the database's locks, on a real Postgres too: there, unlike on SQLite, writers run side by side."""

import threading
from collections.abc import Iterator

import pytest

from services.contracts.orders import OrderStatus, TradingState
from services.kit.database import Database
from services.trading.desk.errors import NotOwnerError
from services.trading.desk.owner import Fenced, Owner
from tests.auth.support import KeptFacts
from tests.fakes.clock import FakeClock
from tests.kit.conftest import postgres_server as postgres_server  # noqa: PLC0414 -- a fixture, used by its name
from tests.kit.conftest import postgres_url as postgres_url  # noqa: PLC0414 -- the same
from tests.trading.desk.support import VERSIONS, DeskHouse

pytestmark = [pytest.mark.needs("initdb", "postgres")]

PROCESSES = 8


@pytest.fixture
def postgres(postgres_url: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    # A schema for each test: the server is shared.
    name = f"desk_{abs(hash(request.node.name))}"
    database = Database(postgres_url, service=name, versions=(VERSIONS,), connections=PROCESSES + 4)
    database.migrate()
    yield database
    database.close()


def test_of_many_that_claim_at_once_one_trades(postgres: Database) -> None:
    facts, clock = KeptFacts(postgres), FakeClock()
    owners = [Owner(facts, clock, f"process-{number}") for number in range(PROCESSES)]
    gate = threading.Barrier(PROCESSES)

    def claim(owner: Owner) -> None:
        gate.wait()
        owner.claim()

    claims = [threading.Thread(target=claim, args=(owner,)) for owner in owners]
    for each in claims:
        each.start()
    for each in claims:
        each.join()

    assert sum(owner.fence is not None for owner in owners) == 1


def test_nobody_takes_over_in_the_middle_of_a_write(postgres: Database) -> None:
    facts, clock = KeptFacts(postgres), FakeClock()
    first, second = Owner(facts, clock, "one"), Owner(facts, clock, "two")
    first.claim()
    clock.advance(15)
    taking = threading.Thread(target=second.claim)

    with Fenced(facts, first).transaction(durable=True):
        taking.start()
        taking.join(0.3)
        assert second.fence is None
    taking.join(10)

    assert second.fence == 2
    with pytest.raises(NotOwnerError), Fenced(facts, first).transaction():
        pass


def test_orders_go_out_and_the_kill_switch_ends_them(postgres: Database) -> None:
    house = DeskHouse(postgres).start()
    (order,) = house.desk.submit(house.limit(90)).orders
    assert order.status is OrderStatus.OPEN

    report = house.desk.halt("operator", "a drill")

    assert (report.flat, report.canceled) == (True, 1)
    house.owner.release()
    second = house.another().start()
    assert second.desk.state().state is TradingState.HALTED
    told = second.desk.last_halt()
    assert told is not None
    assert told.halt_id == report.halt_id
