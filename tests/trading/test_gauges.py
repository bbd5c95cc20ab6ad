"""What is read off the desk when metrics are collected."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

import pytest

from services.contracts.market import OrderType, Side, Symbol
from services.contracts.orders import (
    IntentId,
    OrderStatus,
    OrderTicket,
    TradingState,
    VenueName,
    client_order_id,
)
from services.contracts.trading import CircuitState
from services.contracts.verdict import Environment
from services.kit.database_errors import DatabaseUnreachableError
from services.trading.brokers.port import VenueAccount
from services.trading.desk.views import (
    AccountStanding,
    DeskState,
    Holding,
    LeaseStanding,
    VenueState,
    VerdictStanding,
    VerdictState,
)
from services.trading.gauges import TradingGauges
from services.trading.meter import declare_venues
from services.trading.orders.order import Order
from services.trading.portfolio.position import Position
from services.trading.risk.sight import Market
from telemetry.catalogue import METRIC_UNDECLARED, emitted_by
from telemetry.emit.clock import SystemClock
from telemetry.emit.metrics import Metrics
from tests.fakes.clock import FakeClock

_ALPHA, _BETA = VenueName("alpha"), VenueName("beta")
_NOON = FakeClock().now()


def _venue(name: VenueName) -> VenueState:
    return VenueState(
        venue=name,
        environment=Environment.PAPER,
        ready=True,
        reasons=(),
        circuit=CircuitState.CLOSED,
        score=0.9,
        stream_connected=True,
        stream_age_seconds=3.0,
        reconciled_at=_NOON - timedelta(seconds=12),
        skew_seconds=-0.5,
        verdict=VerdictStanding(VerdictState.VALID, expires_at=_NOON + timedelta(seconds=75)),
        lease=LeaseStanding(held=True),
        rate_limit_left=190,
        working=0,
        unknown=0,
    )


_ACTIVE = DeskState(
    state=TradingState.ACTIVE,
    reason="",
    actor="",
    changed_at=_NOON,
    owner=True,
    halt_under_way=False,
    venues=(_venue(_ALPHA), _venue(_BETA)),
)


@dataclass
class _Desk:
    """What a test says of trading."""

    told: DeskState = _ACTIVE
    held: tuple[Holding, ...] = ()
    standings: tuple[AccountStanding, ...] = ()
    result: Decimal = Decimal(0)
    orders: tuple[Order, ...] = ()
    market: Market = Market.OPEN
    clock: FakeClock = field(default_factory=FakeClock)

    def state(self) -> DeskState:
        return self.told

    def positions(self) -> tuple[Holding, ...]:
        return self.held

    def accounts(self) -> tuple[AccountStanding, ...]:
        return self.standings

    def day_result(self) -> Decimal:
        return self.result

    def shown(self, name: str, **labels: str) -> float:
        """A metric's value as a scrape would find it."""
        metrics = Metrics(SystemClock(), emitted_by("trading"))
        declare_venues(metrics, [_ALPHA, _BETA])
        gauges = TradingGauges(
            self,
            working=lambda: self.orders,
            market=lambda at: self.market if at == _NOON else Market.CLOSED,
            daily_loss=Decimal(2_000),
            metrics=metrics,
            clock=self.clock,
        )
        gauges.refresh()
        samples = {(sample.name, sample.labels): sample.value for sample in metrics.samples()}
        assert samples[METRIC_UNDECLARED.name, ()] == 0
        return samples[f"sightline_trading_{name}", tuple(sorted(labels.items()))]


def _order(status: OrderStatus, *, age_seconds: float, order_type: OrderType = OrderType.MARKET) -> Order:
    at = _NOON - timedelta(seconds=age_seconds)
    pending = status if status in {OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE} else None
    return Order(
        client_order_id=client_order_id(IntentId(f"sl-{age_seconds:.0f}"), 0),
        intent_id=IntentId("sl-1"),
        route=0,
        venue=_ALPHA,
        strategy="trend",
        ticket=OrderTicket(
            symbol=Symbol("AAPL"),
            side=Side.BUY,
            quantity=Decimal(10),
            order_type=order_type,
            limit_price=Decimal(9) if order_type is OrderType.LIMIT else None,
        ),
        quantity=Decimal(10),
        standing=OrderStatus.OPEN if pending else status,
        submitted_at=at,
        changed_at=at,
        pending=pending,
        pending_since=at + timedelta(seconds=5) if pending else None,
        unknown_since=at + timedelta(seconds=5) if status is OrderStatus.UNKNOWN else None,
    )


