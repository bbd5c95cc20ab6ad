"""The strategies of a process that trades, and the feeds that bring them their bars. One thread's."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from services.contracts.market import Bar, Symbol
from services.contracts.strategies import StopCause, StrategyState, StrategyStopped
from services.kit.errors import SightlineError
from services.trading.desk.errors import NotOwnerError
from services.trading.engine import store
from services.trading.engine.config import StrategyConfig
from services.trading.engine.feed import Feed, moments_of
from services.trading.engine.parity import Parity
from services.trading.engine.parts import EngineParts
from services.trading.engine.store import Kept
from services.trading.engine.worker import Worker
from services.trading.marketdata.port import Timeframe

_JOIN_SECONDS: Final = 30.0
_NOT_NAMED: Final = "the trading file does not name it any more"

MakeFeed = Callable[[Timeframe, Sequence[Symbol], Callable[[Bar], object]], Feed]

_log = logging.getLogger("services.trading.engine")


@dataclass(frozen=True, slots=True)
class _Team:
    """A feed and those who get its bars."""

    feed: Feed
    workers: list[Worker]


class Crew:
    """Begins and ends strategies.

    Args:
        make_feed: Makes the feed of a length of bar, for symbols, that gives its bars on.
        grace_seconds: How long a decision waits for the other symbols' bars.
        parity: Compares with the reference; closed at the end.
    """

    def __init__(
        self,
        configs: Sequence[StrategyConfig],
        parts: EngineParts,
        make_feed: MakeFeed,
        *,
        grace_seconds: float,
        parity: Parity,
    ) -> None:
        self._configs = tuple(configs)
        self._parts = parts
        self._make_feed = make_feed
        self._grace_seconds = grace_seconds
        self._parity = parity
        self._teams: dict[Timeframe, _Team] = {}
        self.workers: dict[str, Worker] = {}
        self.feeds: tuple[Feed, ...] = ()

    def start(self) -> None:
        """Begin with what was written down.

        Raises:
            MarketDataError, BarsUnavailableError: The bars of the past cannot be read.
            DatabaseError, NotOwnerError: What was written down cannot be read, or another process trades.
        """
        self._forget_others()
        kept = {config.name: self._load(config) for config in self._configs}
        pasts = {}
        for timeframe in dict.fromkeys(config.timeframe for config in self._configs):
            configs = [config for config in self._configs if config.timeframe is timeframe]
            workers = [self._worker(config, kept[config.name]) for config in configs]
            symbols = sorted({symbol for config in configs for symbol in config.symbols})
            team = _Team(self._make_feed(timeframe, symbols, partial(_give, workers)), workers)
            pasts[timeframe] = team.feed.begin(_wanted(configs), _since(configs, kept))
            self._teams[timeframe] = team
        # None begins before the past of all is there.
        for timeframe, team in self._teams.items():
            for worker in team.workers:
                self.workers[worker.config.name] = worker
                if kept[worker.config.name].state is not StrategyState.STOPPED:
                    worker.start(moments_of(pasts[timeframe], worker.config.symbols, timeframe))
        self.feeds = tuple(team.feed for team in self._teams.values())

    def take(self, timeframe: Timeframe, bar: Bar) -> None:
        """A stream brought a bar."""
        self._teams[timeframe].feed.take(bar)

    def tick(self) -> None:
        """Look for overdue bars.

        Raises:
            NotOwnerError: A strategy has ended because another process took over, be it for a moment.
        """
        for worker in self.workers.values():
            if not worker.alive and worker.look.state is not StrategyState.STOPPED:
                raise NotOwnerError
        for feed in self.feeds:
            feed.tick()

    def restart(self, worker: Worker, detail: str) -> Worker:
        """Begin a strategy anew, from the newest bar on. Raises as `start` does."""
        config = worker.config
        was_alive = worker.alive
        self._end([worker])
        with self._parts.database.reading() as connection:
            kept = store.load(connection, config.name) or Kept(config.name, config.kind)
        kept.state, kept.detail, kept.decided = StrategyState.RUNNING, "", None
        if was_alive:
            self._state(StrategyStopped(subject=config.name, cause=StopCause.OPERATOR, detail=detail))
        fresh = self._worker(config, kept)
        team = self._teams[config.timeframe]
        past = team.feed.past(config.symbols, _bars(config))
        team.workers[team.workers.index(worker)] = fresh
        self.workers[config.name] = fresh
        fresh.start(moments_of(past, config.symbols, config.timeframe))
        return fresh

    def stop(self) -> None:
        """End all of them; what they do at this moment is done."""
        alive = [worker for worker in self.workers.values() if worker.alive]
        self._end(alive)
        for worker in alive:
            try:
                self._state(
                    StrategyStopped(subject=worker.config.name, cause=StopCause.SHUTDOWN, detail="the service ends")
                )
            except SightlineError as error:
                _log.warning("that %s ends cannot be written down: %s", worker.config.name, error.detail)
        self._teams = {}
        self._parity.close()

    def _end(self, workers: Sequence[Worker]) -> None:
        for worker in workers:
            worker.stop()
        for worker in workers:
            if not worker.join(_JOIN_SECONDS):
                _log.error("%s does not end; it will once its call to the venue has", worker.config.name)

    def _worker(self, config: StrategyConfig, kept: Kept) -> Worker:
        return Worker(config, self._parts, kept, grace_seconds=self._grace_seconds, decided=self._parity.decided)

    def _load(self, config: StrategyConfig) -> Kept:
        with self._parts.database.reading() as connection:
            kept = store.load(connection, config.name) or Kept(config.name, config.kind)
        if kept.state is StrategyState.STOPPED and kept.detail == _NOT_NAMED:
            kept.state, kept.detail = StrategyState.RUNNING, ""
        kept.kind = config.kind
        return kept

    def _forget_others(self) -> None:
        """What the file does not name any more is stopped; its exits stay at the venue."""
        named = {config.name for config in self._configs}
        with self._parts.database.reading() as connection:
            others = [store.load(connection, name) for name in store.names(connection) if name not in named]
        for kept in others:
            if kept is None or kept.state is StrategyState.STOPPED:
                continue
            kept.state, kept.detail = StrategyState.STOPPED, _NOT_NAMED
            with self._parts.facts.transaction() as tx:
                store.keep(tx.connection, kept)
                tx.record(StrategyStopped(subject=kept.name, cause=StopCause.CONFIGURATION, detail=_NOT_NAMED))

    def _state(self, fact: StrategyStopped) -> None:
        with self._parts.facts.transaction() as tx:
            tx.record(fact)


def _give(workers: Sequence[Worker], bar: Bar) -> None:
    for worker in workers:
        if bar.symbol in worker.config.symbols:
            worker.take(bar)


def _bars(config: StrategyConfig) -> int:
    return config.strategy.warm_up(config.params) + 1


def _wanted(configs: Sequence[StrategyConfig]) -> dict[Symbol, int]:
    wanted: dict[Symbol, int] = {}
    for config in configs:
        for symbol in config.symbols:
            wanted[symbol] = max(wanted.get(symbol, 0), _bars(config))
    return wanted


def _since(configs: Sequence[StrategyConfig], kept: Mapping[str, Kept]) -> dict[Symbol, datetime]:
    since: dict[Symbol, datetime] = {}
    for config in configs:
        decided = kept[config.name].decided
        if decided is not None:
            for symbol in config.symbols:
                since[symbol] = min(since.get(symbol, decided), decided)
    return since
