"""Holding venues back and restoring them, from the command line."""

from typing import Annotated
from urllib.parse import quote

import typer

from services.console.commands.calling import call
from services.console.commands.context import operator_of
from services.console.commands.trading import show_state
from services.contracts.trading_views import RestoreRequest, StateRequest, TradingView

_Venue = Annotated[str, typer.Argument(help="The venue's name, as `sightline trading` shows it.")]
_Reason = Annotated[str, typer.Option(help="Why, for the record.")]


def make_app() -> typer.Typer:
    """The commands under `sightline venue`."""
    app = typer.Typer(no_args_is_help=True, help="Hold venues back, and restore them.")
    app.command()(hold)
    app.command()(restore)
    return app


def hold(context: typer.Context, venue: _Venue, *, reason: _Reason = "told from the command line") -> None:
    """Open nothing new at a venue until it is restored. Cancels and exits still go; a restart changes nothing."""
    _change(context, venue, "hold", StateRequest(reason=reason))


def restore(
    context: typer.Context,
    venue: _Venue,
    *,
    reason: _Reason = "told from the command line",
    mine: Annotated[bool, typer.Option("--mine", help="Only your own hold, not those of pipelines.")] = False,
) -> None:
    """Lift every hold on a venue."""
    _change(context, venue, "restore", RestoreRequest(reason=reason, everyones=not mine))


def _change(context: typer.Context, venue: str, what: str, request: StateRequest) -> None:
    operator = operator_of(context)
    answer = call(
        operator, "trading", "POST", f"/venues/{quote(venue, safe='')}/{what}", body=request.model_dump(mode="json")
    )
    show_state(operator, TradingView.model_validate_json(answer.content))
