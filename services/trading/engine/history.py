"""Bars of the past for a venue that replays recorded ones: as far as it has got, and no further."""

from collections.abc import Mapping
from datetime import datetime

from services.contracts.bars import joined, within
from services.contracts.columns import Columns
from services.contracts.market import Symbol
from services.kit.bar_times import LATEST
from services.trading.marketdata.port import Adjustment, BarRequest, BarSource, Timeframe


class ReplayedHistory:
    """Implements `BarSource`: a file's bars, and after them those that the venue has played.

    Args:
        file: The bars of a file; a symbol that it lacks has none.
        venue: What the venue has played.
    """

    def __init__(self, file: Mapping[Symbol, Columns], venue: BarSource) -> None:
        self._file = file
        self._venue = venue

    def bars(self, request: BarRequest) -> Columns:
        """Implements `BarSource`; where both have a bar the venue's counts."""
        played = self._venue.bars(request)
        recorded = self._file.get(request.symbol)
        return played if recorded is None else joined(within(recorded, request.start, request.end), played)

    def played(self, symbol: Symbol, since: datetime, timeframe: Timeframe) -> Columns:
        """The bars that the venue has played, from the one that begins at a moment on. Raises as `bars` does."""
        return self._venue.bars(
            BarRequest(symbol=symbol, start=since, end=LATEST, timeframe=timeframe, adjustment=Adjustment.SPLIT)
        )
