"""Every reason to deny an order is reached by an order that is right but for one thing."""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.contracts.market import Instrument, OrderClass, OrderType, Side, TimeInForce
from services.contracts.orders import NEVER_ABOVE, NEVER_BELOW, DenyReason, OrderTicket, StopLoss, TradingState
from services.trading.risk.gate import RULES, check
from services.trading.risk.limits import Limits, StrategyLimits, VenueLimits
from services.trading.risk.question import Denied
from services.trading.risk.sight import Market, Reference, VerdictState
from tests.trading.risk.sights import AAPL, ALPHA, BETA, MSFT, NOW, account, exposure, intent, sight, ticket

# Said where a venue is chosen, before the gate is asked: tests/trading/routing.
OF_ROUTING = frozenset({DenyReason.NO_VENUE, DenyReason.NOT_SUPPORTED, DenyReason.HELD_ELSEWHERE})

SELL = {"side": Side.SELL}
ROOMY = {name: Decimal(10**9) for name in ("order_notional", "symbol_notional", "gross_exposure", "net_exposure")}
RICH = account(buying_power=Decimal(10**9), equity=Decimal(10**9))


def limit_order(price: str, **changed: Any) -> OrderTicket:  # noqa: ANN401 -- any field of a ticket
    return ticket(order_type=OrderType.LIMIT, limit_price=Decimal(price), **changed)


def bracket(stop: str, target: str) -> OrderTicket:
    legs = {"take_profit": Decimal(target), "stop_loss": StopLoss(stop_price=Decimal(stop))}
    return ticket(order_class=OrderClass.BRACKET, **legs)


@dataclass(frozen=True)
class Case:
    """One thing that is wrong; `words` are in what is told."""

    name: str
    reason: DenyReason
    words: str
    order: OrderTicket = field(default_factory=ticket)
    wish: dict[str, Any] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)


