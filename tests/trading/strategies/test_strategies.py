"""What holds for every strategy: it knows nothing of the future, and forgets what lies before its warm-up."""

from collections.abc import Mapping
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.columns import Panel
from services.contracts.market import Symbol
from services.trading.strategies.parameters import Integer, ParameterSpace, Params, Real
from services.trading.strategies.protocol import Decisions, Strategy, nothing
from services.trading.strategies.registry import STRATEGIES, UnknownStrategyError, find
from tests.trading.strategies.bars import changed_after, random_panel

LENGTH = 700
EVERY = sorted(STRATEGIES)


def settings_of(space: ParameterSpace) -> st.SearchStrategy[Params]:
    def values(parameter: object) -> st.SearchStrategy[object]:
        if isinstance(parameter, Integer):
            return st.integers(parameter.low, parameter.high)
        if isinstance(parameter, Real):
            return st.floats(parameter.low, parameter.high)
        return st.sampled_from(parameter.options)  # type: ignore[attr-defined] # a Choice

    drawn = st.fixed_dictionaries({parameter.name: values(parameter) for parameter in space.parameters})
    return drawn.filter(space.allows)  # type: ignore[arg-type,return-value] # values of the declared types


def same(one: Decisions, other: Decisions, rows: slice) -> bool:
    return all(
        np.array_equal(getattr(one, field.name)[rows], getattr(other, field.name)[rows], equal_nan=True)
        for field in fields(Decisions)
    )


class Peeking:
    """Buys before the price rises: what the guard must catch."""

    name, version, title, symbols_needed, resizes = "peeking", 1, "looks ahead", 1, False
    space = ParameterSpace((Integer(name="days", low=1, high=5, default=1),))

    def warm_up(self, params: Params) -> int:
        return int(params["days"])

    def decide(self, panel: Panel, params: Params) -> Mapping[Symbol, Decisions]:
        ahead = int(params["days"])
        decided = {}
        for symbol, columns in panel.items():
            out = nothing(len(columns))
            out.target[:-ahead] = (columns.close[ahead:] > columns.close[:-ahead]).astype(float)
            decided[symbol] = out
        return decided


def looks_ahead(strategy: Strategy, params: Params, panel: Panel, place: int, seed: int) -> bool:
    """Whether another future makes it decide otherwise at or before `place`."""
    other = {symbol: changed_after(columns, place, seed + at) for at, (symbol, columns) in enumerate(panel.items())}
    before, after = strategy.decide(panel, params), strategy.decide(other, params)
    return not all(same(before[symbol], after[symbol], slice(0, place + 1)) for symbol in panel)


@pytest.mark.parametrize("name", EVERY)
@given(data=st.data(), seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_another_future_changes_no_decision_of_the_past(name: str, data: st.DataObject, seed: int) -> None:
    strategy = STRATEGIES[name]
    params = data.draw(settings_of(strategy.space))
    place = data.draw(st.integers(0, LENGTH - 2))

    assert not looks_ahead(strategy, params, random_panel(LENGTH, seed), place, seed)


@pytest.mark.parametrize("name", EVERY)
@given(data=st.data(), seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_a_window_with_its_warm_up_decides_as_the_whole_history_does(name: str, data: st.DataObject, seed: int) -> None:
    strategy = STRATEGIES[name]
    params = data.draw(settings_of(strategy.space))
    panel = random_panel(LENGTH, seed)
    warm_up = strategy.warm_up(params)
    place = data.draw(st.integers(warm_up, LENGTH - 1))

    window = {symbol: columns.between(place - warm_up, place + 1) for symbol, columns in panel.items()}
    whole, live = strategy.decide(panel, params), strategy.decide(window, params)

    for symbol in panel:
        last = {field.name: getattr(live[symbol], field.name)[-1] for field in fields(Decisions)}
        expected = {field.name: getattr(whole[symbol], field.name)[place] for field in fields(Decisions)}
        assert last == pytest.approx(expected, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", EVERY)
def test_nothing_is_decided_during_the_warm_up(name: str) -> None:
    strategy = STRATEGIES[name]
    params = strategy.space.default

    decided = strategy.decide(random_panel(LENGTH, 7), params)

    for decisions in decided.values():
        assert np.isnan(decisions.target[: strategy.warm_up(params)]).all()


@pytest.mark.parametrize("name", EVERY)
def test_every_strategy_decides_something_on_a_random_walk(name: str) -> None:
    strategy = STRATEGIES[name]

    decided = strategy.decide(random_panel(LENGTH, 11), strategy.space.default)

    assert any((decisions.target > 0).any() for decisions in decided.values())


@pytest.mark.parametrize("name", EVERY)
def test_no_bars_are_no_decisions(name: str) -> None:
    strategy = STRATEGIES[name]

    decided = strategy.decide(random_panel(0, 1), strategy.space.default)

    assert [len(decisions) for decisions in decided.values()] == [0, 0, 0]


def test_a_strategy_that_peeks_is_caught() -> None:
    assert looks_ahead(Peeking(), {"days": 1}, random_panel(LENGTH, 3), 400, 3)


def test_momentum_never_holds_more_than_its_budget() -> None:
    strategy = STRATEGIES["relative-momentum"]

    decided = strategy.decide(random_panel(LENGTH, 5, symbols=6), {**strategy.space.default, "hold": 4})

    held = np.nansum([decisions.target for decisions in decided.values()], axis=0)
    assert held.max() <= 1.0 + 1e-12


def test_an_unknown_strategy_is_told_with_those_that_there_are() -> None:
    with pytest.raises(UnknownStrategyError, match="there is no strategy 'magic'; there are band-reversion"):
        find("magic")
