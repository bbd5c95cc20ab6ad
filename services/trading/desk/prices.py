"""The latest prices as the order path uses them: asked for before its lock, read from memory under it."""

from collections.abc import Iterable

from services.contracts.market import Symbol
from services.trading.marketdata.latest import PriceSource
from services.trading.risk.sight import Reference


class Prices:
    """Remembers what a source told. Safe to use from any thread."""

    def __init__(self, source: PriceSource) -> None:
        self._source = source
        self._told: dict[Symbol, Reference] = {}

    def latest(self, symbol: Symbol) -> Reference | None:
        """The latest price that is known; may wait for the source the first time."""
        mark = self._source.last(symbol)
        if mark is not None:
            self._told[symbol] = Reference(mark.price, mark.at)
        return self._told.get(symbol)

    def known(self, symbol: Symbol) -> Reference | None:
        """The price that was told last; asks nobody."""
        return self._told.get(symbol)

    def refresh(self, symbols: Iterable[Symbol]) -> None:
        """Ask for prices of what is held, so that they are known when they are needed."""
        for symbol in symbols:
            self.latest(symbol)
