"""The engine as it is looked at: by the front door, and when metrics are collected. From memory alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.contracts.orders import StrategyName
from services.contracts.strategies import StrategyBudgetView, StrategyList, StrategyState, StrategyView
from services.trading.engine.config import StrategyConfig
from services.trading.engine.engine import Engine, StrategyNotFoundError
from services.trading.engine.feed import FeedLook
from services.trading.engine.strategist import Look


@dataclass(frozen=True, slots=True)
class _Sight:
    """Implements `strategy_gauges.StrategySight`."""

    name: str
    state: StrategyState
    budget_used: float


class EngineView:
    """Implements `strategy_gauges.EngineSight`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def strategies(self) -> Sequence[_Sight]:
        """Every strategy that the trading file names."""
        return [
            _Sight(config.name, look.state, float(look.exposure / config.largest_exposure))
            for config, look in self._engine.looks()
        ]

    def feeds(self) -> Sequence[FeedLook]:
        """Every symbol that a strategy looks at."""
        return self._engine.feeds()

    def listed(self) -> StrategyList:
        """Every strategy, as it is told over HTTP."""
        return StrategyList(strategies=tuple(_view(config, look) for config, look in self._engine.looks()))

    def one(self, name: StrategyName) -> StrategyView:
        """One strategy. Raises `StrategyNotFoundError`."""
        views = self.listed().strategies
        found = next((view for view in views if view.name == name), None)
        if found is None:
            raise StrategyNotFoundError(tuple(view.name for view in views))
        return found


def _view(config: StrategyConfig, look: Look) -> StrategyView:
    return StrategyView(
        name=config.name,
        kind=config.kind,
        state=look.state,
        symbols=config.symbols,
        timeframe=config.timeframe,
        venue=config.venue,
        parameters=dict(config.params),
        budget=StrategyBudgetView(
            largest_exposure=config.largest_exposure,
            exposure=look.exposure.quantize(_CENT),
            orders_a_day=config.budget.orders_a_day,
            orders_today=look.opened,
        ),
        equity=look.equity.quantize(_CENT),
        held=look.held,
        last_bar_at=look.decided,
        last_signal_at=look.signal_at,
        detail=look.detail,
    )


_CENT = Decimal("0.01")
