"""Faults of the platform itself, and of what it is told: its storage, services, events, strategies, bars and codes."""

import asyncio
import json
import os
import signal
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Final

import httpx
import numpy as np

import nats
from benchmarks.incidents.at_venues import trades
from benchmarks.incidents.case import Case, working
from benchmarks.incidents.house import DECIDED, DECIDER, TRADING_FILE, WATCHER, CallFailedError, House
from benchmarks.incidents.opening import until
from services.kit.bus_nats import SUBJECT_ROOT
from services.kit.secret_files import read_secret

_BACK_SECONDS: Final = 60.0
_TRADES_BEFORE: Final = 22
_PHONE: Final = "+15005550009"
_LETTERS: Final = "/dead-letters"


@contextmanager
def _quotes_frozen(running: House, _random: np.random.Generator) -> Iterator[None]:
    running.frozen = True
    try:
        yield
    finally:
        running.frozen = False


@contextmanager
def _code_delayed(running: House, random: np.random.Generator) -> Iterator[None]:
    """An account logs in by text message, and its carrier takes longer than a minute and a half."""
    name, password = f"by-sms-{uuid.uuid4().hex[:6]}", uuid.uuid4().hex
    venue = running.url("venue")
    customer = {"broker": "robinhood", "name": name, "secret": password, "factor": "sms", "phone": _PHONE}
    delay = {"delay_seconds": float(random.uniform(95, 110))}
    where = ("--broker", "robinhood", "--environment", "paper", "--base-url", f"{venue}/robinhood", "--mfa", "sms")
    more = ("--set", f"username={name}", "--set", f"sms_number={_PHONE}", "--secret", "password")
    with httpx.Client(base_url=venue, trust_env=False) as client:
        client.put("/local/customers", json=customer).raise_for_status()
        client.put("/local/sms", json=delay).raise_for_status()
        running.run("auth", "add", name, *where, *more, lines=(password,))

        def log_in(_stopping: threading.Event) -> None:
            with suppress(CallFailedError):
                running.run("auth", "login", name)

        running.account_by_sms = name
        try:
            with working(log_in):
                yield
        finally:
            client.put("/local/sms", json={"delay_seconds": 0}).raise_for_status()


def _logged_in(running: House) -> bool:
    """Whether the account whose code was late has a session."""
    sessions = running.call("auth", "GET", "/sessions")["sessions"]
    return any(each["account"] == running.account_by_sms and each["usable"] for each in sessions)


@contextmanager
def _storage_full(running: House, random: np.random.Generator) -> Iterator[None]:
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

    with working(hold):
        yield


@contextmanager
def _worker_crash_loop(running: House, random: np.random.Generator) -> Iterator[None]:
    pause = float(random.uniform(6, 10))

    def kill(stopping: threading.Event) -> None:
        while not stopping.wait(pause):
            pid = running.pid_of("content")
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    with working(kill):
        yield


def _content_answers(running: House) -> bool:
    """Whether the service that was killed is there again."""
    running.call("content", "GET", "/healthz")
    return True


@contextmanager
def _poison_event(running: House, _random: np.random.Generator) -> Iterator[None]:
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


def _set_aside(running: House) -> bool:
    """Whether the event waits for a person, and what came after it is handled."""
    return bool(running.call("agents", "GET", _LETTERS)["dead_letters"])


def _throw_away(running: House) -> None:
    for letter in running.call("agents", "GET", _LETTERS)["dead_letters"]:
        running.call("agents", "DELETE", f"{_LETTERS}/{letter['consumer']}/{letter['event_id']}")


def _trade(running: House, result: float) -> None:
    price = running.prices[DECIDED]
    running.order(DECIDED, "buy", strategy=DECIDER, quantity="10")
    running.push(DECIDED, price=round(price * (1 + result), 2))
    running.order(DECIDED, "sell", strategy=DECIDER, quantity="10")


def _win(running: House, random: np.random.Generator) -> None:
    for _ in range(_TRADES_BEFORE):
        _trade(running, 0.01 + 0.004 * float(random.standard_normal()))


