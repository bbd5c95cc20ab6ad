"""Strategies at work, from the command line."""

from typing import Annotated, Final
from urllib.parse import quote

import typer
from rich.text import Text

from services.console.commands.calling import call
from services.console.commands.context import Operator, operator_of
from services.console.commands.render import Cell, clock_time, columns, dollars, header, number
from services.console.stack.errors import StackError
from services.contracts.strategies import StrategyList, StrategyState, StrategyView
from services.contracts.trading_views import StateRequest

_SECONDS: Final = 30.0
_STYLES: Final = {
    StrategyState.RUNNING: "green",
    StrategyState.WARMING_UP: "cyan",
    StrategyState.PAUSED: "yellow",
    StrategyState.STOPPED: "bold red",
}
_Name = Annotated[str, typer.Argument(help="The strategy's name, as `sightline strategies list` shows it.")]
_Reason = Annotated[str, typer.Option(help="Why, for the record.")]


def make_app() -> typer.Typer:
    """The commands of `sightline strategies`."""
    app = typer.Typer(help="Strategies at work: look at them, pause, resume and restart them.", no_args_is_help=True)
    app.command(name="list")(list_all)
    for command in (show, pause, resume, restart):
        app.command()(command)
    return app


def list_all(context: typer.Context) -> None:
    """Show every strategy that the trading file names. Exit code 1 when one is stopped."""
    operator = operator_of(context)
    strategies = _strategies(operator)
    if not strategies:
        operator.progress.note("the trading file names no strategy; docs/strategies.md shows how it does")
        return
    names = header(
        "strategy", "kind", "state", "symbols", "venue", "equity", "exposure", "last bar", "last signal", "why"
    )
    operator.out.print(columns([names, *map(_row, strategies)]), soft_wrap=True)
    if any(each.state is StrategyState.STOPPED for each in strategies):
        raise typer.Exit(1)


def show(context: typer.Context, name: _Name) -> None:
    """Show one strategy: parameters, budget, and what it holds."""
    operator = operator_of(context)
    view = next((each for each in _strategies(operator) if each.name == name), None)
    if view is None:
        raise StackError(
            f"there is no strategy {name}", remedy="`sightline strategies list` shows those that there are"
        )
    budget = view.budget
    orders = "no limit" if budget.orders_a_day is None else f"{budget.orders_today} of {budget.orders_a_day}"
    rows: list[list[Cell]] = [
        ["kind", f"{view.kind}, bars of {view.timeframe}"],
        ["state", (view.state.replace("_", " "), _STYLES[view.state])],
        ["why", view.detail],
        ["venue", view.venue or "any"],
        ["parameters", ", ".join(f"{key}={value}" for key, value in view.parameters.items())],
        ["equity", dollars(view.equity)],
        ["exposure", f"{dollars(budget.exposure)} of {dollars(budget.largest_exposure)}"],
        ["orders today", orders],
        ["holds", ", ".join(f"{number(held)} {symbol}" for symbol, held in view.held.items()) or "nothing"],
        ["last bar", "" if view.last_bar_at is None else view.last_bar_at.isoformat()],
        ["last signal", "" if view.last_signal_at is None else clock_time(view.last_signal_at)],
    ]
    operator.out.print(columns([row for row in rows if row[1]]), soft_wrap=True)


def pause(context: typer.Context, name: _Name, *, reason: _Reason = "told from the command line") -> None:
    """Have a strategy send nothing until `resume`, over restarts. What protects its positions keeps working."""
    _change(context, name, "pause", reason)


def resume(context: typer.Context, name: _Name, *, reason: _Reason = "told from the command line") -> None:
    """Have a paused strategy send again, from its next bar on."""
    _change(context, name, "resume", reason)


def restart(context: typer.Context, name: _Name, *, reason: _Reason = "told from the command line") -> None:
    """Begin a strategy anew from the newest bar on, also one that was stopped. It keeps its account."""
    _change(context, name, "restart", reason)


def _change(context: typer.Context, name: str, change: str, reason: str) -> None:
    operator = operator_of(context)
    body = StateRequest(reason=reason).model_dump(mode="json")
    target = f"/strategies/{quote(name, safe='')}/{change}"
    answer = call(operator, "trading", "POST", target, body=body, timeout_seconds=_SECONDS)
    view = StrategyView.model_validate_json(answer.content)
    operator.out.print(
        Text.assemble(f"{view.name} is ", (view.state.replace("_", " "), _STYLES[view.state]), _because(view.detail)),
        soft_wrap=True,
    )


def _strategies(operator: Operator) -> tuple[StrategyView, ...]:
    return StrategyList.model_validate_json(call(operator, "trading", "GET", "/strategies").content).strategies


def _row(view: StrategyView) -> list[Cell]:
    return [
        view.name,
        view.kind,
        (view.state.replace("_", " "), _STYLES[view.state]),
        " ".join(view.symbols),
        view.venue or "any",
        dollars(view.equity),
        dollars(view.budget.exposure),
        "" if view.last_bar_at is None else f"{view.last_bar_at:%Y-%m-%d %H:%M}",
        "" if view.last_signal_at is None else clock_time(view.last_signal_at),
        view.detail,
    ]


def _because(detail: str) -> str:
    return f", {detail}" if detail else ""