CASES = [
    Case("halted", DenyReason.TRADING_HALTED, "sightline resume", seen={"state": TradingState.HALTED}),
    Case(
        "halted, and the order reduces",
        DenyReason.TRADING_HALTED,
        "halted",
        ticket(**SELL),
        seen={"state": TradingState.HALTED, "exposures": [exposure(10)]},
    ),
    Case(
        "halted, and the kill switch opens",
        DenyReason.TRADING_HALTED,
        "halted",
        wish={"strategy": "kill-switch"},
        seen={"state": TradingState.HALTED},
    ),
    Case(
        "the kill switch opens",
        DenyReason.TRADING_REDUCING,
        "only close what is held",
        wish={"strategy": "kill-switch"},
    ),
    Case("reducing", DenyReason.TRADING_REDUCING, "reduce a position", seen={"state": TradingState.REDUCING}),
    Case(
        "reducing, and more is sold than is held",
        DenyReason.TRADING_REDUCING,
        "alpha has 9 AAPL",
        ticket(**SELL),
        seen={"state": TradingState.REDUCING, "exposures": [exposure(9)]},
    ),
    Case(
        "reducing, and the rest is being sold already",
        DenyReason.TRADING_REDUCING,
        "sell 1",
        ticket(**SELL),
        seen={"state": TradingState.REDUCING, "exposures": [exposure(10, selling=Decimal(1))]},
    ),
    Case(
        "reducing, and the shares are at another venue",
        DenyReason.TRADING_REDUCING,
        "alpha has 0",
        ticket(**SELL),
        seen={"state": TradingState.REDUCING, "exposures": [exposure(10, venue=BETA)]},
    ),
    Case(
        "reducing, by a bracket",
        DenyReason.TRADING_REDUCING,
        "reduce a position",
        bracket("110", "90").model_copy(update=SELL),
        seen={"state": TradingState.REDUCING, "exposures": [exposure(10)]},
    ),
    Case(
        "no verdict",
        DenyReason.VERDICT_MISSING,
        "no preflight verdict for alpha",
        seen={"verdict": VerdictState.MISSING},
    ),
    Case("verdict over", DenyReason.VERDICT_EXPIRED, "has expired", seen={"verdict": VerdictState.EXPIRED}),
    Case(
        "verdict forged",
        DenyReason.VERDICT_INVALID,
        "its signature is wrong. `sightline preflight`",
        seen={"verdict": VerdictState.INVALID, "verdict_detail": "its signature is wrong."},
    ),
    Case("not ready", DenyReason.NOT_READY, "its stream is mute", seen={"unready": ("its stream is mute",)}),
    Case("account blocked", DenyReason.NOT_READY, "the account is blocked", seen={"account": account(blocked=True)}),
    Case("no such symbol", DenyReason.UNKNOWN_SYMBOL, "does not know AAPL", seen={"instrument": None}),
    Case(
        "not traded",
        DenyReason.UNKNOWN_SYMBOL,
        "does not trade AAPL",
        seen={"instrument": Instrument(symbol=AAPL, tradable=False)},
    ),
    Case(
        "symbol halted",
        DenyReason.SYMBOL_HALTED,
        "is halted",
        seen={"instrument": Instrument(symbol=AAPL, halted=True)},
    ),
    Case(
        "not lent",
        DenyReason.NOT_SHORTABLE,
        "at most the 0 shares",
        ticket(**SELL),
        seen={"instrument": Instrument(symbol=AAPL, shortable=False)},
    ),
    Case(
        "not lent, and more is sold than is free",
        DenyReason.NOT_SHORTABLE,
        "at most the 7 shares",
        ticket(**SELL),
        seen={
            "instrument": Instrument(symbol=AAPL, shortable=False),
            "exposures": [exposure(9, selling=Decimal(2))],
        },
    ),
    Case("market closed", DenyReason.MARKET_CLOSED, "queue_when_closed", seen={"market": Market.CLOSED}),
    Case("extended hours", DenyReason.MARKET_CLOSED, "regular session is not on", seen={"market": Market.EXTENDED}),
    Case(
        "market closed, and the order cannot wait",
        DenyReason.MARKET_CLOSED,
        "an IOC order cannot wait",
        ticket(time_in_force=TimeInForce.IOC),
        seen={"market": Market.CLOSED},
        limits=Limits(queue_when_closed=True),
    ),
    Case(
        "market closed, and the order reduces but cannot wait",
        DenyReason.MARKET_CLOSED,
        "an FOK order cannot wait",
        ticket(**SELL, time_in_force=TimeInForce.FOK),
        seen={"market": Market.CLOSED, "exposures": [exposure(10)]},
    ),
    Case("between ticks", DenyReason.WRONG_TICK, "Use 100.00 or 100.01", limit_order("100.005")),
    Case(
        "between ticks below a dollar",
        DenyReason.WRONG_TICK,
        "Use 0.1234 or 0.1235",
        limit_order("0.12345"),
        seen={"reference": Reference(Decimal("0.1234"), NOW)},
    ),
    Case("a leg between ticks", DenyReason.WRONG_TICK, "protective stop", bracket("95.001", "110")),
    Case(
        "a fraction by a limit order",
        DenyReason.WRONG_LOT,
        "only simple market orders",
        limit_order("100", quantity=Decimal("1.5")),
    ),
    Case(
        "a fraction of what is not divided",
        DenyReason.WRONG_LOT,
        "does not divide AAPL",
        ticket(quantity=Decimal("1.5")),
        seen={"instrument": Instrument(symbol=AAPL, fractionable=False)},
    ),
    Case(
        "a fraction sold short",
        DenyReason.WRONG_LOT,
        "only 0.4 are free",
        ticket(**SELL, quantity=Decimal("0.5")),
        seen={"exposures": [exposure(Decimal("0.4"))]},
    ),
    Case("no price", DenyReason.NO_REFERENCE_PRICE, "No price of AAPL", seen={"reference": None}),
    Case(
        "old price",
        DenyReason.NO_REFERENCE_PRICE,
        "121.0 s old, the limit is 120.0",
        seen={"reference": Reference(Decimal(100), NOW - timedelta(seconds=121))},
    ),
    Case("buys far above", DenyReason.PRICE_COLLAR, "Use at most 105.00", limit_order("105.01")),
    Case("sells far below", DenyReason.PRICE_COLLAR, "Use at least 95.00", limit_order("94.99", **SELL)),
    Case(
        "sells what is held far below",
        DenyReason.PRICE_COLLAR,
        "Use at least 95.00",
        limit_order("94.99", **SELL),
        seen={"exposures": [exposure(10)]},
    ),
    Case("a digit too few", DenyReason.PRICE_COLLAR, "Use one from 50.00 to 150.00", limit_order("10")),
    Case(
        "a stop in another world",
        DenyReason.PRICE_COLLAR,
        "stop price of 151",
        ticket(order_type=OrderType.STOP, stop_price=Decimal(151)),
    ),
    Case("a leg in another world", DenyReason.PRICE_COLLAR, "target's price of 1100", bracket("95", "1100")),
    Case("a limit where no price goes", DenyReason.PRICE_COLLAR, "limit price", limit_order("0.0001")),
    Case(
        "a stop-limit far beyond its stop",
        DenyReason.PRICE_COLLAR,
        "Use at most 126.00",
        ticket(order_type=OrderType.STOP_LIMIT, stop_price=Decimal(120), limit_price=Decimal("126.01")),
    ),
    Case(
        "order too large",
        DenyReason.ORDER_NOTIONAL,
        "worth 12,400 dollars, the limit is 10,000 (order_notional). Send at most 100 shares",
        ticket(quantity=Decimal(124)),
    ),
    Case(
        "symbol too large with what works and at every venue",
        DenyReason.SYMBOL_NOTIONAL,
        "25,100 dollars with what works, it is at 24,100, the limit is 25,000",
        seen={"exposures": [exposure(100, buying=Decimal(41)), exposure(-100, venue=BETA)]},
    ),
    Case(
        "gross too large",
        DenyReason.GROSS_EXPOSURE,
        "100,900 dollars with what works, they are at 99,900",
        seen={"exposures": [exposure(999, symbol=MSFT)]},
        limits=Limits(symbol_notional=Decimal(10**6)),
    ),
    Case(
        "nobody knows what is held",
        DenyReason.NO_REFERENCE_PRICE,
        "no price of it is known",
        seen={"exposures": [exposure(1, symbol=MSFT, price=Decimal("NaN"))]},
    ),
    Case(
        "net too large",
        DenyReason.NET_EXPOSURE,
        "50,100 dollars",
        seen={"exposures": [exposure(491, symbol=MSFT)]},
        limits=Limits(net_exposure=Decimal(50_000)),
    ),
    Case(
        "net too short",
        DenyReason.NET_EXPOSURE,
        "50,100 dollars",
        ticket(**SELL),
        seen={"exposures": [exposure(-491, symbol=MSFT)]},
        limits=Limits(net_exposure=Decimal(50_000)),
    ),
    Case("many orders", DenyReason.OPEN_ORDERS, "50 orders work already", seen={"open_orders": 50}),
    Case(
        "too fast",
        DenyReason.ORDER_RATE,
        "3 orders were sent within 60 s, the limit is 2 (orders_in_window). Try again in 20.0 s",
        seen={"sent_at": [NOW - timedelta(seconds=age) for age in (61, 59, 40, 1)]},
        limits=Limits(orders_in_window=2),
    ),
    Case("no orders at all", DenyReason.ORDER_RATE, "the limit is 0", limits=Limits(orders_in_window=0)),
    Case(
        "too much lost",
        DenyReason.DAILY_LOSS,
        "lost 2,000.50 dollars so far, the limit is 2,000",
        seen={"day_result": Decimal("-2000.50")},
    ),
    Case("lost to the limit", DenyReason.DAILY_LOSS, "lost 2,000 dollars", seen={"day_result": Decimal(-2000)}),
    Case("no account", DenyReason.BUYING_POWER, "has not told its buying power", seen={"account": None}),
    Case(
        "no money for the market's cushion",
        DenyReason.BUYING_POWER,
        "takes 1,030 dollars of buying power, alpha has 1,029 left",
        seen={"account": account(buying_power=Decimal(1029))},
    ),
    Case(
        "the money is spoken for",
        DenyReason.BUYING_POWER,
        "has 500 left",
        seen={"account": account(buying_power=Decimal(5_000), committed=Decimal(4_500))},
    ),
    Case(
        "geared too much",
        DenyReason.BUYING_POWER,
        "would carry 20,500 dollars on 10,000 of equity, the limit is 2 times",
        seen={"account": account(equity=Decimal(10_000)), "exposures": [exposure(195, symbol=MSFT)]},
    ),
    Case(
        "a day trader by the old rule",
        DenyReason.BUYING_POWER,
        "3 in five sessions, 3 are allowed below 25,000",
        seen={"account": account(equity=Decimal(24_999), day_trades=3)},
        limits=Limits(venues={ALPHA: VenueLimits(pattern_day_trader=True)}),
    ),
    Case(
        "a day trader whose trades nobody counts",
        DenyReason.BUYING_POWER,
        "an unknown number of in five sessions",
        seen={"account": account(equity=Decimal(24_999))},
        limits=Limits(venues={ALPHA: VenueLimits(pattern_day_trader=True)}),
    ),
    Case(
        "something is unknown",
        DenyReason.UNKNOWN_IN_SYMBOL,
        "sl-9.0 at beta",
        seen={"unknown": ("sl-9.0 at beta",)},
    ),
    Case(
        "told to come too late",
        DenyReason.STALE_SIGNAL,
        "not to be sent later than 0.0 s ago",
        wish={"expires_at": NOW},
    ),
    Case(
        "reduces, and told to come too late",
        DenyReason.STALE_SIGNAL,
        "not to be sent",
        ticket(**SELL),
        wish={"expires_at": NOW - timedelta(seconds=1)},
        seen={"exposures": [exposure(10)]},
    ),
    Case(
        "old signal",
        DenyReason.STALE_SIGNAL,
        "301.0 s old, the limit is 300.0",
        wish={"signal_at": NOW - timedelta(seconds=301)},
    ),
    Case(
        "signal of tomorrow",
        DenyReason.STALE_SIGNAL,
        "in the future",
        wish={"signal_at": NOW + timedelta(seconds=3)},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_gate_when_one_thing_is_wrong_then_it_says_which(case: Case) -> None:
    denied = check(intent(case.order, **case.wish), sight(**case.seen), case.limits)
    assert denied is not None
    assert denied.reason is case.reason
    assert case.words in denied.detail


def test_deny_reasons_when_listed_then_each_is_reached_by_a_case_or_belongs_to_routing() -> None:
    assert {case.reason for case in CASES} | OF_ROUTING == set(DenyReason)


def test_details_when_told_then_each_ends_like_a_sentence() -> None:
    for case in CASES:
        denied = check(intent(case.order, **case.wish), sight(**case.seen), case.limits)
        assert denied is not None
        assert denied.detail.endswith(".")


def test_gate_when_all_is_well_then_the_order_passes() -> None:
    assert check(intent(), sight(), Limits()) is None


PASSING = [
    ("a bracket with a stop alone", bracket("95", str(NEVER_ABOVE)), {}, Limits()),
    ("a bracket with a target alone", bracket(str(NEVER_BELOW), "110"), {}, Limits()),
    ("limit at the collar's edge", limit_order("105"), {}, Limits()),
    ("limit far on the side where it waits", limit_order("60"), {}, Limits()),
    ("whole order at its limit", ticket(quantity=Decimal(100)), {}, Limits()),
    ("fraction of what is divided", ticket(quantity=Decimal("0.123456789")), {}, Limits()),
    ("signal of a clock slightly ahead", ticket(), {"at": NOW - timedelta(seconds=2)}, Limits()),
    ("closed, and orders may queue", ticket(), {"market": Market.CLOSED}, Limits(queue_when_closed=True)),
    (
        "closed, and orders may queue at yesterday's price",
        ticket(),
        {"market": Market.CLOSED, "reference": Reference(Decimal(100), NOW - timedelta(days=1))},
        Limits(queue_when_closed=True),
    ),
    ("loss just below its limit", ticket(), {"day_result": Decimal("-1999.99")}, Limits()),
    ("rate's window has moved on", ticket(), {"sent_at": [NOW - timedelta(seconds=60)]}, Limits(orders_in_window=1)),
    (
        "a day trader where nobody counts",
        ticket(),
        {"account": account(equity=Decimal(24_999), day_trades=9)},
        Limits(),
    ),
    (
        "over the limit already, and not made worse",
        ticket(**SELL, quantity=Decimal(60)),
        {"exposures": [exposure(300, selling=Decimal(300))]},
        Limits(),
    ),
    (
        "short, and sells more within the account's means",
        ticket(**SELL),
        {"exposures": [exposure(-10)], "account": account(buying_power=Decimal(1_030))},
        Limits(),
    ),
    (
        "short, and buys back within the account's means",
        ticket(quantity=Decimal(20)),
        {"exposures": [exposure(-10)], "account": account(buying_power=Decimal(1_030))},
        Limits(),
    ),
]


@pytest.mark.parametrize(("order", "seen", "limits"), [case[1:] for case in PASSING], ids=[case[0] for case in PASSING])
def test_gate_when_within_every_limit_then_the_order_passes(
    order: OrderTicket, seen: dict[str, Any], limits: Limits
) -> None:
    assert check(intent(order), sight(**seen), limits) is None


def test_reducing_order_when_everything_about_exposure_is_wrong_then_it_passes() -> None:
    seen = sight(
        state=TradingState.REDUCING,
        verdict=VerdictState.MISSING,
        unready=("its stream is mute",),
        instrument=None,
        market=Market.CLOSED,
        reference=None,
        exposures=[exposure(10), exposure(10**6, symbol=MSFT, price=Decimal("NaN"))],
        open_orders=10**6,
        sent_at=[NOW] * 1000,
        day_result=Decimal(-(10**6)),
        account=None,
        unknown=("sl-9.0 at beta",),
    )
    assert check(intent(ticket(**SELL), signal_at=NOW - timedelta(days=1)), seen, Limits()) is None


def test_reducing_order_when_the_position_is_short_then_buying_passes() -> None:
    seen = sight(state=TradingState.REDUCING, exposures=[exposure(-10)])
    assert check(intent(ticket()), seen, Limits()) is None


def test_reducing_oco_when_the_position_is_held_then_it_counts_once_and_passes() -> None:
    legs = {"order_class": OrderClass.OCO, "take_profit": Decimal(110), "stop_loss": StopLoss(stop_price=Decimal(95))}
    seen = sight(state=TradingState.REDUCING, exposures=[exposure(10)])
    assert check(intent(limit_order("110", **SELL, **legs)), seen, Limits()) is None


def test_reducing_order_when_the_price_is_old_then_it_is_not_held_against_it() -> None:
    seen = sight(exposures=[exposure(10)], reference=Reference(Decimal(500), NOW - timedelta(hours=1)))
    assert check(intent(limit_order("100", **SELL)), seen, Limits()) is None


def test_kill_switch_when_trading_is_halted_then_its_closing_orders_pass() -> None:
    seen = sight(state=TradingState.HALTED, exposures=[exposure(10)])
    assert check(intent(ticket(**SELL), strategy="kill-switch"), seen, Limits()) is None


def test_kill_switch_when_the_market_is_closed_then_its_orders_wait_for_it() -> None:
    seen = sight(state=TradingState.HALTED, market=Market.CLOSED, exposures=[exposure(-10)])
    assert check(intent(ticket(), strategy="kill-switch"), seen, Limits()) is None


def test_strategy_when_it_has_limits_of_its_own_then_these_count_for_it_alone() -> None:
    limits = Limits(strategies={"trend": StrategyLimits(order_notional=Decimal(999))})
    denied = check(intent(), sight(), limits)
    assert isinstance(denied, Denied)
    assert denied.reason is DenyReason.ORDER_NOTIONAL
    assert check(intent(strategy="momentum"), sight(), limits) is None


def test_several_rules_when_they_refuse_then_the_first_of_the_table_is_told() -> None:
    seen = sight(state=TradingState.HALTED, verdict=VerdictState.MISSING, open_orders=99)
    denied = check(intent(), seen, Limits())
    assert denied is not None
    assert denied.reason is DenyReason.TRADING_HALTED


def test_rules_when_listed_then_none_stands_twice() -> None:
    names = [rule.refusal for rule in RULES]
    assert len(names) == len(set(names))


def test_roomy_limits_when_a_large_order_comes_then_nothing_else_stops_it() -> None:
    order = ticket(quantity=Decimal(10**6))
    assert check(intent(order), sight(account=RICH), Limits(**ROOMY)) is None