@contextmanager
def _strategy_decay(running: House, random: np.random.Generator) -> Iterator[None]:
    """The edge that its trades had is gone: they lose."""

    def lose(stopping: threading.Event) -> None:
        while not stopping.is_set():
            with suppress(CallFailedError):
                _trade(running, -0.008 + 0.004 * float(random.standard_normal()))

    with working(lose):
        yield


def _is_paused(strategy: str) -> Callable[[House], bool]:
    def check(running: House) -> bool:
        strategies = running.call("trading", "GET", "/strategies")["strategies"]
        return any(each["name"] == strategy and each["state"] == "paused" for each in strategies)

    return check


def _resume(strategy: str) -> Callable[[House], None]:
    def resume(running: House) -> None:
        if _is_paused(strategy)(running):
            reason = {"reason": "a person looked at it"}
            running.call("trading", "POST", f"/strategies/{strategy}/resume", reason)

    return resume


@contextmanager
def _bad_configuration(running: House, random: np.random.Generator) -> Iterator[None]:
    """Somebody gives a strategy six noughts too many of capital, and averages so short that it trades at every bar."""
    path = running.directory / TRADING_FILE
    before = path.read_text()
    changed = json.loads(before)
    strategy = next(each for each in changed["strategies"] if each["name"] == WATCHER)
    fast = int(random.integers(2, 4))
    strategy |= {"capital": "10000000000", "parameters": {"fast": fast, "slow": 5, "side": "both"}}
    path.write_text(json.dumps(changed))
    _restart_trading(running)
    running.hurried = True
    try:
        yield
    finally:
        running.hurried = False
        path.write_text(before)
        _restart_trading(running)


def _restart_trading(running: House) -> None:
    """A planned one, as a promoted setting takes."""
    before = running.pid_of("trading")
    if before is not None:
        os.kill(before, signal.SIGTERM)

    def back() -> bool:
        with suppress(CallFailedError):
            return running.pid_of("trading") != before and bool(running.call("trading", "GET", "/strategies"))
        return False

    until(back, _BACK_SECONDS, "trading does not come back")


@contextmanager
def _retry_storm(running: House, random: np.random.Generator) -> Iterator[None]:
    """The venue fails five times; a caller repeats its refused call for much longer, without a pause."""
    calls = int(random.integers(30, 60))
    running.aim()

    def repeat(stopping: threading.Event) -> None:
        with httpx.Client(base_url=running.url("trading"), trust_env=False, timeout=5) as client:
            while not stopping.wait(1 / calls):
                with suppress(httpx.HTTPError):
                    client.post("/orders", json={})

    running.fault(fault="server_error", on=("submit",), count=5)
    with working(repeat):
        yield


QUOTES_FROZEN: Final = Case("quotes_frozen", ("quotes_frozen",), _quotes_frozen, well=trades)
CODE_DELAYED: Final = Case(
    "code_delayed", ("code_delayed",), _code_delayed, "the late code was taken, once", _logged_in, _logged_in
)
STORAGE_FULL: Final = Case("storage_full", ("storage_full",), _storage_full, well=trades)
WORKER_CRASH_LOOP: Final = Case("worker_crash_loop", ("worker_crash_loop",), _worker_crash_loop, well=_content_answers)
POISON_EVENT: Final = Case(
    "poison_event",
    ("poison_event",),
    _poison_event,
    "the event is set aside",
    _set_aside,
    trades,
    tidy=_throw_away,
)
STRATEGY_DECAY: Final = Case(
    "strategy_decay",
    ("strategy_decay",),
    _strategy_decay,
    "the strategy is paused",
    _is_paused(DECIDER),
    trades,
    prepare=_win,
    tidy=_resume(DECIDER),
)
BAD_CONFIGURATION: Final = Case(
    "bad_configuration",
    ("bad_configuration",),
    _bad_configuration,
    "the strategy is paused",
    _is_paused(WATCHER),
    trades,
    tidy=_resume(WATCHER),
)
RETRY_STORM: Final = Case("retry_storm", ("retry_storm",), _retry_storm, "orders are taken meanwhile", trades, trades)
