"""The faults and controls of the benchmark, in the order in which they are brought about.

What alerts and anomalies go on about for ten minutes and more comes early: it ends while others are brought about. An
expired token comes last: it uses the account's attempts to log in up for half an hour.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np

from benchmarks.incidents import at_venues, inside
from benchmarks.incidents.case import Case
from benchmarks.incidents.house import House
from benchmarks.incidents.opening import ready, until

_BETWEEN_SERVICES_SECONDS: Final = 5.0
_BACK_SECONDS: Final = 120.0


@contextmanager
def _volatility_spike(running: House, _random: np.random.Generator) -> Iterator[None]:
    running.wildness, running.pace = 0.01, 2
    try:
        yield
    finally:
        running.wildness, running.pace = 0.0005, 1


@contextmanager
def _maintenance_window(running: House, _random: np.random.Generator) -> Iterator[None]:
    running.aim()
    reason = {"reason": "planned maintenance window"}
    running.call("trading", "POST", f"/venues/{running.faulty}/hold", reason)
    running.fault(fault="disconnect", count=1)
    try:
        yield
    finally:
        running.call("trading", "POST", f"/venues/{running.faulty}/restore", reason)


@contextmanager
def _triple_load(running: House, _random: np.random.Generator) -> Iterator[None]:
    running.pace = 3
    try:
        yield
    finally:
        running.pace = 1


@contextmanager
def _deploy_without_effect(running: House, _random: np.random.Generator) -> Iterator[None]:
    """Services are stopped in order, one after the other, and started by their supervisor with nothing changed."""
    for service in ("content", "console", "trading"):
        pid = running.pid_of(service)
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
        running.wait(_BETWEEN_SERVICES_SECONDS)
    yield
    until(lambda: ready(running), _BACK_SECONDS, "trading does not come back after its restart")


CONTROLS: Final = (
    Case("triple_load", (), _triple_load),
    Case("volatility_spike", (), _volatility_spike),
    Case("maintenance_window", (), _maintenance_window),
    Case("deploy_without_effect", (), _deploy_without_effect),
)
FAULTS: Final = (
    inside.WORKER_CRASH_LOOP,
    inside.RETRY_STORM,
    at_venues.VENUE_SLOW,
    inside.POISON_EVENT,
    at_venues.RATE_LIMITED,
    inside.CODE_DELAYED,
    at_venues.VENUE_DOWN,
    inside.STRATEGY_DECAY,
    at_venues.CLOCK_DRIFT,
    inside.QUOTES_FROZEN,
    inside.STORAGE_FULL,
    at_venues.REJECTED_AFTER_ACCEPT,
    inside.BAD_CONFIGURATION,
    at_venues.DUPLICATE_FILL,
    at_venues.EXPIRED_TOKEN,
)
