"""What holds for any order and any sight: the gate raises nothing, and growing an order helps nobody."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from services.contracts.market import Instrument, OrderClass, OrderType, Side, TimeInForce
from services.contracts.orders import OrderIntent, OrderTicket, StopLoss, TradingState
from services.trading.risk.gate import check
from services.trading.risk.limits import Limits, VenueLimits
from services.trading.risk.question import Denied
from services.trading.risk.sight import (
    Account,
    Exposure,
    Market,
    Reference,
    Sight,
    VerdictState,
    at_venue,
    reduces,
)
from tests.trading.risk.sights import AAPL, ALPHA, BETA, MSFT, NOW, intent, sight, ticket

UNHURRIED = settings(deadline=None)
SENSIBLE = settings(deadline=None, max_examples=300)

moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 -- hypothesis adds the zone
any_number = st.decimals(allow_nan=True, allow_infinity=True) | st.sampled_from(
    [Decimal("1E+999999"), Decimal("-1E+999999"), Decimal("1E-999999"), Decimal("sNaN"), Decimal("-0"), Decimal(0)]
)
wild = any_number | st.decimals(-1000, 1000, places=2)

wild_tickets = st.builds(
    OrderTicket.model_construct,
    symbol=st.just(AAPL),
    side=st.sampled_from(Side),
    quantity=wild,
    order_type=st.sampled_from(OrderType),
    limit_price=st.none() | wild,
    stop_price=st.none() | wild,
    time_in_force=st.sampled_from(TimeInForce),
    order_class=st.sampled_from(OrderClass),
    take_profit=st.none() | wild,
    stop_loss=st.none() | st.builds(StopLoss.model_construct, stop_price=wild, limit_price=st.none() | wild),
)


def exposures_of(numbers: st.SearchStrategy[Decimal], sizes: st.SearchStrategy[Decimal]) -> Any:  # noqa: ANN401 -- hypothesis's own type
    exposure = st.builds(
        Exposure,
        venue=st.sampled_from([ALPHA, BETA]),
        symbol=st.sampled_from([AAPL, MSFT]),
        price=sizes,
        position=numbers,
        buying=sizes,
        selling=sizes,
    )
    return st.lists(exposure, max_size=4, unique_by=lambda each: (each.venue, each.symbol))


wild_sights = st.builds(
    Sight,
    at=moments,
    venue=st.just(ALPHA),
    state=st.sampled_from(TradingState),
    verdict=st.sampled_from([*VerdictState, VerdictState.VALID, VerdictState.VALID]),
    unready=st.just(()) | st.just(("it is mute",)),
    instrument=st.none() | st.builds(Instrument, symbol=st.just(AAPL), shortable=st.booleans()),
    market=st.sampled_from(Market),
    reference=st.none() | st.builds(Reference, wild, moments),
    exposures=exposures_of(wild, wild),
    open_orders=st.integers(-1, 100),
    sent_at=st.lists(moments, max_size=3),
    day_result=wild,
    account=st.none()
    | st.builds(Account, buying_power=wild, equity=wild, committed=wild, day_trades=st.none() | st.integers(0, 9)),
    unknown=st.just(()) | st.just(("sl-9.0",)),
)
any_limits = st.builds(
    Limits,
    order_notional=st.decimals(0, 10**9, places=2),
    orders_in_window=st.integers(0, 5),
    queue_when_closed=st.booleans(),
    venues=st.sampled_from([{}, {ALPHA: VenueLimits(pattern_day_trader=True)}]),
)


@st.composite
def wild_intents(draw: st.DrawFn) -> OrderIntent:
    return OrderIntent.model_construct(
        intent_id="sl-1",
        strategy=draw(st.sampled_from(["trend", "kill-switch"])),
        signal_at=draw(moments),
        expires_at=draw(st.none() | moments),
        ticket=draw(wild_tickets),
    )


@UNHURRIED
@given(wild_intents(), wild_sights, any_limits)
def test_gate_when_asked_anything_then_it_answers(wish: OrderIntent, seen: Sight, limits: Limits) -> None:
    answer = check(wish, seen, limits)
    assert answer is None or (isinstance(answer, Denied) and len(answer.detail) < 600)


@UNHURRIED
@given(wild_tickets, exposures_of(wild, wild), wild, wild)
def test_gate_when_all_else_is_well_then_numbers_alone_raise_nothing(
    order: OrderTicket, exposures: list[Exposure], price: Decimal, money: Decimal
) -> None:
    """Deep rules are reached more often when what comes before them is right."""
    seen = sight(
        exposures=exposures,
        reference=Reference(price, NOW),
        day_result=abs(money) if money.is_finite() else money,
        account=Account(buying_power=money, equity=money),
    )
    wish = intent().model_copy(update={"ticket": order})
    answer = check(wish, seen, Limits())
    if not (order.quantity.is_finite() and order.quantity > 0):
        assert answer is not None


@UNHURRIED
@given(st.sampled_from([Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("1E+999999")]), st.data())
def test_gate_when_a_number_is_none_then_new_exposure_is_denied(number: Decimal, data: st.DataObject) -> None:
    spoilt = data.draw(
        st.sampled_from(
            [
                sight(reference=Reference(number, NOW)),
                sight(account=Account(buying_power=Decimal(10**6), equity=Decimal(10**6), committed=number)),
                sight(exposures=[Exposure(venue=BETA, symbol=MSFT, price=number, position=Decimal(1))]),
                sight(exposures=[Exposure(venue=BETA, symbol=MSFT, price=Decimal(1), position=number)]),
                sight(exposures=[Exposure(venue=BETA, symbol=MSFT, price=Decimal(1), buying=number)]),
                sight(exposures=[Exposure(venue=BETA, symbol=MSFT, price=Decimal(1), selling=number)]),
            ]
        )
    )
    assert check(intent(), spoilt, Limits()) is not None


@UNHURRIED
@given(st.sampled_from([Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity")]))
def test_gate_when_result_or_money_is_no_number_then_new_exposure_is_denied(number: Decimal) -> None:
    assert check(intent(), sight(day_result=number), Limits()) is not None
    assert check(intent(), sight(account=Account(buying_power=number, equity=Decimal(10**6))), Limits()) is not None
    assert check(intent(), sight(account=Account(buying_power=Decimal(10**6), equity=number)), Limits()) is not None


prices = st.decimals(1, 200, places=2)
sizes = st.integers(0, 300).map(Decimal)
positions = st.integers(-300, 300).map(Decimal)
sensible_sights = st.builds(
    lambda exposures, price, shortable, power, state, result: sight(
        exposures=exposures,
        reference=Reference(price, NOW),
        instrument=Instrument(symbol=AAPL, shortable=shortable),
        account=Account(buying_power=power, equity=power),
        state=state,
        day_result=result,
    ),
    exposures_of(positions, prices),
    prices,
    st.booleans(),
    st.integers(0, 100_000).map(Decimal),
    st.sampled_from([TradingState.ACTIVE, TradingState.ACTIVE, TradingState.REDUCING]),
    st.sampled_from([Decimal(0), Decimal(0), Decimal(-5000)]),
)


@st.composite
def sensible_tickets(draw: st.DrawFn) -> OrderTicket:
    kind = draw(st.sampled_from([OrderType.MARKET, OrderType.LIMIT]))
    priced = {"limit_price": draw(prices)} if kind is OrderType.LIMIT else {}
    quantity = draw(sizes) + draw(st.sampled_from([Decimal(0), Decimal("0.5")])) + 1
    return ticket(side=draw(st.sampled_from(Side)), quantity=quantity, order_type=kind, **priced)


@SENSIBLE
@given(sensible_tickets(), sensible_sights, st.integers(1, 500))
def test_denied_order_when_it_grows_by_whole_shares_then_it_stays_denied(
    order: OrderTicket, seen: Sight, more: int
) -> None:
    assume(check(intent(order), seen, Limits()) is not None)
    larger = order.model_copy(update={"quantity": order.quantity + more})
    assert check(intent(larger), seen, Limits()) is not None


def _worst_gross(exposures: Sequence[Exposure], order: OrderTicket | None, price: Decimal) -> Decimal:
    """The largest sum of absolute values over every way in which what works may fill, by trying all of them."""
    worst = Decimal(0)
    for each in exposures:
        mine = order if (each.venue, each.symbol) == (ALPHA, AAPL) else None
        added = Decimal(0) if mine is None else mine.side.sign * mine.quantity * price
        ends = [
            abs((each.position + buys * each.buying - sells * each.selling) * each.price + fills * added)
            for buys, sells, fills in product((0, 1), repeat=3)
        ]
        worst += max(ends)
    return worst


@SENSIBLE
@given(st.sampled_from(Side), sizes.filter(bool), prices, exposures_of(positions, prices))
def test_order_when_it_passes_then_no_way_of_filling_breaks_the_gross_limit_or_makes_it_worse(
    side: Side, quantity: Decimal, price: Decimal, exposures: list[Exposure]
) -> None:
    roomy = dict.fromkeys(("order_notional", "symbol_notional", "net_exposure"), Decimal(10**9))
    limits = Limits(**roomy, gross_exposure=Decimal(50_000))
    rich = Account(buying_power=Decimal(10**9), equity=Decimal(10**9))
    seen = sight(exposures=exposures, reference=Reference(price, NOW), account=rich)
    order = ticket(side=side, quantity=quantity)
    assume(not reduces(order, at_venue(seen, AAPL)))
    known = [each for each in exposures if (each.venue, each.symbol) != (ALPHA, AAPL)] + [at_venue(seen, AAPL)]
    before, after = _worst_gross(known, None, price), _worst_gross(known, order, price)
    passed = check(intent(order), seen, limits) is None
    assert passed is (after <= max(limits.gross_exposure, before))


@SENSIBLE
@given(positions.filter(bool), sizes, sizes, sizes, st.booleans())
def test_reducing_order_when_trading_is_reducing_then_it_passes(
    position: Decimal,
    buying: Decimal,
    selling: Decimal,
    share: Decimal,
    shortable: bool,  # noqa: FBT001 -- drawn
) -> None:
    held = Exposure(venue=ALPHA, symbol=AAPL, price=Decimal(100), position=position, buying=buying, selling=selling)
    free = held.shortest if position > 0 else -held.longest
    assume(free >= 1)
    side = Side.SELL if position > 0 else Side.BUY
    seen = replace(
        sight(
            exposures=[held], state=TradingState.REDUCING, verdict=VerdictState.MISSING, day_result=Decimal(-(10**6))
        ),
        instrument=Instrument(symbol=AAPL, shortable=shortable),
    )
    part = max(Decimal(1), min(free, share))
    assert check(intent(ticket(side=side, quantity=part)), seen, Limits()) is None
    denied = check(intent(ticket(side=side, quantity=free + 1)), seen, Limits())
    assert denied is not None


@UNHURRIED
@given(st.lists(st.floats(0, 200), max_size=80), st.integers(0, 70))
def test_rate_when_any_orders_were_sent_then_the_window_never_holds_more_than_the_limit(
    ages: list[float], limit: int
) -> None:
    sent = sorted(NOW - timedelta(seconds=age) for age in ages)
    limits = Limits(orders_in_window=limit)
    passed = check(intent(), sight(sent_at=sent), limits) is None
    inside = sum((NOW - at).total_seconds() < limits.rate_window_seconds for at in sent)
    assert passed is (inside < limit)
