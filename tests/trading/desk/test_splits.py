"""Splits over night: booked where nothing else explains what the venue holds, left to a person otherwise."""

from decimal import Decimal

import pytest

from services.contracts.orders import TradingState
from services.contracts.trading import DriftFound, SplitBooked
from services.kit.database import Database
from services.trading.brokers.port import VenuePosition
from tests.trading.desk.support import AAPL, ALPHA, DeskHouse


@pytest.fixture
def house(database: Database) -> DeskHouse:
    house = DeskHouse(database).start()
    house.hold(house.alpha, 12)  # at 100 dollars
    return house


def _compared(house: DeskHouse, quantity: str, average: str, rounds: int = 1) -> None:
    """The venue says that it holds this from now on."""
    house.alpha.positions[AAPL] = VenuePosition(symbol=AAPL, quantity=Decimal(quantity), average_price=Decimal(average))
    for _ in range(rounds):
        house.advance(31)
        house.desk.reconcile(ALPHA)


def _held(house: DeskHouse) -> dict[str, Decimal]:
    return {each.position.symbol: each.position.quantity for each in house.desk.positions() if each.position.quantity}


@pytest.mark.parametrize(
    ("quantity", "average", "ratio"),
    [("48", "25", "4"), ("18", "66.67", "1.5"), ("3", "400", "0.25"), ("1.2", "1000", "0.1"), ("240", "5.00", "20")],
)
def test_more_or_fewer_shares_at_the_same_cost_are_a_split(
    house: DeskHouse, quantity: str, average: str, ratio: str
) -> None:
    _compared(house, quantity, average, rounds=3)

    assert [(fact.symbol, fact.ratio, fact.before) for fact in house.said(SplitBooked)] == [
        (AAPL, Decimal(ratio), Decimal(12))
    ]
    assert _held(house) == {AAPL: Decimal(quantity)}
    assert house.said(DriftFound) == []


def test_a_split_earns_and_loses_nothing(house: DeskHouse) -> None:
    before = house.desk.day_result()

    house.prices.prices[AAPL] = Decimal(25)
    _compared(house, "48", "25")
    house.settle()

    assert house.desk.day_result() == before


@pytest.mark.parametrize(
    ("quantity", "average"),
    [
        ("24", "100"),  # as many again were bought elsewhere
        ("24", "51"),  # nearly the cost, and not quite
        ("4", "300"),  # a third has no end as a decimal
        ("-12", "100"),
        ("2412", "0.4975"),  # 201 for one
    ],
)
def test_whatever_else_there_is_stays_a_difference(house: DeskHouse, quantity: str, average: str) -> None:
    _compared(house, quantity, average, rounds=3)

    assert house.said(SplitBooked) == []
    assert _held(house) == {AAPL: Decimal(12)}
    assert {fact.symbol for fact in house.said(DriftFound)} == {AAPL}


def test_trading_goes_on_after_a_split(house: DeskHouse) -> None:
    _compared(house, "48", "25", rounds=4)
    house.settle()

    assert house.desk.state().state is TradingState.ACTIVE
