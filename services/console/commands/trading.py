"""What trading may do, what is held, and the kill switch, from the command line."""

import importlib
from typing import Annotated, Final

import typer
from rich.text import Text

from services.console.commands.calling import call, is_running
from services.console.commands.context import Operator, operator_of
from services.console.commands.own_settings import own_settings
from services.console.commands.render import Cell, clock_time, columns, dollars, header, number
from services.console.stack.identities import OPERATOR
from services.contracts.orders import TradingState
from services.contracts.trading_views import HaltRequest, KillView, PositionList, StateRequest, TradingView

# The kill switch waits for the venues' word.
_HALT_SECONDS: Final = 90.0
_STATE_STYLES: Final = {TradingState.ACTIVE: "green", TradingState.REDUCING: "yellow", TradingState.HALTED: "bold red"}
_Reason = Annotated[str, typer.Option(help="Why, for the record.")]


def positions(context: typer.Context) -> None:
    """Show what is held at each venue and what it has come to."""
    operator = operator_of(context)
    held = PositionList.model_validate_json(call(operator, "trading", "GET", "/positions").content)
    if not held.positions:
        operator.progress.note("nothing is held")
    else:
        rows: list[list[Cell]] = [
            [
                each.venue,
                each.symbol,
                number(each.quantity),
                number(each.average_price),
                "" if each.mark is None else number(each.mark),
                dollars(each.unrealised),
                dollars(each.realised),
                dollars(each.fees),
            ]
            for each in held.positions
        ]
        names = header("venue", "symbol", "shares", "mean price", "price now", "unrealised", "realised", "fees")
        operator.out.print(columns([names, *rows]), soft_wrap=True)
    operator.out.print()
    operator.out.print(
        Text(
            f"realised {dollars(held.realised)}, unrealised {dollars(held.unrealised)}, today {dollars(held.day)}"
            " (dollars)"
        )
    )


def trading(context: typer.Context) -> None:
    """Show what trading may do and whether each venue is ready. Exit code 1 unless all is ready and active."""
    operator = operator_of(context)
    if not show_state(operator, TradingView.model_validate_json(call(operator, "trading", "GET", "/state").content)):
        raise typer.Exit(1)


def halt(
    context: typer.Context,
    *,
    reason: _Reason = "pulled from the command line",
    keep: Annotated[bool, typer.Option("--keep-positions", help="Cancel and stop, and close no position.")] = False,
    last: Annotated[bool, typer.Option("--status", help="Only show what the last pull did.")] = False,
) -> None:
    """Pull the kill switch: cancel everything, close every position, and stop until `resume`.

    Exit code 1 when something is left at a venue. When the trading service does not run, the halt is written into its
    books: it starts halted and goes on with the rest.
    """
    operator = operator_of(context)
    if not last and not is_running(operator, "trading"):
        _latch(operator, reason, flatten=not keep)
        raise typer.Exit(1)
    if last:
        answer = call(operator, "trading", "GET", "/halt")
    else:
        body = HaltRequest(reason=reason, flatten=not keep).model_dump(mode="json")
        answer = call(operator, "trading", "POST", "/halt", body=body, timeout_seconds=_HALT_SECONDS)
    done = KillView.model_validate_json(answer.content)
    operator.out.print(
        Text(f"halted: {done.canceled} orders cancelled, {done.flattened} positions closed in {done.seconds:.2f} s")
    )
    if not done.flat:
        operator.out.print(Text(f"left at the venues: {done.left}", "bold red"), soft_wrap=True)
        raise typer.Exit(1)


def _latch(operator: Operator, reason: str, *, flatten: bool) -> None:
    # By name and when it is needed: trading's parts take a second to import, which every other command would pay for.
    opening = importlib.import_module("services.trading.opening")
    settings = importlib.import_module("services.trading.settings").TradingSettings
    opening.latch_halt(own_settings(operator, settings), actor=OPERATOR, reason=reason, flatten=flatten)
    operator.out.print(
        Text(
            "the trading service does not run: it will start halted. Nothing was cancelled or closed; `sightline up` "
            "starts it, and it goes on with that",
            "bold red",
        ),
        soft_wrap=True,
    )


def reduce(context: typer.Context, *, reason: _Reason = "told from the command line") -> None:
    """Let only cancels and orders that reduce exposure through, until `resume`."""
    _change_state(context, "/reduce", reason)


def resume(context: typer.Context, *, reason: _Reason = "told from the command line") -> None:
    """Let orders through again after `halt` or `reduce`."""
    _change_state(context, "/resume", reason)


def _change_state(context: typer.Context, path: str, reason: str) -> None:
    operator = operator_of(context)
    answer = call(operator, "trading", "POST", path, body=StateRequest(reason=reason).model_dump(mode="json"))
    show_state(operator, TradingView.model_validate_json(answer.content))


def show_state(operator: Operator, view: TradingView) -> bool:
    """Print how trading stands. Returns whether it is active and every venue is ready."""
    operator.out.print(
        Text.assemble(
            "trading is ",
            (view.state.value, _STATE_STYLES[view.state]),
            f" since {clock_time(view.changed_at)}" + (f", by {view.actor}: {view.reason}" if view.actor else ""),
        ),
        soft_wrap=True,
    )
    if not view.owner:
        operator.out.print(Text("another process is the one that trades; this one only shows", "yellow"))
    rows: list[list[Cell]] = [
        [
            venue.venue,
            venue.environment,
            ("ready", "green") if venue.ready else ("not ready", "red"),
            venue.circuit,
            f"{venue.score:.2f}",
            "down" if venue.stream_age_seconds is None else f"{venue.stream_age_seconds:.0f} s",
            "" if venue.verdict_expires_at is None else clock_time(venue.verdict_expires_at),
            str(venue.working),
            (str(venue.unknown), "bold red" if venue.unknown else ""),
            "; ".join(venue.reasons),
        ]
        for venue in view.venues
    ]
    names = header(
        "venue", "environment", "for orders", "circuit", "health", "heard", "verdict until", "working", "unknown", "why"
    )
    operator.out.print(columns([names, *rows]), soft_wrap=True)
    return view.state is TradingState.ACTIVE and view.owner and all(venue.ready for venue in view.venues)
