"""The faults and controls of the benchmark: how each is brought about, and what proves that it was dealt with."""

import asyncio
import json
import os
import signal
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import httpx
import numpy as np

import nats
from benchmarks.incidents.house import DECIDED, CallFailedError, House, ready
from services.kit.bus_nats import SUBJECT_ROOT
from services.kit.secret_files import read_secret

VENUE: Final = "alpha"
_ALL_ACCOUNT_CALLS: Final = ("submit", "orders", "account", "positions", "cancel", "find", "activities", "clock")

Injection = Callable[[House, np.random.Generator], AbstractContextManager[None]]


@dataclass(frozen=True)
class Case:
    """One fault, or one control.

    Attributes:
        name: The fault's; for most also its cause.
        causes: Any of these is right; empty for a control.
        inject: A context manager: the fault lasts as long as its block.
        handled: Whether the platform is as it should be while the fault lasts, without a person: orders go through
            elsewhere. For what needs a person it stays False, and escalation counts.
        missing: Why it cannot be brought about yet, "" if it can.
    """

    name: str
    causes: tuple[str, ...]
    inject: Injection | None
    handled: Callable[[House], bool] = lambda _house: False
    missing: str = ""


def _elsewhere(running: House) -> bool:
    """Whether an order that is asked for now is taken by another venue than the faulty one."""
    orders = running.order()["orders"]
    return bool(orders) and orders[-1]["venue"] != VENUE and orders[-1]["status"] in {"open", "partial", "filled"}


@contextmanager
def _planned(running: House, *faults: Mapping[str, object]) -> Iterator[None]:
    for fault in faults:
        running.fault(VENUE, **fault)
    try:
        yield
    finally:
        running.clear_faults()


@contextmanager
def expired_token(running: House, _random: np.random.Generator) -> Iterator[None]:
    key = running.account(VENUE)["key_id"]
    running.call("venue", "PATCH", f"/venues/{VENUE}/accounts/{key}", {"expired": True})
    try:
        yield
    finally:
        running.call("venue", "PATCH", f"/venues/{VENUE}/accounts/{key}", {"expired": False})


@contextmanager
def rate_limited(running: House, random: np.random.Generator) -> Iterator[None]:
    probability = float(random.uniform(0.8, 1.0))
    with _planned(running, {"fault": "throttled", "on": _ALL_ACCOUNT_CALLS, "count": None, "probability": probability}):
        yield


@contextmanager
def venue_slow(running: House, random: np.random.Generator) -> Iterator[None]:
    slowest = float(random.uniform(2.0, 4.0))
    ramp = {"fault": "latency", "on": ("submit",), "count": None, "seconds": 0.2, "to_seconds": slowest}
    with _planned(running, {**ramp, "ramp_seconds": 40.0}):
        yield


@contextmanager
def rejected_after_accept(running: House, _random: np.random.Generator) -> Iterator[None]:
    partly = {"fault": "partial_fills", "quantities": ("0.1",), "count": None}
    with _planned(running, partly, {"fault": "frame_status", "status": "rejected", "count": None}):
        yield


@contextmanager
def quotes_frozen(running: House, _random: np.random.Generator) -> Iterator[None]:
    running.frozen = True
    try:
        yield
    finally:
        running.frozen = False


@contextmanager
def clock_drift(running: House, random: np.random.Generator) -> Iterator[None]:
    offset = 45.0 * float(random.choice((-1.0, 1.0)))
    running.call("venue", "PUT", f"/venues/{VENUE}/clock", {"offset_seconds": offset})
    try:
        yield
    finally:
        running.call("venue", "PUT", f"/venues/{VENUE}/clock", {"offset_seconds": 0.0})


@contextmanager
def storage_full(running: House, random: np.random.Generator) -> Iterator[None]:
    """Another writer holds trading's database for longer than anybody waits for it, again and again."""
    held_seconds = float(random.uniform(20, 30))

    def hold(stopping: threading.Event) -> None:
        path = running.directory / "db" / "trading.db"
        while not stopping.is_set():
            connection = sqlite3.connect(path, timeout=30, isolation_level=None)
            with suppress(sqlite3.OperationalError):
                connection.execute("BEGIN EXCLUSIVE")
                stopping.wait(held_seconds)
                connection.execute("ROLLBACK")
            connection.close()
            stopping.wait(0.2)

    with _working(hold):
        yield


@contextmanager
def worker_crash_loop(running: House, random: np.random.Generator) -> Iterator[None]:
    pause = float(random.uniform(6, 10))

    def kill(stopping: threading.Event) -> None:
        while not stopping.wait(pause):
            pid = running.pid_of("content")
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    with _working(kill):
        yield


@contextmanager
def poison_event(running: House, _random: np.random.Generator) -> Iterator[None]:
    """A fact whose payload its consumers cannot read."""
    kind = "trading.order_filled"
    envelope = {
        "event_id": str(uuid.uuid4()),
        "event_type": kind,
        "version": 1,
        "subject": "poison",
        "occurred_at": datetime.now(UTC).isoformat(),
        "source": "trading",
        "traceparent": "",
        "payload": {"quantity": "many"},
    }
    token = read_secret(running.directory / "secrets" / "nats_token")

    async def publish() -> None:
        client = await nats.connect(running.url("nats").replace("http", "nats"), token=token)
        await client.jetstream().publish(f"{SUBJECT_ROOT}.{kind}", json.dumps(envelope).encode())
        await client.close()

    asyncio.run(publish())
    yield


