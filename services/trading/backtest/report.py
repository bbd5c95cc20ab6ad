"""One HTML page that tells a run: nothing is loaded from elsewhere, and the same run makes the same bytes."""

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from services.trading.backtest.measures import measures_of
from services.trading.backtest.plots import equity_chart, trades_chart
from services.trading.backtest.result import BacktestResult, RoundTrip
from services.trading.backtest.telling import LIMITS, conditions, told

_MOST_TRADES: Final = 500
_MOST_CHARTS: Final = 8


def render_report(result: BacktestResult) -> str:
    """The page. It shows the first 500 trades and the first 8 symbols, and says so."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=False
    )
    names = ", ".join(result.symbols)
    first, last = (f"{each:%Y-%m-%d %H:%M}" for each in (result.moment(0), result.moment(-1)))
    trips = list(result.each_trip())
    return environment.get_template("report.html.j2").render(
        title=f"{result.strategy} on {names}",
        period=f"{len(result.time_ns):,} bars from {first} to {last} UTC",
        setting=[
            ("strategy", f"{result.strategy}, version {result.version}"),
            *((name, f"{value}") for name, value in result.params.items()),
            *conditions(result.config),
        ],
        measures=told(measures_of(result)),
        charts=_charts(result),
        trades=[_row(trip) for trip in trips[:_MOST_TRADES]],
        trades_note=f"{min(len(trips), _MOST_TRADES):,} of {len(trips):,} by their ends; money in dollars.",
        limits=[each.replace("`", "") for each in LIMITS],
    )


def _charts(result: BacktestResult) -> list[dict[str, str]]:
    charts = {"Equity and drawdown": equity_chart(result)}
    for symbol in result.symbols[:_MOST_CHARTS]:
        charts[f"{symbol}: closes and trades"] = trades_chart(result, symbol)
    return [{"title": title, "svg": _inline(svg)} for title, svg in charts.items()]


def _inline(svg: bytes) -> Markup:
    text = svg.decode()
    # Drawn by us from numbers and symbols, which matplotlib has escaped; the prologue is for files of their own.
    return Markup(text[text.index("<svg") :])  # noqa: S704


def _row(trip: RoundTrip) -> dict[str, str]:
    return {
        "symbol": trip.symbol,
        "shares": f"{trip.shares:+,}",
        "entered": f"{trip.entered_at:%Y-%m-%d %H:%M}",
        "entry_price": f"{trip.entry_price:,f}",
        "left": "open" if trip.open else f"{trip.left_at:%Y-%m-%d %H:%M}",
        "exit_price": f"{trip.exit_price:,f}",
        "reason": "" if trip.open else trip.reason.name.lower(),
        "fees": f"{trip.fees:,.2f}",
        "profit": f"{trip.profit:+,.2f}",
        "change": f"{trip.change * 100:+.2f} %",
    }
