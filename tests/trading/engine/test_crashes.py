"""No signal is lost or doubled, in whatever order bars come and wherever the process ends."""

import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.contracts.market import Bar
from services.contracts.strategies import SignalEmitted
from services.kit.database import Database
from services.trading.engine.config import StrategyConfig
from tests.trading.desk.support import VERSIONS
from tests.trading.engine.running import migrate
from tests.trading.engine.support import A, B, World, bar, trend

_DAYS = 30
_CONFIGS = (
    trend(A, B),
    StrategyConfig.model_validate(
        {
            "name": "momentum",
            "kind": "relative-momentum",
            "symbols": (A, B),
            "parameters": {"skip": 0, "lookback": 20, "hold": 1, "every": "week", "only": "any"},
            "capital": "10000",
        }
    ),
)


def _bars(seed: int) -> list[tuple[Bar, Bar]]:
    chance = random.Random(seed)  # noqa: S311 -- reproducible on purpose
    prices = {A: 100.0, B: 50.0}
    days = []
    for day in range(_DAYS):
        made = []
        for symbol in (A, B):
            opened = prices[symbol] * chance.uniform(0.97, 1.03)
            prices[symbol] = opened * chance.uniform(0.93, 1.07)
            made.append(bar(symbol, day, round(Decimal(prices[symbol]), 2), opened=round(Decimal(opened), 2)))
        days.append((made[0], made[1]))
    return days


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database, so that not every example has to make one."""
    directory = tmp_path_factory.mktemp("template")
    migrate(directory)
    return directory / "trading.db"


@contextmanager
def _world(config: StrategyConfig, template: Path) -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="sightline-engine-") as name:
        path = Path(name) / "trading.db"
        shutil.copyfile(template, path)
        database = Database(f"sqlite:///{path}", service="trading", versions=(VERSIONS,))
        try:
            yield World(database, config)
        finally:
            database.close()


@lru_cache
def _undisturbed(place: int, seed: int, template: Path) -> World:
    with _world(_CONFIGS[place], template) as world:
        for bars in _bars(seed):
            world.day(*bars)
        return world


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    place=st.sampled_from(range(len(_CONFIGS))),
    seed=st.integers(0, 3),
    fuses=st.dictionaries(st.integers(0, _DAYS - 1), st.integers(0, 25), max_size=12),
    noise=st.randoms(use_true_random=False),
)
def test_repeated_reordered_and_late_bars_and_ends_at_any_statement_change_nothing(
    template: Path, place: int, seed: int, fuses: dict[int, int], noise: random.Random
) -> None:
    days = _bars(seed)
    expected = _undisturbed(place, seed, template)
    with _world(_CONFIGS[place], template) as world:
        for day, bars in enumerate(days):
            world.trade(bars)
            heard = [*bars, *noise.sample(bars, noise.randint(0, 2)), *noise.choice(days[: day + 1])]
            noise.shuffle(heard)
            world.fuse.left = fuses.get(day)
            for each in heard:
                world.hear([each])
            world.fuse.left = None
            world.hear(())

        assert world.sent == expected.sent
        names = [name for name, _ in world.broker.submitted]
        assert len(names) == len(set(names))
        assert world.look.equity == expected.look.equity
        assert world.look.held == expected.look.held
        told = [fact.intent_id for fact in world.house.said(SignalEmitted)]
        assert sorted(told) == sorted(set(told))
        assert len(told) == len(world.sent)


@pytest.mark.parametrize("statement", range(14))
def test_an_end_at_each_statement_of_a_decision_leaves_one_order(template: Path, statement: int) -> None:
    days = _bars(2)
    expected = _undisturbed(0, 2, template)
    first = next(number for number in range(_DAYS) if _sent_by(number, template))
    with _world(_CONFIGS[0], template) as world:
        for number, bars in enumerate(days):
            world.trade(bars)
            world.fuse.left = statement if number == first else None
            world.hear(bars)
            world.fuse.left = None
            world.hear(())

        assert world.sent == expected.sent
        assert world.look.equity == expected.look.equity


@lru_cache
def _sent_by(day: int, template: Path) -> int:
    with _world(_CONFIGS[0], template) as world:
        for bars in _bars(2)[: day + 1]:
            world.day(*bars)
        return len(world.sent)