def _alpha(**changes: object) -> _Desk:
    first, second = _ACTIVE.venues
    return _Desk(replace(_ACTIVE, venues=(replace(first, **changes), second)))  # type: ignore[arg-type]


@pytest.mark.parametrize("state", TradingState)
def test_state_when_shown_then_it_alone_is_one(state: TradingState) -> None:
    desk = _Desk(replace(_ACTIVE, state=state))
    assert {each: desk.shown("state", state=each.value) for each in TradingState} == {
        each: float(each is state) for each in TradingState
    }


def test_kill_switch_when_at_work_then_it_is_shown() -> None:
    assert _Desk(replace(_ACTIVE, halt_under_way=True)).shown("kill_switch_active") == 1.0


@pytest.mark.parametrize(("market", "shown"), [(Market.OPEN, 1.0), (Market.EXTENDED, 0.0), (Market.CLOSED, 0.0)])
def test_market_when_the_regular_session_is_on_then_it_is_open(market: Market, shown: float) -> None:
    assert _Desk(market=market).shown("market_open") == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("venue_ready", 1.0),
        ("venue_health_ratio", 0.9),
        ("stream_connected", 1.0),
        ("stream_age_seconds", 3.0),
        ("reconciled_timestamp_seconds", _NOON.timestamp() - 12),
        ("clock_skew_seconds", -0.5),
        ("rate_limit_left_calls", 190.0),
        ("verdict_remaining_seconds", 75.0),
    ],
)
def test_venue_when_all_is_well_then_each_figure_is_as_told(name: str, shown: float) -> None:
    assert _Desk().shown(name, venue="alpha") == shown


@pytest.mark.parametrize(
    ("name", "changes", "shown"),
    [
        ("venue_ready", {"ready": False}, 0.0),
        ("stream_age_seconds", {"stream_connected": False, "stream_age_seconds": None}, 0.0),
        ("reconciled_timestamp_seconds", {"reconciled_at": None}, 0.0),
        ("clock_skew_seconds", {"skew_seconds": None}, 0.0),
        ("rate_limit_left_calls", {"rate_limit_left": None}, -1.0),
        ("rate_limit_left_calls", {"rate_limit_left": 0}, 0.0),
        ("verdict_remaining_seconds", {"verdict": VerdictStanding(VerdictState.MISSING)}, 0.0),
        (
            "verdict_remaining_seconds",
            {"verdict": VerdictStanding(VerdictState.INVALID, expires_at=_NOON + timedelta(seconds=75))},
            0.0,
        ),
        (
            "verdict_remaining_seconds",
            {"verdict": VerdictStanding(VerdictState.VALID, expires_at=_NOON - timedelta(seconds=1))},
            0.0,
        ),
    ],
)
def test_venue_when_something_is_missing_then_that_shows_and_its_neighbour_stays(
    name: str, changes: dict[str, object], shown: float
) -> None:
    desk = _alpha(**changes)
    assert desk.shown(name, venue="alpha") == shown
    assert desk.shown(name, venue="beta") == _Desk().shown(name, venue="beta")


def test_circuit_when_open_then_that_state_alone_is_one() -> None:
    desk = _alpha(circuit=CircuitState.OPEN)
    shown = {state: desk.shown("circuit_state", venue="alpha", state=state.value) for state in CircuitState}
    assert shown == {CircuitState.CLOSED: 0.0, CircuitState.OPEN: 1.0, CircuitState.HALF_OPEN: 0.0}


def test_orders_when_some_have_not_ended_then_they_are_counted_at_their_venue() -> None:
    desk = _Desk(orders=(_order(OrderStatus.OPEN, age_seconds=1), _order(OrderStatus.UNKNOWN, age_seconds=2)))
    assert (desk.shown("open_orders", venue="alpha"), desk.shown("open_orders", venue="beta")) == (2.0, 0.0)
    assert (desk.shown("unknown_orders", venue="alpha"), desk.shown("unknown_orders", venue="beta")) == (1.0, 0.0)


def test_unknown_orders_when_there_are_several_then_the_oldest_gives_the_age() -> None:
    desk = _Desk(orders=(_order(OrderStatus.UNKNOWN, age_seconds=65), _order(OrderStatus.UNKNOWN, age_seconds=20)))
    assert desk.shown("unknown_oldest_age_seconds", venue="alpha") == 60.0


