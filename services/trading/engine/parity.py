"""Holds what strategies did against the reference backtest over the same bars: after the fact, never in an order's way.

Compared are the fills of each symbol, one after the other: what for, which way, and how many shares, to a hundredth.
Their prices are not: slippage and fees are the venue's.
"""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import zip_longest
from typing import Final

import numpy as np
from sqlalchemy import Connection, select

from services.contracts.bars import moment_of, nanoseconds_of, on_one_axis, on_ticks
from services.contracts.columns import Panel
from services.contracts.market import OrderType, Symbol
from services.contracts.orders import OrderTicket
from services.contracts.strategies import ParityDiverged
from services.kit.bar_times import EARLIEST
from services.kit.errors import SightlineError
from services.kit.moments import microseconds, moment
from services.matching.costs import Costs
from services.trading.backtest.config import BacktestConfig
from services.trading.backtest.reference import run_reference
from services.trading.backtest.result import Reason
from services.trading.engine.account import Baseline
from services.trading.engine.config import StrategyConfig
from services.trading.engine.market_time import BarCalendar
from services.trading.engine.parts import EngineParts
from services.trading.engine.schedule import scheduled
from services.trading.engine.store import base_leg
from services.trading.engine.strategist import Strategist
from services.trading.engine.tables import STRATEGY_SIGNALS
from services.trading.marketdata.port import Adjustment, BarRequest, BarSource, Timeframe
from services.trading.orders.tables import FILLS, ORDERS
from services.trading.strategies.parameters import ParameterSpace, Params
from services.trading.strategies.protocol import Decisions, Strategy

MOST_BARS: Final = 20_000  # of one comparison: then it begins anew, once nothing is open
_TICK: Final = timedelta(microseconds=1)
_TOLERANCE: Final = Decimal("0.01")
_KINDS: Final = {
    Reason.ENTRY: "entry",
    Reason.SIGNAL: "close",
    Reason.STOP: "stop",
    Reason.TARGET: "target",
    Reason.RESIZE: "resize",
}
_STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})

_log = logging.getLogger("services.trading.engine")


@dataclass(frozen=True, slots=True)
class Did:
    """Shares that changed hands, negative for sold, and what for; `at` is the start of a bar."""

    symbol: Symbol
    at: datetime
    shares: Decimal
    kind: str

    def __str__(self) -> str:
        return f"{self.kind} {self.shares:+}"


@dataclass(frozen=True, slots=True)
class _Job:
    config: StrategyConfig
    baseline: Baseline
    until: datetime
    told_by: datetime


