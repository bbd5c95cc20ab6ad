"""Orders, from the command line."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Final, Literal
from urllib.parse import quote

import typer
from pydantic import ValidationError
from rich.text import Text

from services.console.commands.calling import call
from services.console.commands.context import Operator, operator_of
from services.console.commands.render import Cell, clock_time, columns, header, number
from services.console.stack.errors import StackError
from services.contracts.market import OrderType, Side, Symbol, TimeInForce
from services.contracts.orders import OrderStatus, OrderTicket
from services.contracts.trading_views import (
    CancelView,
    DenialList,
    OrderHistory,
    OrderPage,
    OrderRequest,
    OrderView,
    PlacementView,
)

_SUBMIT_SECONDS: Final = 30.0
_CANCEL_ALL_SECONDS: Final = 60.0
_STYLES: Final = {
    OrderStatus.UNKNOWN: "bold red",
    OrderStatus.REJECTED: "red",
    OrderStatus.NOT_SENT: "yellow",
    OrderStatus.FILLED: "green",
}
_Which = Annotated[
    Literal["working", "unknown", "ended", "all"], typer.Option(help="Which orders: working, unknown, ended or all.")
]
_Order = Annotated[str, typer.Argument(help="The order's name, as `sightline orders` shows it.", metavar="ORDER")]
_TYPES: Final = {
    (False, False): OrderType.MARKET,
    (True, False): OrderType.LIMIT,
    (False, True): OrderType.STOP,
    (True, True): OrderType.STOP_LIMIT,
}


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
        [clock_time(step.at), (step.now, _STYLES.get(step.now, "")), step.substatus, step.source, step.reason]
        for step in history.transitions
    ]
    operator.out.print(columns([header("when", "status", "venue's word", "learnt from", "why"), *rows]), soft_wrap=True)
    if history.fills:
        operator.out.print()
        fills: list[list[Cell]] = [
            [
                clock_time(fill.executed_at),
                number(fill.quantity),
                number(fill.price),
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
            operator.out.print(Text(f"not understood at {clock_time(frame.received_at)}: {frame.problem}", "red"))
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
    answer = call(operator, "trading", "POST", "/orders", body=body, timeout_seconds=_SUBMIT_SECONDS)
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
        answer = call(operator, "trading", "DELETE", "/orders", timeout_seconds=_CANCEL_ALL_SECONDS)
        asked = CancelView.model_validate_json(answer.content).orders
    else:
        answer = call(
            operator, "trading", "DELETE", f"/orders/{quote(order_id, safe='')}", timeout_seconds=_SUBMIT_SECONDS
        )
        asked = (OrderView.model_validate_json(answer.content),)
    if not asked:
        operator.progress.note("no order works")
        return
    operator.out.print(columns([_order_row(each) for each in asked]), soft_wrap=True)


def _show_denials(operator: Operator, limit: int) -> None:
    denials = DenialList.model_validate_json(
        call(operator, "trading", "GET", f"/denials?limit={limit}").content
    ).denials
    if not denials:
        operator.progress.note("nothing was denied")
        return
    rows: list[list[Cell]] = [
        [
            clock_time(each.denied_at),
            each.strategy,
            f"{each.side} {number(each.quantity)} {each.symbol}",
            each.reason,
            each.detail,
        ]
        for each in denials
    ]
    operator.out.print(columns([header("when", "strategy", "what", "reason", "detail"), *rows]), soft_wrap=True)


def _order_row(view: OrderView) -> list[Cell]:
    ticket = view.ticket
    what = f"{ticket.side} {number(ticket.quantity)} {ticket.symbol} {ticket.order_type.replace('_', ' ')}"
    if ticket.limit_price is not None:
        what += f" at {number(ticket.limit_price)}"
    if ticket.stop_price is not None:
        what += f" from {number(ticket.stop_price)}"
    return [
        view.client_order_id,
        view.venue,
        what,
        (view.status.replace("_", " "), _STYLES.get(view.status, "")),
        number(view.filled),
        "" if view.average_price is None else f"{view.average_price:.4f}",
        clock_time(view.changed_at),
    ]


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
