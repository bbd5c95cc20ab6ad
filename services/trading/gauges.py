"""What is read off the desk when metrics are collected: orders, venues, money, and what trading may do."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol

from services.contracts.market import OrderType
from services.contracts.orders import OrderStatus, OrderTicket, TradingState, VenueName
from services.contracts.trading import CircuitState
from services.kit.clock import Clock
from services.kit.database_errors import DatabaseError
from services.trading.desk.views import AccountStanding, DeskState, Holding, VenueState, VerdictState
from services.trading.portfolio.position import unrealised
from services.trading.risk.sight import Market
from telemetry.catalogue import (
    TRADING_CIRCUIT_STATE,
    TRADING_CLOCK_SKEW,
    TRADING_DAILY_LOSS_LIMIT,
    TRADING_DAY_RESULT,
    TRADING_EQUITY,
    TRADING_KILL_SWITCH_ACTIVE,
    TRADING_MARKET_OPEN,
    TRADING_OLDEST_ORDER_AGE,
    TRADING_OPEN_ORDERS,
    TRADING_POSITIONS,
    TRADING_RATE_LIMIT_LEFT,
    TRADING_REALISED,
    TRADING_RECONCILED_AT,
    TRADING_STATE,
    TRADING_STREAM_AGE,
    TRADING_STREAM_CONNECTED,
    TRADING_UNKNOWN_OLDEST_AGE,
    TRADING_UNKNOWN_ORDERS,
    TRADING_UNREALISED,
    TRADING_VENUE_HEALTH,
    TRADING_VENUE_HELD,
    TRADING_VENUE_READY,
    TRADING_VERDICT_REMAINING,
    Metric,
)
from telemetry.emit.metrics import Metrics

_NOT_TOLD: Final = -1
_AT_WORK: Final = frozenset({OrderStatus.OPEN, OrderStatus.PARTIAL})
_PENDING: Final = frozenset({OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE})

_log = logging.getLogger("services.trading.gauges")


class OrderSight(Protocol):
    """What is looked at of an order; `services.trading.orders.machine.Order` has it."""

    @property
    def venue(self) -> VenueName: ...

    @property
    def ticket(self) -> OrderTicket: ...

    @property
    def status(self) -> OrderStatus: ...

    @property
    def submitted_at(self) -> datetime: ...

    @property
    def pending_since(self) -> datetime | None: ...

    @property
    def changed_at(self) -> datetime: ...

    @property
    def unknown_since(self) -> datetime | None: ...


class DeskSight(Protocol):
    """What is looked at of trading; `services.trading.desk.desk.Desk` has it. No method waits for a venue."""

    def state(self) -> DeskState:
        """How trading and each venue stand."""

    def positions(self) -> Sequence[Holding]:
        """What is held, and what was: a closed position keeps its realised profit."""

    def accounts(self) -> Sequence[AccountStanding]:
        """Every venue's account."""

    def day_result(self) -> Decimal:
        """The session's profit so far in dollars, as the gate sees it; negative for a loss."""