@contextmanager
def strategy_decay(running: House, random: np.random.Generator) -> Iterator[None]:
    """Forty trades that win, before; then the edge is gone, and trades lose."""
    for _ in range(25):
        _trade(running, 0.01 + 0.004 * float(random.standard_normal()))

    def lose(stopping: threading.Event) -> None:
        while not stopping.is_set():
            with suppress(CallFailedError):
                _trade(running, -0.008 + 0.004 * float(random.standard_normal()))

    with _working(lose):
        yield


@contextmanager
def retry_storm(running: House, random: np.random.Generator) -> Iterator[None]:
    """The venue fails for ten seconds; a caller repeats its refused call for much longer, without a pause."""
    calls = int(random.integers(30, 60))

    def repeat(stopping: threading.Event) -> None:
        with httpx.Client(base_url=running.url("trading"), trust_env=False, timeout=5) as client:
            while not stopping.wait(1 / calls):
                with suppress(httpx.HTTPError):
                    client.post("/orders", json={})

    running.fault(VENUE, fault="server_error", on=("submit",), count=5)
    with _working(repeat):
        yield


@contextmanager
def duplicate_fill(running: House, _random: np.random.Generator) -> Iterator[None]:
    def again(stopping: threading.Event) -> None:
        while not stopping.wait(3):
            with suppress(CallFailedError):
                for order in running.call("trading", "GET", "/orders?which=all&limit=20")["orders"]:
                    if order["venue"] == VENUE and order["status"] == "filled" and order["venue_order_id"]:
                        fill = {"quantity": order["ticket"]["quantity"]}
                        running.call("venue", "POST", f"/venues/{VENUE}/orders/{order['venue_order_id']}/fills", fill)
                        break

    with _working(again):
        yield


@contextmanager
def venue_down(running: House, _random: np.random.Generator) -> Iterator[None]:
    streams = {"fault": "disconnect", "count": None}
    with _planned(running, {"fault": "drop", "count": None}, streams):
        yield


@contextmanager
def volatility_spike(running: House, _random: np.random.Generator) -> Iterator[None]:
    running.wildness, running.pace = 0.01, 2
    try:
        yield
    finally:
        running.wildness, running.pace = 0.0005, 1


@contextmanager
def maintenance_window(running: House, _random: np.random.Generator) -> Iterator[None]:
    reason = {"reason": "planned maintenance window"}
    running.call("trading", "POST", f"/venues/{VENUE}/hold", reason)
    running.fault(VENUE, fault="disconnect", count=1)
    try:
        yield
    finally:
        running.call("trading", "POST", f"/venues/{VENUE}/restore", reason)


@contextmanager
def triple_load(running: House, _random: np.random.Generator) -> Iterator[None]:
    running.pace = 3
    try:
        yield
    finally:
        running.pace = 1


@contextmanager
def deploy_without_effect(running: House, _random: np.random.Generator) -> Iterator[None]:
    for service in ("content", "console", "trading"):
        pid = running.pid_of(service)
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
        time.sleep(5)
    yield


def _trade(running: House, result: float) -> None:
    price = running.prices[DECIDED]
    running.order(DECIDED, "buy", strategy="decider", quantity="10")
    running.push(DECIDED, round(price * (1 + result), 2))
    running.order(DECIDED, "sell", strategy="decider", quantity="10")


@contextmanager
def _working(work: Callable[[threading.Event], None]) -> Iterator[None]:
    stopping = threading.Event()
    thread = threading.Thread(target=work, args=(stopping,))
    with ExitStack() as stack:
        thread.start()
        stack.callback(thread.join)
        stack.callback(stopping.set)
        yield


FAULTS: Final = (
    Case("expired_token", ("expired_token",), expired_token, _elsewhere),
    Case("rate_limited", ("rate_limited",), rate_limited, _elsewhere),
    Case("venue_slow", ("venue_slow",), venue_slow, _elsewhere),
    Case("rejected_after_accept", ("rejected_after_accept",), rejected_after_accept),
    Case("quotes_frozen", ("quotes_frozen",), quotes_frozen),
    Case(
        "code_delayed",
        ("code_delayed",),
        None,
        missing="the simulated text messages have no delay, and no account of the platform logs in by SMS",
    ),
    Case("clock_drift", ("clock_drift",), clock_drift, _elsewhere),
    Case("storage_full", ("storage_full",), storage_full),
    Case("worker_crash_loop", ("worker_crash_loop",), worker_crash_loop),
    Case("poison_event", ("poison_event",), poison_event),
    Case("strategy_decay", ("strategy_decay",), strategy_decay),
    Case(
        "bad_configuration",
        ("bad_configuration",),
        None,
        missing="parameters are not promoted on a running platform yet; a changed trading file takes a restart",
    ),
    Case("retry_storm", ("retry_storm",), retry_storm),
    Case("duplicate_fill", ("duplicate_fill",), duplicate_fill),
    Case("venue_down", ("venue_down",), venue_down, _elsewhere),
)
CONTROLS: Final = (
    Case("volatility_spike", (), volatility_spike),
    Case("maintenance_window", (), maintenance_window),
    Case("triple_load", (), triple_load),
    Case("deploy_without_effect", (), deploy_without_effect),
)


def calm(running: House) -> bool:
    """Whether both venues take orders again and no anomaly is open."""
    try:
        open_now = running.call("agents", "GET", "/anomalies?open=true")["anomalies"]
    except CallFailedError:
        return False
    return ready(running) and not open_now