class Parity:
    """Compares strategies with the reference every so many bars, on a thread of its own.

    Args:
        history: The same bars, of the past.
        every: Bars between two comparisons, by their length; 0 for never.
    """

    def __init__(self, parts: EngineParts, history: BarSource, every: Mapping[Timeframe, int]) -> None:
        self._parts = parts
        self._history = history
        self._every = every
        self._seen: dict[str, int] = {}
        self._anew: set[str] = set()
        self._at_work: dict[str, Future[None]] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="parity")

    def decided(self, strategist: Strategist, at: datetime) -> None:
        """A strategy has decided at a bar; in its thread."""
        config = strategist.config
        name, every = config.name, self._every[config.timeframe]
        seen = self._seen[name] = self._seen.get(name, 0) + 1
        if name in self._anew or seen > MOST_BARS:
            self._anew.discard(name)
            self._seen[name] = 0
            strategist.rebase()
        baseline, at_work = strategist.baseline, self._at_work.get(name)
        if not every or seen % every or baseline is None or (at_work is not None and not at_work.done()):
            return
        job = _Job(config, baseline, at, self._parts.clock.now())
        self._at_work[name] = self._pool.submit(self._check, job)

    def close(self) -> None:
        """Begin nothing more, and wait for what is at work."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _check(self, job: _Job) -> None:
        try:
            found = self.compare(job.config, job.baseline, job.until, job.told_by)
            if found is not None:
                with self._parts.facts.transaction() as tx:
                    tx.record(found)
        except SightlineError as error:
            _log.warning("%s is not compared with the reference: %s", job.config.name, error.detail)
        else:
            if found is not None:
                self._anew.add(job.config.name)

    def compare(
        self, config: StrategyConfig, baseline: Baseline, until: datetime, told_by: datetime
    ) -> ParityDiverged | None:
        """The first difference, None when there is none.

        Args:
            config: The strategy.
            baseline: From where on.
            until: Start of the last bar.
            told_by: Fills that were booked later are of later bars.

        Raises:
            MarketDataError, BarsUnavailableError: The bars cannot be read.
            BadPanelError: They cannot be traded on.
            DatabaseError: The fills cannot be read.
        """
        panel = self._panel(config, baseline, until)
        if not any(len(columns) for columns in panel.values()):
            return None
        expected = reference(config, baseline, panel, self._parts.calendars[config.timeframe])
        with self._parts.database.reading() as connection:
            done = _done(connection, config.name, baseline.after, told_by)
        for symbol in config.symbols:
            ours = [each for each in done if each.symbol == symbol]
            theirs = [each for each in expected if each.symbol == symbol]
            found = difference(ours, theirs, until)
            if found is not None:
                at, words = found
                return ParityDiverged(subject=config.name, symbol=symbol, at=at, difference=words)
        return None

    def _panel(self, config: StrategyConfig, baseline: Baseline, until: datetime) -> Panel:
        calendar = self._parts.calendars[config.timeframe]
        warm_up = calendar.span(config.strategy.warm_up(config.params) + 1)
        start = EARLIEST if baseline.after is None else max(baseline.after - warm_up, EARLIEST)
        return on_one_axis(
            {
                symbol: on_ticks(
                    self._history.bars(
                        BarRequest(
                            symbol=symbol,
                            start=start,
                            end=until + _TICK,
                            timeframe=config.timeframe,
                            adjustment=Adjustment.SPLIT,
                        )
                    )
                )
                for symbol in config.symbols
            }
        )


def reference(config: StrategyConfig, baseline: Baseline, panel: Panel, calendar: BarCalendar) -> list[Did]:
    """What the reference does over bars, from a baseline on."""
    strategy = _Later(config.strategy, config, baseline.after, calendar)
    conditions = BacktestConfig(capital=baseline.equity.quantize(Decimal("0.01")), costs=Costs(), budget=config.part)
    result = run_reference(strategy, panel, config.params, conditions)
    return [Did(fill.symbol, fill.at, Decimal(fill.shares), _KINDS[fill.reason]) for fill in result.each_fill()]


def difference(ours: Sequence[Did], theirs: Sequence[Did], until: datetime) -> tuple[datetime, str] | None:
    """Where two accounts of one symbol differ for the first time, and how; None when they do not."""
    for done, expected in zip_longest(ours, theirs):
        if done is None:
            if expected.at >= until:  # it may not have been told yet
                return None
            return expected.at, f"the reference does {expected}, and nothing was done"
        if expected is None:
            return done.at, f"{done} was done, and the reference does nothing"
        if done.kind != expected.kind or abs(done.shares - expected.shares) > _TOLERANCE * abs(expected.shares):
            return expected.at, f"{done} was done, the reference does {expected}"
    return None


@dataclass(frozen=True)
class _Later:
    """A strategy that decides nothing before a moment, nor outside of its schedule."""

    inner: Strategy
    config: StrategyConfig
    after: datetime | None
    calendar: BarCalendar

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def version(self) -> int:
        return self.inner.version

    @property
    def title(self) -> str:
        return self.inner.title

    @property
    def space(self) -> ParameterSpace:
        return self.inner.space

    @property
    def symbols_needed(self) -> int:
        return self.inner.symbols_needed

    @property
    def resizes(self) -> bool:
        return self.inner.resizes

    def warm_up(self, params: Params) -> int:
        return self.inner.warm_up(params)

    def decide(self, panel: Panel, params: Params) -> Mapping[Symbol, Decisions]:
        decided = self.inner.decide(panel, params)
        times = next(iter(panel.values())).time_ns
        silent = np.zeros(len(times), dtype=bool) if self.after is None else times <= nanoseconds_of(self.after)
        if self.config.schedule.hours != "always":
            silent |= np.array([not scheduled(self.config, self.calendar, moment_of(each)) for each in times.tolist()])
        for decisions in decided.values():
            decisions.target[silent] = np.nan
        return decided


def _done(connection: Connection, strategy: str, after: datetime | None, told_by: datetime) -> list[Did]:
    """A strategy's fills since a bar, those of one order together, oldest first."""
    since = -1 if after is None else microseconds(after)
    query = (
        select(ORDERS.c.client_order_id, ORDERS.c.symbol, ORDERS.c.ticket, ORDERS.c.parent, FILLS.c.quantity)
        .add_columns(STRATEGY_SIGNALS.c.leg, STRATEGY_SIGNALS.c.bar_at_us)
        .join(ORDERS, ORDERS.c.client_order_id == FILLS.c.client_order_id)
        .join(STRATEGY_SIGNALS, STRATEGY_SIGNALS.c.intent_id == ORDERS.c.intent_id)
        .select_from(FILLS)
        .where(STRATEGY_SIGNALS.c.strategy == strategy, STRATEGY_SIGNALS.c.bar_at_us > since)
        .where(FILLS.c.booked_at_us <= microseconds(told_by))
        .order_by(FILLS.c.booked_at_us, FILLS.c.client_order_id, FILLS.c.position)
    )
    found: dict[str, Did] = {}
    for row in connection.execute(query):
        ticket = OrderTicket.model_validate_json(row.ticket)
        shares = Decimal(row.quantity) * ticket.side.sign
        if not shares:
            continue
        kind = base_leg(row.leg) if row.parent is None else "stop" if ticket.order_type in _STOPS else "target"
        before = found.get(row.client_order_id)
        total = shares if before is None else before.shares + shares
        found[row.client_order_id] = Did(Symbol(row.symbol), moment(row.bar_at_us), total, kind)
    return list(found.values())