class TradingGauges:
    """Shows how trading stands.

    Args:
        desk: Where it is read off.
        working: Every order that has not ended, unknown ones included.
        market: What the calendar says of a moment.
        daily_loss: The limit of that name, in dollars.
        metrics: The service's instruments; the venues have been declared.
        clock: Ages are counted against it.
    """

    def __init__(  # noqa: PLR0913 -- what is looked at, each by its name
        self,
        desk: DeskSight,
        *,
        working: Callable[[], Iterable[OrderSight]],
        market: Callable[[datetime], Market],
        daily_loss: Decimal,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._desk = desk
        self._working = working
        self._market = market
        self._daily_loss = daily_loss
        self._metrics = metrics
        self._clock = clock

    def refresh(self) -> None:
        """Read everything anew; for `Metrics.before_collecting`. Blocks on the database, for positions.

        While the database is away the money stays as it was shown last.
        """
        state, now = self._desk.state(), self._clock.now()
        self._show_trading(state, now)
        for venue in state.venues:
            self._show_venue(venue, now)
        names = [venue.venue for venue in state.venues]
        self._show_orders(names, now)
        try:
            self._show_money(names)
        except DatabaseError as error:
            _log.warning("what is held cannot be shown: %s", error.detail)

    def _show_trading(self, state: DeskState, now: datetime) -> None:
        for each in TradingState:
            self._metrics.gauge(TRADING_STATE, state=each.value).set(each is state.state)
        self._metrics.gauge(TRADING_KILL_SWITCH_ACTIVE).set(state.halt_under_way)
        self._metrics.gauge(TRADING_MARKET_OPEN).set(self._market(now) is Market.OPEN)

    def _show_venue(self, venue: VenueState, now: datetime) -> None:
        for each in CircuitState:
            gauge = self._metrics.gauge(TRADING_CIRCUIT_STATE, venue=venue.venue, state=each.value)
            gauge.set(each is venue.circuit)
        reconciled_at = 0.0 if venue.reconciled_at is None else venue.reconciled_at.timestamp()
        limit_left = _NOT_TOLD if venue.rate_limit_left is None else venue.rate_limit_left
        shown: Mapping[Metric, float] = {
            TRADING_VENUE_READY: venue.ready,
            TRADING_VENUE_HELD: bool(venue.holds),
            TRADING_VENUE_HEALTH: venue.score,
            TRADING_STREAM_CONNECTED: venue.stream_connected,
            TRADING_STREAM_AGE: venue.stream_age_seconds or 0.0,
            TRADING_RECONCILED_AT: reconciled_at,
            TRADING_CLOCK_SKEW: venue.skew_seconds or 0.0,
            TRADING_RATE_LIMIT_LEFT: limit_left,
            TRADING_VERDICT_REMAINING: _verdict_remaining(venue, now),
        }
        for metric, value in shown.items():
            self._metrics.gauge(metric, venue=venue.venue).set(value)

    def _show_orders(self, venues: Sequence[VenueName], now: datetime) -> None:
        by_venue: dict[VenueName, list[OrderSight]] = defaultdict(list)
        for order in self._working():
            by_venue[order.venue].append(order)
        for venue in venues:
            unended = by_venue[venue]
            unknown = [order for order in unended if order.status is OrderStatus.UNKNOWN]
            self._metrics.gauge(TRADING_OPEN_ORDERS, venue=venue).set(len(unended))
            self._metrics.gauge(TRADING_UNKNOWN_ORDERS, venue=venue).set(len(unknown))
            oldest = _oldest_age((order.unknown_since or order.changed_at for order in unknown), now)
            self._metrics.gauge(TRADING_UNKNOWN_OLDEST_AGE, venue=venue).set(oldest)
            for what, since in _SINCE.items():
                ages = _oldest_age((at for order in unended if (at := since(order)) is not None), now)
                self._metrics.gauge(TRADING_OLDEST_ORDER_AGE, venue=venue, what=what).set(ages)

    def _show_money(self, venues: Sequence[VenueName]) -> None:
        held = self._desk.positions()
        equities = {each.venue: each.account.equity for each in self._desk.accounts() if each.account is not None}
        for venue in venues:
            here = [each for each in held if each.position.venue == venue]
            shown: Mapping[Metric, float | Decimal] = {
                TRADING_POSITIONS: sum(each.position.quantity != 0 for each in here),
                TRADING_REALISED: sum((each.position.realised - each.position.fees for each in here), Decimal(0)),
                TRADING_UNREALISED: sum((_unrealised(each) for each in here), Decimal(0)),
                TRADING_EQUITY: equities.get(venue, Decimal(0)),
            }
            for metric, value in shown.items():
                self._metrics.gauge(metric, venue=venue).set(float(value))
        self._metrics.gauge(TRADING_DAY_RESULT).set(float(self._desk.day_result()))
        self._metrics.gauge(TRADING_DAILY_LOSS_LIMIT).set(float(self._daily_loss))


def _verdict_remaining(venue: VenueState, now: datetime) -> float:
    expires_at = venue.verdict.expires_at
    if venue.verdict.state is not VerdictState.VALID or expires_at is None:
        return 0.0
    return max(0.0, (expires_at - now).total_seconds())


def _oldest_age(since: Iterable[datetime], now: datetime) -> float:
    oldest = min(since, default=now)
    return max(0.0, (now - oldest).total_seconds())


def _market_since(order: OrderSight) -> datetime | None:
    at_work = order.ticket.order_type is OrderType.MARKET and order.status in _AT_WORK
    return order.submitted_at if at_work else None


def _submitting_since(order: OrderSight) -> datetime | None:
    return order.submitted_at if order.status is OrderStatus.SUBMITTING else None


def _pending_since(order: OrderSight) -> datetime | None:
    return (order.pending_since or order.changed_at) if order.status in _PENDING else None


_SINCE: Final[Mapping[str, Callable[[OrderSight], datetime | None]]] = {
    "working": lambda order: order.submitted_at,
    "market": _market_since,
    "submitting": _submitting_since,
    "pending": _pending_since,
}


def _unrealised(holding: Holding) -> Decimal:
    return Decimal(0) if holding.mark is None else unrealised(holding.position, holding.mark)
