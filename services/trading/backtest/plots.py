"""Pictures of a run, as SVG or PNG: the same bytes for the same run."""

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import Any, Final, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from services.contracts.bars import moment_of
from services.contracts.columns import Floats, Ints
from services.contracts.market import Symbol
from services.trading.backtest.measures import equity_with_start
from services.trading.backtest.result import BacktestResult, Reason
from services.trading.performance.drawdown import drawdowns

Format = Literal["svg", "png"]

_MOST_POINTS: Final = 2_000  # more than a screen is wide; each chart stays below some hundred kilobytes
_MOST_MARKS: Final = 1_000
_BLUE, _RED, _GREEN, _GREY = "#1f5fa8", "#b3261e", "#1b7f4b", "#6b7280"
_MARKS: Final = {
    Reason.SIGNAL: "s",
    Reason.STOP: "x",
    Reason.TARGET: "*",
    Reason.RESIZE: "d",
    Reason.END: "o",
}
# Text as outlines looks alike everywhere; the salt makes ids from what they name instead of from chance.
_STYLE: Final[dict[Any, Any]] = {"svg.hashsalt": "sightline", "svg.fonttype": "path", "font.size": 9, "axes.grid": True}


def equity_chart(result: BacktestResult, form: Format = "svg") -> bytes:
    """Equity in dollars, and below it how far it lies under its best."""
    equity = equity_with_start(result)[1:]
    below = drawdowns(equity_with_start(result))[1:] * 100.0
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 5.0), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        _line(upper, result.time_ns, equity, _BLUE)
        upper.axhline(float(result.config.capital), color=_GREY, linewidth=0.8, linestyle="--")
        upper.set_ylabel("equity, dollars")
        _line(lower, result.time_ns, below, _RED)
        lower.set_ylabel("drawdown, %")
        return _bytes(figure, form)


def trades_chart(result: BacktestResult, symbol: Symbol, form: Format = "svg") -> bytes:
    """Closes of a symbol with its first thousand entries (triangles, by direction) and exits (marks, by reason)."""
    row = result.symbols.index(symbol)
    trips = [trip for trip in result.each_trip() if trip.symbol == symbol][:_MOST_MARKS]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 3.6), layout="constrained")
        axes = figure.subplots()
        _line(axes, result.time_ns, result.close[row], _GREY)
        for long, marker, colour, name in ((True, "^", _GREEN, "bought"), (False, "v", _RED, "sold short")):
            chosen = [trip for trip in trips if (trip.shares > 0) is long]
            points = [(trip.entered_at, float(trip.entry_price)) for trip in chosen]
            _marks(axes, points, marker, colour, name)
        for reason, marker in _MARKS.items():
            left = [(t.left_at, float(t.exit_price)) for t in trips if t.reason is reason and not t.open]
            _marks(axes, left, marker, _BLUE, f"left: {reason.name.lower()}")
        axes.set_ylabel(f"{symbol}, dollars")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="best", fontsize=8)
        return _bytes(figure, form)


def thinned(values: Floats, most: int) -> Ints:
    """Places of at most about `most` values that look like all of them: the least and the greatest of each stretch."""
    if len(values) <= most:
        return np.arange(len(values), dtype=np.int64)
    edges = np.linspace(0, len(values), most // 2 + 1).astype(np.int64)
    found: set[int] = {0, len(values) - 1}
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        stretch = values[start:end]
        if not np.isnan(stretch).all():
            found.update((start + int(np.nanargmin(stretch)), start + int(np.nanargmax(stretch))))
    return np.array(sorted(found), dtype=np.int64)


def _line(axes: Axes, time_ns: Ints, values: Floats, colour: str) -> None:
    places = thinned(values, _MOST_POINTS)
    moments: list[Any] = [moment_of(each) for each in time_ns[places].tolist()]
    axes.plot(moments, values[places], color=colour, linewidth=1.0)


def _marks(axes: Axes, points: Sequence[tuple[datetime, float]], marker: str, colour: str, name: str) -> None:
    if points:
        moments, prices = zip(*points, strict=True)
        axes.scatter(moments, prices, marker=marker, color=colour, s=22, label=name, zorder=3)


def _bytes(figure: Figure, form: Format) -> bytes:
    out = BytesIO()
    # No date, no program's version: they would make other bytes of the same run.
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None} if form == "svg" else {"Software": None}
    figure.savefig(out, format=form, metadata=metadata, dpi=120)
    return out.getvalue()
