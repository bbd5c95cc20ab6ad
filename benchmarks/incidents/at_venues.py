"""Faults at a venue: the one that orders go to when the fault begins."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

import numpy as np

from benchmarks.incidents.case import Case, working
from benchmarks.incidents.house import PROBED, VENUES, CallFailedError, House
from benchmarks.incidents.opening import ready

ELSEWHERE: Final = "orders go to the other venue"
_ALL_ACCOUNT_CALLS: Final = ("submit", "orders", "account", "positions", "cancel", "find", "activities", "clock")
_TAKEN: Final = frozenset({"open", "partial", "filled"})


def elsewhere(running: House) -> bool:
    """Whether an order that is asked for now is taken by another venue than the faulty one.

    In a symbol that the usual traffic does not trade: while nobody knows what became of an order, the gate lets no
    other one in its symbol through.
    """
    orders = running.order(PROBED)["orders"]
    return bool(orders) and orders[-1]["venue"] != running.faulty and orders[-1]["status"] in _TAKEN


def trades(running: House) -> bool:
    """Whether every venue is ready and an order that is asked for now is taken."""
    orders = running.order(PROBED)["orders"] if ready(running) else []
    return bool(orders) and orders[-1]["status"] in _TAKEN


def authenticated(running: House) -> bool:
    """Whether every venue's account has a session, and an order that is asked for now is taken."""
    sessions = running.call("auth", "GET", "/sessions")["sessions"]
    return all(each["usable"] for each in sessions if each["account"] in VENUES) and trades(running)


def unblock(running: House) -> None:
    """A key that the venue refused is tried no more until a person has looked at it."""
    for each in running.call("auth", "GET", "/sessions")["sessions"]:
        if each["account"] in VENUES and not each["usable"]:
            if each["block_reason"]:
                running.call("auth", "POST", f"/sessions/{each['account']}/unblock")
            running.call("auth", "POST", f"/sessions/{each['account']}/login")


def restore(running: House) -> None:
    """Lift a hold that only a person may lift."""
    for venue in running.call("trading", "GET", "/state")["venues"]:
        if any("held back" in reason for reason in venue["reasons"]):
            reason = {"reason": "a person looked at it, and its books agree"}
            running.call("trading", "POST", f"/venues/{venue['venue']}/restore", reason)


@contextmanager
def _planned(running: House, *faults: Mapping[str, object]) -> Iterator[None]:
    running.aim()
    for fault in faults:
        running.fault(**fault)
    try:
        yield
    finally:
        running.clear_faults()


@contextmanager
def _expired_token(running: House, _random: np.random.Generator) -> Iterator[None]:
    running.aim()
    key = running.account(running.faulty)["key_id"]
    running.call("venue", "PATCH", f"/venues/{running.faulty}/accounts/{key}", {"expired": True})
    try:
        yield
    finally:
        running.call("venue", "PATCH", f"/venues/{running.faulty}/accounts/{key}", {"expired": False})


@contextmanager
def _rate_limited(running: House, random: np.random.Generator) -> Iterator[None]:
    probability = float(random.uniform(0.8, 1.0))
    with _planned(running, {"fault": "throttled", "on": _ALL_ACCOUNT_CALLS, "count": None, "probability": probability}):
        yield


@contextmanager
def _venue_slow(running: House, random: np.random.Generator) -> Iterator[None]:
    slowest = float(random.uniform(2.0, 4.0))
    ramp = {"fault": "latency", "on": ("submit",), "count": None, "seconds": 0.2, "to_seconds": slowest}
    with _planned(running, {**ramp, "ramp_seconds": 40.0}):
        yield


@contextmanager
def _rejected_after_accept(running: House, _random: np.random.Generator) -> Iterator[None]:
    partly = {"fault": "partial_fills", "quantities": ("0.1",), "count": None}
    with _planned(running, partly, {"fault": "frame_status", "status": "rejected", "count": None}):
        yield


@contextmanager
def _clock_drift(running: House, random: np.random.Generator) -> Iterator[None]:
    running.aim()
    offset = 45.0 * float(random.choice((-1.0, 1.0)))
    running.call("venue", "PUT", f"/venues/{running.faulty}/clock", {"offset_seconds": offset})
    try:
        yield
    finally:
        running.call("venue", "PUT", f"/venues/{running.faulty}/clock", {"offset_seconds": 0.0})


@contextmanager
def _duplicate_fill(running: House, _random: np.random.Generator) -> Iterator[None]:
    """The venue tells of each order's execution a second time, as if it were another one."""
    running.aim()

    def again(stopping: threading.Event) -> None:
        while not stopping.wait(3):
            with suppress(CallFailedError):
                for order in running.call("trading", "GET", "/orders?which=all&limit=20")["orders"]:
                    if order["venue"] == running.faulty and order["status"] == "filled" and order["venue_order_id"]:
                        fill = {"quantity": order["ticket"]["quantity"]}
                        target = f"/venues/{running.faulty}/orders/{order['venue_order_id']}/fills"
                        running.call("venue", "POST", target, fill)
                        break

    with working(again):
        yield


@contextmanager
def _venue_down(running: House, _random: np.random.Generator) -> Iterator[None]:
    streams = {"fault": "disconnect", "count": None}
    with _planned(running, {"fault": "drop", "count": None}, streams):
        yield


EXPIRED_TOKEN: Final = Case(
    "expired_token", ("expired_token",), _expired_token, ELSEWHERE, elsewhere, authenticated, tidy=unblock
)
RATE_LIMITED: Final = Case("rate_limited", ("rate_limited",), _rate_limited, ELSEWHERE, elsewhere, trades)
VENUE_SLOW: Final = Case("venue_slow", ("venue_slow",), _venue_slow, ELSEWHERE, elsewhere, trades)
CLOCK_DRIFT: Final = Case("clock_drift", ("clock_drift",), _clock_drift, ELSEWHERE, elsewhere, trades)
VENUE_DOWN: Final = Case("venue_down", ("venue_down",), _venue_down, ELSEWHERE, elsewhere, trades)
REJECTED_AFTER_ACCEPT: Final = Case(
    "rejected_after_accept",
    ("rejected_after_accept",),
    _rejected_after_accept,
    ELSEWHERE,
    elsewhere,
    trades,
    tidy=restore,
)
DUPLICATE_FILL: Final = Case(
    "duplicate_fill", ("duplicate_fill",), _duplicate_fill, ELSEWHERE, elsewhere, trades, tidy=restore
)
