"""The process that is killed. It is forked from one that has imported everything, so that a life begins at once.

`python -m tests.trading.crashes.worker` reads one life after the other, a line of JSON each, answers with the number of
the process that lives it, and with how it ended once it has.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

from pydantic import BaseModel, ConfigDict

from services.contracts.orders import ClientOrderId, IntentId, VenueName
from services.contracts.verdict import Environment
from services.kit.errors import SightlineError
from services.trading.brokers.alpaca import AlpacaBroker
from services.trading.brokers.alpaca_sites import AlpacaSite
from services.trading.brokers.port import Change
from services.trading.desk.desk import Desk
from services.trading.orders.news import Patience
from services.trading.orders.order import UNSETTLED, Order
from services.trading.wire.calls import Patience as CallPatience
from tests.trading.brokers.papers import HASTY_STREAM
from tests.trading.crashes.script import Script, Step, script
from tests.trading.desk.running import Paper, RunningDesk

if TYPE_CHECKING:
    from tests.trading.conformance.gate import Gate
    from tests.venue.broker.serving import ServedVenue

SETTLE_SECONDS: Final = 60.0
# A venue of ours has every order when it answers: nobody has to wait a minute to believe that it has none.
_HASTE: Final = Patience(answers=2, apart=timedelta(seconds=0.5), after=timedelta(seconds=3))
_PATIENCE: Final = CallPatience(connect_seconds=1.0, read_seconds=0.5, total_seconds=2.0)


class Site(BaseModel):
    """A venue, as the process that is killed finds it."""

    model_config = ConfigDict(frozen=True)

    name: str
    base_url: str
    stream_url: str
    headers: dict[str, str]


class Life(BaseModel):
    """One life of the process.

    Attributes:
        last: It lives to the end, settles everything and tells its books.
        told_at: Where it writes what it does, a line each.
    """

    model_config = ConfigDict(frozen=True)

    seed: int
    began: datetime
    directory: Path
    sites: tuple[Site, ...]
    last: bool
    told_at: Path


class Told(BaseModel):
    """An order in the books."""

    model_config = ConfigDict(frozen=True)

    name: str
    intent: str
    venue: str
    status: str
    filled: Decimal
    replaces: str | None


class Books(BaseModel):
    """What the last life tells: every order, what is held, and what was denied.

    Attributes:
        unsettled: Orders that were not settled in time, in words.
    """

    model_config = ConfigDict(frozen=True)

    orders: tuple[Told, ...]
    positions: dict[str, dict[str, Decimal]]
    denied: tuple[str, ...]
    unsettled: tuple[str, ...]


@dataclass
class _Headers:
    """As much of a served venue as a desk needs."""

    headers: dict[str, str]


def live(life: Life, say: Callable[[str], None]) -> None:
    """Do the script, from its first step."""
    papers = {VenueName(site.name): _paper(site) for site in life.sites}
    desk = RunningDesk(life.directory, papers, patience=_HASTE)
    doing = script(life.seed, life.began, [site.name for site in life.sites])
    with desk.running() as running:
        say("ready")
        for number, step in enumerate(doing.steps):
            say(f"step {number}")
            _do(running, desk, doing, step)
        say("through")
        if life.last:
            say(_settled(running, desk, doing).model_dump_json())


def _do(running: Desk, desk: RunningDesk, doing: Script, step: Step) -> None:
    try:
        if step.intent is not None:
            running.submit(step.intent)
        elif step.cancel is not None:
            for order in _newest(desk, doing.intents[step.cancel].intent_id):
                running.cancel(order.client_order_id, "crashes")
        elif step.replace is not None:
            for order in _newest(desk, doing.intents[step.replace].intent_id):
                if order.ticket.limit_price is not None:
                    running.replace(order.client_order_id, Change(limit_price=step.price), "crashes")
    except SightlineError:
        # An order that has ended cannot be cancelled, one that is unknown cannot be replaced: the desk has said so.
        return


def _newest(desk: RunningDesk, intent: IntentId) -> list[Order]:
    return desk.book.of_intent(intent)[-1:]


def _settled(running: Desk, desk: RunningDesk, doing: Script) -> Books:
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline and running.unended():
        for order in running.unended():
            if order.status not in UNSETTLED:
                _cancel(running, order.client_order_id)
        time.sleep(0.05)
    for venue in desk.papers:
        running.reconcile(venue)
    orders = [order for intent in doing.intents for order in desk.book.of_intent(intent.intent_id)]
    positions: dict[str, dict[str, Decimal]] = {venue: {} for venue in desk.papers}
    for holding in running.positions():
        if holding.position.quantity:
            positions[holding.position.venue][holding.position.symbol] = holding.position.quantity
    return Books(
        orders=tuple(_told(order) for order in orders),
        positions=positions,
        denied=tuple(intent.intent_id for intent in doing.intents if not desk.book.of_intent(intent.intent_id)),
        unsettled=tuple(f"{order.client_order_id} is {order.status}: {order.reason}" for order in running.unended()),
    )


def _cancel(running: Desk, name: ClientOrderId) -> None:
    try:
        running.cancel(name, "crashes")
    except SightlineError:
        return  # it has ended meanwhile


def _told(order: Order) -> Told:
    return Told(
        name=order.client_order_id,
        intent=order.intent_id,
        venue=order.venue,
        status=order.status,
        filled=order.filled,
        replaces=order.replaces,
    )


def _paper(site: Site) -> Paper:
    where = AlpacaSite(site.base_url, site.stream_url, site.base_url, Environment.PAPER)
    broker = AlpacaBroker(
        VenueName(site.name), where, lambda: site.headers, patience=_PATIENCE, stream_patience=HASTY_STREAM
    )
    return Paper(cast("ServedVenue", _Headers(site.headers)), cast("Gate", None), broker)


def _fork(life: Life) -> int:
    """Live in a process of its own; the number of that process."""
    number = os.fork()
    if number:
        return number
    status = 1
    with life.told_at.open("w", encoding="utf-8", buffering=1) as out:
        try:
            live(life, lambda line: _say(out, line))
            status = 0
        except BaseException as error:  # noqa: BLE001 -- the process ends here, and its end is told
            _say(out, f"failed {type(error).__name__}: {error}")
        finally:
            os._exit(status)


def _say(out: IO[str], line: str) -> None:
    out.write(line.replace("\n", " ") + "\n")


def main() -> None:
    """Live what is asked for, one life at a time."""
    logging.disable(logging.CRITICAL)  # what goes wrong here is meant to
    for line in sys.stdin:
        number = _fork(Life.model_validate_json(line))
        _answer({"pid": number})
        _, status = os.waitpid(number, 0)
        _answer({"status": os.waitstatus_to_exitcode(status)})


def _answer(words: dict[str, Any]) -> None:
    print(json.dumps(words), flush=True)  # noqa: T201 -- its answer


if __name__ == "__main__":
    main()
