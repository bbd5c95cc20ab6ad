"""Cash, positions and profit."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.contracts.market import Side, Symbol
from services.contracts.orders import VenueOrderId
from services.matching.account import Account, Holding
from services.matching.happenings import Filled
from tests.matching.market import ACME, BUY, SELL, START

OTHER = Symbol("OTHR")


def fill(side: Side, quantity: str, price: str, fee: str = "0", symbol: Symbol = ACME) -> Filled:
    return Filled(
        order_id=VenueOrderId("a"),
        at=START,
        execution=1,
        symbol=symbol,
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(fee),
        cumulative=Decimal(quantity),
        done=True,
    )


def account(*fills: Filled) -> Account:
    made = Account(cash=Decimal(10_000))
    for each in fills:
        made.apply(each)
    return made


def held(made: Account) -> tuple[Decimal, Decimal, Decimal]:
    holding = made.holdings[ACME]
    return holding.quantity, holding.average_price, holding.realised


def test_buying_more_averages_the_price() -> None:
    made = account(fill(BUY, "10", "100", "1"), fill(BUY, "30", "104", "2"))
    assert held(made) == (40, 103, 0)
    assert (made.cash, made.fees) == (10_000 - 1000 - 3120 - 3, 3)


def test_selling_a_part_realises_its_profit_and_keeps_the_average() -> None:
    made = account(fill(BUY, "10", "100"), fill(SELL, "4", "105"))
    assert held(made) == (6, 100, 20)
    assert made.holdings[ACME].unrealised(Decimal(110)) == 60


def test_a_position_that_is_closed_keeps_what_it_realised() -> None:
    made = account(fill(BUY, "3", "100"), fill(SELL, "3", "99"))
    assert held(made) == (0, 0, -3)
    assert made.realised == -3


def test_a_short_position_gains_when_the_price_falls() -> None:
    made = account(fill(SELL, "10", "100"), fill(BUY, "4", "90"))
    assert held(made) == (-6, 100, 40)
    assert made.holdings[ACME].unrealised(Decimal(95)) == 30


def test_selling_more_than_is_held_turns_the_position() -> None:
    made = account(fill(BUY, "10", "100"), fill(SELL, "15", "110"))
    assert held(made) == (-5, 110, 100)


def test_buying_more_than_is_short_turns_the_position() -> None:
    made = account(fill(SELL, "10", "100"), fill(BUY, "15", "110"))
    assert held(made) == (5, 110, -100)


def test_a_split_changes_shares_and_average_but_not_the_cost() -> None:
    made = account(fill(BUY, "10", "100"))
    made.apply_split(ACME, Decimal(4))
    assert held(made) == (40, 25, 0)
    assert made.quantity(ACME) == 40


def test_a_split_of_what_is_not_held_changes_nothing() -> None:
    made = account()
    made.apply_split(ACME, Decimal(4))
    assert made.quantity(ACME) == 0


def test_buying_power_is_a_multiple_of_equity_less_what_is_held_either_way() -> None:
    made = account(fill(BUY, "10", "100"), fill(SELL, "20", "50", symbol=OTHER))
    prices = {ACME: Decimal(110), OTHER: Decimal(55)}
    assert made.equity(prices) == 10_000
    assert made.exposure(prices) == 2200
    assert made.buying_power(prices) == 17_800
    assert made.buying_power(prices, multiplier=1) == 7800


def test_buying_power_is_never_below_zero() -> None:
    made = account(fill(BUY, "300", "100"))
    assert made.buying_power({ACME: Decimal(40)}) == 0


def test_what_is_no_longer_held_needs_no_price() -> None:
    assert account(fill(BUY, "1", "100"), fill(SELL, "1", "100")).equity({}) == 10_000


def test_a_holding_is_worth_less_than_nothing_when_short() -> None:
    assert Holding(quantity=Decimal(-2), cost=Decimal(-20)).value(Decimal(9)) == -18


trades = st.tuples(
    st.sampled_from(Side),
    st.decimals("0.001", 1000, places=3),
    st.decimals("0.01", 1000, places=2),
    st.decimals(0, 5, places=2),
)


@given(st.lists(trades, max_size=30), st.decimals("0.01", 1000, places=2))
def test_equity_is_the_first_cash_plus_all_profit_less_fees(
    rows: list[tuple[Side, Decimal, Decimal, Decimal]], price: Decimal
) -> None:
    made = account(*[fill(side, str(quantity), str(paid), str(fee)) for side, quantity, paid, fee in rows])
    unrealised = sum(each.unrealised(price) for each in made.holdings.values())
    explained = 10_000 + made.realised + unrealised - made.fees
    assert abs(made.equity({ACME: price}) - explained) < Decimal("1e-15")
