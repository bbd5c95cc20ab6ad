"""What an engine does in paper on recorded bars is what the reference backtest does on them, also over kill -9."""

import random
import time
from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from services.contracts.orders import VenueName
from services.trading.engine.config import StrategyConfig
from tests.trading.engine.process import Life, Lives, Site
from tests.trading.engine.replaying import (
    CASH,
    SETTINGS,
    Past,
    last_minutes,
    packaged,
    reference,
    strategy,
    trades_at,
    trades_of,
    venues,
)
from tests.trading.engine.running import Progress, RunningEngine, migrate, paper_at, push, wait_until
from tests.venue.broker.serving import ServedVenue

_TWO = ("AAPL", "NVDA")
_SIX = ("AAPL", "AMZN", "GOOG", "META", "NFLX", "NVDA")


def _wait_for_the_first_life(progress: Progress, served: Sequence[ServedVenue], names: Sequence[str]) -> None:
    wait_until(lambda: progress.decided().keys() == set(names), progress.decided)
    wait_until(lambda: served[-1].venue.bar_hub.subscribers > 0)


def _play(past: Past, served: Sequence[ServedVenue], progress: Progress, names: Sequence[str]) -> None:
    for start, bars in past.moments():
        push(served, bars)
        wait_until(partial(progress.through, start, names), progress.decided)


def _same_as_the_reference(configs: Sequence[StrategyConfig], past: Past, there: dict[VenueName, ServedVenue]) -> None:
    for config in configs:
        assert config.venue is not None
        result, venue = reference(config, past), there[config.venue]
        assert trades_of(result), "the test is about strategies that trade"
        assert trades_at(venue) == trades_of(result)
        (account,) = venue.venue.books.accounts.values()
        equity = account.money.equity(venue.venue.books.marks(account)) - CASH + config.capital
        assert float(equity) == pytest.approx(result.equity[-1], abs=1e-6)


def test_paper_trades_of_days_are_those_of_the_reference(tmp_path: Path) -> None:
    _replayed(tmp_path, packaged(_TWO, 200, 260), tuple(SETTINGS))


def test_paper_trades_of_minutes_are_those_of_the_reference(tmp_path: Path) -> None:
    sessions = [date(2024, 7, 2), date(2024, 7, 5), date(2024, 7, 8)]
    past = last_minutes(_TWO, sessions, 30, seed=3)
    _replayed(tmp_path, past, ("sma-cross", "band-reversion", "channel-breakout"), timeframe="1min")


def _replayed(tmp_path: Path, past: Past, names: Sequence[str], **changed: object) -> None:
    configs = [strategy(kind, _TWO, kind, **changed) for kind in names]
    with venues(tmp_path, *names) as there:
        served = list(there.values())
        papers = {name: paper_at(name, each.base_url, each.headers, served=each) for name, each in there.items()}
        house = RunningEngine(tmp_path, papers, configs, data=VenueName(names[-1]))
        progress = Progress(tmp_path / "trading.db")
        with house.running():
            _wait_for_the_first_life(progress, served, names)
            _play(past, served, progress, names)
        _same_as_the_reference(configs, past, there)


def test_a_process_that_is_killed_again_and_again_trades_as_if_it_had_lived(tmp_path: Path) -> None:
    _killed(tmp_path, packaged(_TWO, 0, 252), kills=3, seed=4, kinds=("sma-cross", "band-reversion"))


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "kinds", [("sma-cross", "band-reversion", "relative-momentum"), ("channel-breakout",)], ids=lambda kinds: kinds[0]
)
def test_ten_years_of_six_symbols_with_kills_in_the_middle(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    _killed(tmp_path, packaged(_SIX, 0, 2_600), kills=5, seed=9, kinds=kinds)


def _killed(directory: Path, past: Past, *, kills: int, seed: int, kinds: Sequence[str] = tuple(SETTINGS)) -> None:
    """Replay with strategies at a venue each, and kill the process at moments by chance, soon after a bar."""
    migrate(directory)
    symbols = sorted(past.columns)
    names = list(kinds)
    configs = tuple(strategy(kind, symbols, kind) for kind in kinds)
    moments = list(past.moments())
    chance = random.Random(seed)  # noqa: S311 -- reproducible on purpose
    ends = set(chance.sample(range(20, len(moments)), kills))
    with venues(directory, *kinds) as there, Lives() as lives:
        served = list(there.values())
        sites = tuple(Site(name=name, base_url=each.base_url, headers=each.headers) for name, each in there.items())
        life = Life(directory=directory, sites=sites, strategies=configs, data=VenueName(kinds[-1]))
        lives.begin(life)
        progress = Progress(directory / "trading.db")
        _wait_for_the_first_life(progress, served, names)
        for number, (start, bars) in enumerate(moments):
            push(served, bars)
            if number in ends:
                time.sleep(chance.uniform(0.0, 0.05))  # the moment of the kill, not a wait for anything
                lives.kill()
                lives.begin(life)
            wait_until(partial(progress.through, start, names), progress.decided)
        assert progress.lost() == []
        _same_as_the_reference(configs, past, there)