@pytest.mark.parametrize(
    ("what", "order", "shown"),
    [
        ("market", _order(OrderStatus.OPEN, age_seconds=100), 100.0),
        ("market", _order(OrderStatus.OPEN, age_seconds=100, order_type=OrderType.LIMIT), 0.0),
        ("market", _order(OrderStatus.SUSPENDED, age_seconds=100), 0.0),
        ("submitting", _order(OrderStatus.SUBMITTING, age_seconds=40), 40.0),
        ("submitting", _order(OrderStatus.OPEN, age_seconds=40), 0.0),
        ("pending", _order(OrderStatus.PENDING_CANCEL, age_seconds=50), 45.0),
        ("pending", _order(OrderStatus.PENDING_REPLACE, age_seconds=50), 45.0),
        ("pending", _order(OrderStatus.OPEN, age_seconds=50), 0.0),
        ("working", _order(OrderStatus.OPEN, age_seconds=9_000, order_type=OrderType.LIMIT), 9_000.0),
        ("working", _order(OrderStatus.UNKNOWN, age_seconds=70), 70.0),
    ],
)
def test_oldest_age_when_asked_by_what_then_only_such_orders_count(what: str, order: Order, shown: float) -> None:
    assert _Desk(orders=(order,)).shown("oldest_order_age_seconds", venue="alpha", what=what) == shown


def test_oldest_age_when_an_order_is_from_a_clock_ahead_of_ours_then_it_is_not_negative() -> None:
    order = _order(OrderStatus.SUBMITTING, age_seconds=-5)
    assert _Desk(orders=(order,)).shown("oldest_order_age_seconds", venue="alpha", what="submitting") == 0.0


def _holding(  # noqa: PLR0913 -- a position's figures, each by its name
    symbol: str, quantity: int, cost: int, mark: int | None, *, realised: int = 0, fees: int = 0
) -> Holding:
    position = Position(
        venue=_ALPHA,
        symbol=Symbol(symbol),
        quantity=Decimal(quantity),
        cost=Decimal(cost),
        realised=Decimal(realised),
        fees=Decimal(fees),
    )
    return Holding(position, None if mark is None else Decimal(mark))


_HELD = (
    _holding("AAPL", 10, 100, 12, realised=50, fees=1),
    _holding("IBM", -5, -100, 18),
    _holding("GOOG", 0, 0, 30, realised=-20, fees=2),
    _holding("MSFT", 3, 90, None),
)


@pytest.mark.parametrize(
    ("name", "alpha"),
    [("positions", 3.0), ("realised_dollars", 27.0), ("unrealised_dollars", 30.0), ("equity_dollars", 0.0)],
)
def test_money_when_positions_are_held_then_they_add_up_at_their_venue(name: str, alpha: float) -> None:
    desk = _Desk(held=_HELD)
    assert (desk.shown(name, venue="alpha"), desk.shown(name, venue="beta")) == (alpha, 0.0)


def test_equity_when_the_venue_has_told_it_then_it_is_shown() -> None:
    account = VenueAccount(cash=Decimal(1), equity=Decimal("100000.25"), buying_power=Decimal(2))
    told = (AccountStanding(_ALPHA, account, _NOON), AccountStanding(_BETA, None, None))
    desk = _Desk(standings=told)
    assert (desk.shown("equity_dollars", venue="alpha"), desk.shown("equity_dollars", venue="beta")) == (
        100_000.25,
        0.0,
    )


def test_day_when_it_loses_then_result_and_limit_are_shown() -> None:
    desk = _Desk(result=Decimal("-1800.50"))
    assert (desk.shown("day_result_dollars"), desk.shown("daily_loss_limit_dollars")) == (-1800.5, 2000.0)


def test_ages_when_time_goes_on_then_they_grow() -> None:
    desk = _Desk(orders=(_order(OrderStatus.OPEN, age_seconds=10),))
    desk.clock.advance(30)
    assert desk.shown("oldest_order_age_seconds", venue="alpha", what="market") == 40.0
    assert desk.shown("verdict_remaining_seconds", venue="alpha") == 45.0


class _NoDatabase(_Desk):
    def positions(self) -> tuple[Holding, ...]:
        raise DatabaseUnreachableError("the database does not answer")


def test_scrape_when_the_database_is_away_then_everything_else_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    desk = _NoDatabase(orders=(_order(OrderStatus.UNKNOWN, age_seconds=65),))
    assert desk.shown("unknown_oldest_age_seconds", venue="alpha") == 60.0
    assert [record.levelname for record in caplog.records] == ["WARNING"]
