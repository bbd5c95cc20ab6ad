"""One run: venues that fail and a process that is killed as the seed says, and what must be true after it."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final, Self

from services.contracts.orders import ClientOrderId
from services.kit.database import Database
from tests.trading.crashes.script import PRICE, Script, script
from tests.trading.crashes.worker import Books, Life, Site
from tests.trading.desk.support import VERSIONS
from tests.venue.broker.serving import ServedVenue, serving

VENUES: Final = ("alpha", "beta")
_PRICES: Final = {"AAPL": PRICE, "MSFT": PRICE}
_LIFE_SECONDS: Final = 120.0
_ROOT: Final = Path(__file__).parents[3]


@dataclass
class Outcome:
    """What came of a run.

    Attributes:
        wrong: What is not as it must be, in words; empty when all is well.
        lives: How often the process was started.
        statuses: How the orders ended.
    """

    seed: int
    wrong: list[str] = field(default_factory=list)
    lives: int = 0
    orders: int = 0
    statuses: Counter[str] = field(default_factory=Counter)


class Workers:
    """A process that has imported everything and forks one life after the other."""

    def __init__(self) -> None:
        environ = os.environ | {"PYTHONPATH": str(_ROOT), "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.trading.crashes.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environ,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=_LIFE_SECONDS)  # closes both pipes

    def begin(self, life: Life) -> int:
        """Begin a life; the number of its process."""
        assert self._process.stdin is not None
        self._process.stdin.write(life.model_dump_json() + "\n")
        self._process.stdin.flush()
        return int(self._answer()["pid"])

    def ended(self) -> int:
        """Wait for the end of the life; its exit status, negative for the signal that ended it."""
        return int(self._answer()["status"])

    def _answer(self) -> dict[str, int]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the worker is gone"
        answer: dict[str, int] = json.loads(line)
        return answer


def run(seed: int, workers: Workers, *, template: Path) -> Outcome:
    """Do the run of a seed. `template` is a migrated database, so that not every run has to make one."""
    outcome = Outcome(seed)
    with tempfile.TemporaryDirectory(prefix="sightline-crash-") as name, ExitStack() as stack:
        directory = Path(name)
        shutil.copyfile(template, directory / "trading.db")
        venues = {each: stack.enter_context(serving(directory, name=each, prices=_PRICES)) for each in VENUES}
        doing = script(seed, datetime.now(UTC), VENUES)
        for each, faults in doing.faults.items():
            venues[each].scenario(*faults)
        chance = random.Random(seed)  # noqa: S311 -- reproducible on purpose
        for kill in [*doing.kills, None]:
            if kill is None:
                for venue in venues.values():
                    venue.clear_faults()
            outcome.lives += 1
            lines = _live(doing, directory, venues, workers, kill)
            outcome.wrong += [f"life {outcome.lives} {line}" for line in lines if line.startswith("failed")]
            _move_prices(venues.values(), chance)
        outcome.wrong += _judge(lines, doing, venues, outcome)
    return outcome


def _live(
    doing: Script,
    directory: Path,
    venues: dict[str, ServedVenue],
    workers: Workers,
    kill: tuple[int, float] | None,
) -> list[str]:
    told_at = directory / "told"
    told_at.unlink(missing_ok=True)
    os.mkfifo(told_at)
    life = Life(
        seed=doing.seed,
        began=min(intent.signal_at for intent in doing.intents),
        directory=directory,
        sites=tuple(
            Site(name=name, base_url=each.base_url, stream_url=each.stream_url, headers=each.headers)
            for name, each in venues.items()
        ),
        last=kill is None,
        told_at=told_at,
    )
    number = workers.begin(life)
    lines: list[str] = []
    with told_at.open(encoding="utf-8") as told:
        for line in told:
            lines.append(line.rstrip("\n"))
            if kill is not None and line.startswith(f"step {kill[0]}"):
                time.sleep(kill[1] / 1000)  # the moment to be killed at, not a wait for anything
                with suppress(ProcessLookupError):  # it was through before the moment came
                    os.kill(number, signal.SIGKILL)
                break
    workers.ended()
    return lines


def _move_prices(venues: Iterable[ServedVenue], chance: random.Random) -> None:
    for venue in venues:
        venue.push("AAPL", PRICE + chance.randint(-3, 3))
        venue.push("MSFT", PRICE + chance.randint(-3, 3))


def _judge(lines: list[str], doing: Script, venues: dict[str, ServedVenue], outcome: Outcome) -> list[str]:
    if len(lines) < 2 or lines[-2] != "through":
        return [f"the last life did not end well: {lines[-1:]}"]
    books = Books.model_validate_json(lines[-1])
    outcome.orders, outcome.statuses = len(books.orders), Counter(each.status for each in books.orders)
    return [
        *books.unsettled,
        *_not_lost(books, doing, venues),
        *_not_doubled(books, venues),
        *_same_fills(books, venues),
        *_same_positions(books, venues),
    ]


def _not_lost(books: Books, doing: Script, venues: dict[str, ServedVenue]) -> list[str]:
    """Each wish was denied or has an order; each order at a venue is in the books."""
    known = {each.name for each in books.orders}
    answered = {each.intent for each in books.orders} | set(books.denied)
    wrong = [f"the wish {intent.intent_id} is lost" for intent in doing.intents if intent.intent_id not in answered]
    for name, venue in venues.items():
        at_venue = [order.client_order_id for order in venue.venue.books.orders.values()]
        wrong += [f"{order} is at {name} and not in the books" for order in at_venue if order not in known]
        wrong += [f"{order} is twice at {name}" for order, times in Counter(at_venue).items() if times > 1]
    return wrong


def _not_doubled(books: Books, venues: dict[str, ServedVenue]) -> list[str]:
    """Of each wish at most one order reached a venue and was not refused there, replacements aside."""
    reached = {order.client_order_id for venue in venues.values() for order in venue.venue.books.orders.values()}
    refused = {
        order.client_order_id
        for venue in venues.values()
        for order in venue.venue.books.orders.values()
        if order.status == "rejected"
    }
    counted = Counter(
        each.intent for each in books.orders if each.replaces is None and ClientOrderId(each.name) in reached - refused
    )
    return [f"the wish {intent} became {times} orders" for intent, times in counted.items() if times > 1]


def _same_fills(books: Books, venues: dict[str, ServedVenue]) -> list[str]:
    wrong = []
    by_name = {each.name: each for each in books.orders}
    for name, venue in venues.items():
        for order in venue.venue.books.orders.values():
            ours = by_name.get(str(order.client_order_id))
            if ours is not None and ours.filled != order.filled:
                wrong.append(f"{ours.name} at {name}: {ours.filled} filled in the books, {order.filled} there")
    return wrong


def _same_positions(books: Books, venues: dict[str, ServedVenue]) -> list[str]:
    wrong = []
    for name, venue in venues.items():
        (account,) = venue.venue.books.accounts.values()
        there = {symbol: held.quantity for symbol, held in account.money.holdings.items() if held.quantity}
        ours = {symbol: quantity for symbol, quantity in books.positions[name].items() if quantity}
        if {str(key): Decimal(value) for key, value in there.items()} != ours:
            wrong.append(f"positions at {name} are {there}, by the books {ours}")
    return wrong


@contextmanager
def migrated() -> Iterator[Path]:
    """A database of trading as it is before the first order."""
    with tempfile.TemporaryDirectory(prefix="sightline-crash-") as name:
        path = Path(name) / "trading.db"
        database = Database(f"sqlite:///{path}", service="trading", versions=(VERSIONS,))
        database.migrate()
        database.close()
        yield path
