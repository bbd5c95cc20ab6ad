"""`sightline dead-letters`: events that no consumer could handle."""

from typing import Annotated
from urllib.parse import quote

import typer
from pydantic import BaseModel, ConfigDict, ValidationError

from services.console.commands.calling import call
from services.console.commands.context import Operator, operator_of
from services.console.commands.render import Cell, columns, header
from services.console.stack.errors import StackError

_TARGET = "/dead-letters"


class _Letter(BaseModel):
    model_config = ConfigDict(extra="ignore")

    consumer: str
    event_id: str
    event_type: str
    attempts: int
    error: str
    died_at: str


class _Letters(BaseModel):
    dead_letters: tuple[_Letter, ...]


def dead_letters(
    context: typer.Context,
    service: Annotated[str, typer.Argument(help="The service whose consumer failed.")],
    *,
    redrive: Annotated[
        str | None, typer.Option(help="Handle this one again, now.", metavar="CONSUMER/EVENT_ID")
    ] = None,
    discard: Annotated[str | None, typer.Option(help="Throw this one away.", metavar="CONSUMER/EVENT_ID")] = None,
) -> None:
    """Show events that a service could not handle; handle one again or throw it away.

    Exit code 1 when there are any.
    """
    operator = operator_of(context)
    if redrive is not None:
        call(operator, service, "POST", f"{_place(redrive, '--redrive')}/redrive", timeout_seconds=60)
        operator.progress.note("handled; it is a dead letter no more")
    if discard is not None:
        call(operator, service, "DELETE", _place(discard, "--discard"))
        operator.progress.note("thrown away")
    if _show(operator, service):
        raise typer.Exit(1)


def _place(given: str, option: str) -> str:
    consumer, slash, event_id = given.partition("/")
    if not (slash and consumer and event_id):
        raise typer.BadParameter("write CONSUMER/EVENT_ID, as the list shows them", param_hint=option)
    return f"{_TARGET}/{quote(consumer, safe='')}/{quote(event_id, safe='')}"


def _show(operator: Operator, service: str) -> bool:
    answer = call(operator, service, "GET", _TARGET)
    try:
        letters = _Letters.model_validate_json(answer.content).dead_letters
    except ValidationError as error:
        raise StackError(
            f"the answer of {service} cannot be read",
            remedy="it runs another version: `sightline down && sightline up`",
        ) from error
    if not letters:
        operator.progress.note(f"{service} has no dead letters")
        return False
    rows: list[list[Cell]] = [
        [letter.died_at, f"{letter.consumer}/{letter.event_id}", letter.event_type, str(letter.attempts), letter.error]
        for letter in letters
    ]
    operator.out.print(columns([header("set aside", "which", "event", "attempts", "error"), *rows]), soft_wrap=True)
    return True
