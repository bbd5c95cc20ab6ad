"""Orders, positions and the kill switch, from the command line."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Final, Literal
from urllib.parse import quote

import typer
from pydantic import ValidationError
from rich.text import Text

from services.console.commands.calling import call
from services.console.commands.context import Operator, operator_of
from services.console.commands.render import Cell, columns, header
from services.console.stack.errors import StackError
from services.contracts.market import OrderType, Side, Symbol, TimeInForce
from services.contracts.orders import OrderStatus, OrderTicket, TradingState
from services.contracts.trading_views import (
    CancelView,
    DenialList,
    HaltRequest,
    KillView,
    OrderHistory,
    OrderPage,
    OrderRequest,
    OrderView,
    PlacementView,
    PositionList,
    StateRequest,
    TradingView,
)

# The kill switch waits for the venues' word.
_HALT_SECONDS: Final = 60.0
_STYLES: Final = {
    OrderStatus.UNKNOWN: "bold red",
    OrderStatus.REJECTED: "red",
    OrderStatus.NOT_SENT: "yellow",
    OrderStatus.FILLED: "green",
}
_STATE_STYLES: Final = {TradingState.ACTIVE: "green", TradingState.REDUCING: "yellow", TradingState.HALTED: "bold red"}
_Which = Annotated[
    Literal["working", "unknown", "ended", "all"], typer.Option(help="Which orders: working, unknown, ended or all.")
]
_Reason = Annotated[str, typer.Option(help="Why, for the record.")]
_Order = Annotated[str, typer.Argument(help="The order's name, as `sightline orders` shows it.", metavar="ORDER")]


def orders(
    context: typer.Context,
    *,
    which: _Which = "working",
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=500)] = 50,
    denied: Annotated[bool, typer.Option("--denied", help="What the gate refused instead.")] = False,
) -> None:
    """Show orders, the newest first."""
    operator = operator_of(context)
    if denied:
        _show_denials(operator, limit)
        return
    answer = call(operator, "trading", "GET", f"/orders?which={which}&limit={limit}")
    page = OrderPage.model_validate_json(answer.content)
    if not page.orders:
        operator.progress.note("no order" if which == "all" else f"no {which} order; --which all shows the others")
        return
    names = header("order", "venue", "what", "status", "filled", "mean price", "since")
    operator.out.print(columns([names, *map(_order_row, page.orders)]), soft_wrap=True)
    if page.next_before is not None:
        operator.progress.note(f"there are more; --limit {min(500, limit * 2)} shows them")


def order(context: typer.Context, order_id: _Order) -> None:
    """Show one order with all that happened to it."""
    operator = operator_of(context)
    answer = call(operator, "trading", "GET", f"/orders/{quote(order_id, safe='')}")
    history = OrderHistory.model_validate_json(answer.content)
    shown = history.order
    operator.out.print(columns([_order_row(shown)]), soft_wrap=True)
    operator.out.print()
    rows: list[list[Cell]] = [
        [_time(step.at), (step.now, _STYLES.get(step.now, "")), step.substatus, step.source, step.reason]
        for step in history.transitions
    ]
    operator.out.print(columns([header("when", "status", "venue's word", "learnt from", "why"), *rows]), soft_wrap=True)
    if history.fills:
        operator.out.print()
        fills: list[list[Cell]] = [
            [
                _time(fill.executed_at),
                _plain(fill.quantity),
                _plain(fill.price),
                fill.source,
                fill.execution_id,
                " ".join(word for word, holds in (("inferred", fill.inferred), ("late", fill.late)) if holds),
            ]
            for fill in history.fills
        ]
        names = header("filled", "shares", "price", "learnt from", "execution", "")
        operator.out.print(columns([names, *fills]), soft_wrap=True)
    for frame in history.frames:
        if frame.problem:
            operator.out.print(Text(f"not understood at {_time(frame.received_at)}: {frame.problem}", "red"))
    if shown.trace_id:
        operator.progress.note(f"its submit: `sightline trace {shown.trace_id}`")


def submit(  # noqa: PLR0913 -- each parameter is one of the command's options
    context: typer.Context,
    side: Annotated[Side, typer.Argument(help="buy or sell.")],
    symbol: Annotated[str, typer.Argument(help="The ticker, such as AAPL.")],
    quantity: Annotated[str, typer.Argument(help="Shares.")],
    *,
    limit_price: Annotated[str | None, typer.Option("--limit", help="Limit price in dollars.")] = None,
    stop_price: Annotated[str | None, typer.Option("--stop", help="Stop price in dollars.")] = None,
    time_in_force: Annotated[TimeInForce, typer.Option("--tif", help="How long it works.")] = TimeInForce.DAY,
) -> None:
    """Send one order through the gate, as strategies do. Exit code 1 when it is denied or rejected."""
    operator = operator_of(context)
    limit, stop = _price(limit_price, "--limit"), _price(stop_price, "--stop")
    try:
        ticket = OrderTicket(
            symbol=Symbol(symbol.upper()),
            side=side,
            quantity=_number(quantity, "the quantity"),
            order_type=_TYPES[limit is not None, stop is not None],
            limit_price=limit,
            stop_price=stop,
            time_in_force=time_in_force,
        )
    except ValidationError as error:
        raise StackError(_first_problem(error), remedy="`sightline submit --help` shows how it is written") from error
    # The moment is ours: told again after a broken connection it is the same wish.
    request = OrderRequest(signal_at=operator.clock.now(), ticket=ticket)
    body = request.model_dump(mode="json", exclude_none=True)
    answer = call(operator, "trading", "POST", "/orders", body=body, timeout_seconds=30.0)
    placement = PlacementView.model_validate_json(answer.content)
    if placement.denied is not None:
        operator.out.print(Text(f"denied, {placement.denied.reason}: {placement.denied.detail}"), soft_wrap=True)
        raise typer.Exit(1)
    operator.out.print(columns([_order_row(each) for each in placement.orders]), soft_wrap=True)
    operator.progress.note(f"the whole way: `sightline trace {answer.headers.get('x-trace-id', '')}`")
    if placement.orders[-1].status in {OrderStatus.REJECTED, OrderStatus.NOT_SENT}:
        raise typer.Exit(1)


def cancel(
    context: typer.Context,
    order_id: Annotated[str | None, typer.Argument(help="The order's name.", metavar="ORDER")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every working order.")] = False,
) -> None:
    """Ask for a cancel, of one order or of all."""
    operator = operator_of(context)
    if (order_id is None) is not everything:
        raise StackError("nothing was cancelled", remedy="name one order, or give --all")
    if order_id is None:
        answer = call(operator, "trading", "DELETE", "/orders", timeout_seconds=_HALT_SECONDS)
        asked = CancelView.model_validate_json(answer.content).orders
    else:
        answer = call(operator, "trading", "DELETE", f"/orders/{quote(order_id, safe='')}", timeout_seconds=30.0)
        asked = (OrderView.model_validate_json(answer.content),)
    if not asked:
        operator.progress.note("no order works")
        return
    operator.out.print(columns([_order_row(each) for each in asked]), soft_wrap=True)


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
                _plain(each.quantity),
                _plain(each.average_price),
                "" if each.mark is None else _plain(each.mark),
                _dollars(each.unrealised),
                _dollars(each.realised),
                _dollars(each.fees),
            ]
            for each in held.positions
        ]
        names = header("venue", "symbol", "shares", "mean price", "price now", "unrealised", "realised", "fees")
        operator.out.print(columns([names, *rows]), soft_wrap=True)
    operator.out.print()
    operator.out.print(
        Text(
            f"realised {_dollars(held.realised)}, unrealised {_dollars(held.unrealised)}, today {_dollars(held.day)}"
            " (dollars)"
        )
    )


def trading(context: typer.Context) -> None:
    """Show what trading may do and whether each venue is ready. Exit code 1 unless all is ready and active."""
    operator = operator_of(context)
    if not _show_state(operator, TradingView.model_validate_json(call(operator, "trading", "GET", "/state").content)):
        raise typer.Exit(1)


def halt(
    context: typer.Context,
    *,
    reason: _Reason = "pulled from the command line",
    keep: Annotated[bool, typer.Option("--keep-positions", help="Cancel and stop, and close no position.")] = False,
    last: Annotated[bool, typer.Option("--status", help="Only show what the last pull did.")] = False,
) -> None:
    """Pull the kill switch: cancel everything, close every position, and stop until `resume`.

    Exit code 1 when something is left at a venue.
    """
    operator = operator_of(context)
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


def reduce(context: typer.Context, *, reason: _Reason = "told from the command line") -> None:
    """Let only cancels and orders that reduce exposure through, until `resume`."""
    _change_state(context, "/reduce", reason)


def resume(context: typer.Context, *, reason: _Reason = "told from the command line") -> None:
    """Let orders through again after `halt` or `reduce`."""
    _change_state(context, "/resume", reason)


_TYPES: Final = {
    (False, False): OrderType.MARKET,
    (True, False): OrderType.LIMIT,
    (False, True): OrderType.STOP,
    (True, True): OrderType.STOP_LIMIT,
}


def _change_state(context: typer.Context, path: str, reason: str) -> None:
    operator = operator_of(context)
    answer = call(operator, "trading", "POST", path, body=StateRequest(reason=reason).model_dump(mode="json"))
    _show_state(operator, TradingView.model_validate_json(answer.content))


def _show_state(operator: Operator, view: TradingView) -> bool:
    operator.out.print(
        Text.assemble(
            "trading is ",
            (view.state.value, _STATE_STYLES[view.state]),
            f" since {_time(view.changed_at)}" + (f", by {view.actor}: {view.reason}" if view.actor else ""),
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
            "" if venue.verdict_expires_at is None else _time(venue.verdict_expires_at),
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


def _show_denials(operator: Operator, limit: int) -> None:
    denials = DenialList.model_validate_json(
        call(operator, "trading", "GET", f"/denials?limit={limit}").content
    ).denials
    if not denials:
        operator.progress.note("nothing was denied")
        return
    rows: list[list[Cell]] = [
        [
            _time(each.denied_at),
            each.strategy,
            f"{each.side} {_plain(each.quantity)} {each.symbol}",
            each.reason,
            each.detail,
        ]
        for each in denials
    ]
    operator.out.print(columns([header("when", "strategy", "what", "reason", "detail"), *rows]), soft_wrap=True)


def _order_row(view: OrderView) -> list[Cell]:
    ticket = view.ticket
    what = f"{ticket.side} {_plain(ticket.quantity)} {ticket.symbol} {ticket.order_type.replace('_', ' ')}"
    if ticket.limit_price is not None:
        what += f" at {_plain(ticket.limit_price)}"
    if ticket.stop_price is not None:
        what += f" from {_plain(ticket.stop_price)}"
    return [
        view.client_order_id,
        view.venue,
        what,
        (view.status.replace("_", " "), _STYLES.get(view.status, "")),
        _plain(view.filled),
        "" if view.average_price is None else f"{view.average_price:.4f}",
        _time(view.changed_at),
    ]


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _dollars(value: Decimal | None) -> str:
    return "" if value is None else f"{value:,.2f}"


def _price(text: str | None, option: str) -> Decimal | None:
    return None if text is None else _number(text, option)


def _number(text: str, what: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise StackError(f"{what} is no number", remedy="write it like 12.5") from None


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
