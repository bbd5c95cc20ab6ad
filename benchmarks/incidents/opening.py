"""Opens a platform of its own for the fault benchmark: every service as `sightline up` starts it, and nothing left."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.incidents.house import (
    DECIDED,
    DECIDER,
    IDLE,
    PORTS,
    PROBED,
    SYMBOLS,
    TRADED,
    TRADING_FILE,
    VENUES,
    WATCHED,
    WATCHER,
    CallFailedError,
    House,
)
from services.console.stack.inventory import COMPONENTS
from services.console.stack.layout import HOST
from services.console.stack.ready import port_is_free

_READY_SECONDS: Final = 180.0
_PAST_BARS: Final = 10
_LIMITS: Final = {
    "order_notional": "1000000",
    "symbol_notional": "100000000",
    "gross_exposure": "100000000",
    "net_exposure": "100000000",
    "open_orders": 10_000,
    "orders_in_window": 100_000,
    "daily_loss": "1000000000",
    "leverage": "100000",
    "price_band": "0.99",
}
# One that trades now and then, and one whose averages are so long that it decides nothing by itself: its trades are
# what a fault says.
_WATCHER: Final = {
    "name": WATCHER,
    "kind": "sma-cross",
    "symbols": list(WATCHED),
    "timeframe": "1min",
    "capital": "10000",
}
_DECIDER: Final = {
    "name": DECIDER,
    "kind": "sma-cross",
    "symbols": [IDLE],
    "parameters": {"fast": 100, "slow": 300},
    "timeframe": "1min",
    "capital": "10000",
}


@contextmanager
def house(seed: int) -> Iterator[House]:
    """Start everything natively in a temporary directory; stopped with the block."""
    with tempfile.TemporaryDirectory(prefix="sightline-incidents-") as name:
        directory, offset = Path(name), _free_offset()
        venues = [
            {"name": venue, "base_url": f"http://{HOST}:{PORTS['venue'] + offset}/paper/{venue}"} for venue in VENUES
        ]
        trading = {
            "venues": venues,
            "sessions": "always",
            "limits": _LIMITS,
            "strategies": [_WATCHER, _DECIDER],
            "bars": {"stale_after_seconds": 30, "parity_bars": 0},
        }
        (directory / TRADING_FILE).write_text(json.dumps(trading))
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SIGHTLINE_")}
        environ = kept | {
            "SIGHTLINE_DATA_DIR": name,
            "SIGHTLINE_PORT_OFFSET": str(offset),
            "SIGHTLINE_TRADING_FILE": str(directory / TRADING_FILE),
            "SIGHTLINE_PAPER_FEED": "none",
            "SIGHTLINE_PAPER_SYMBOLS": json.dumps(SYMBOLS),
            "SIGHTLINE_PAPER_REQUESTS_PER_MINUTE": "100000",
            "SIGHTLINE_DETECT_SECONDS": "5",
        }
        try:
            _sightline(environ, "up", "--native", "--no-fetch", "--timeout", "120")
            running = House(directory, offset, environ, np.random.default_rng(seed))
            running.push(TRADED, DECIDED, PROBED)
            running.push(*WATCHED, IDLE, seconds=60, count=_PAST_BARS)
            until(lambda: ready(running), _READY_SECONDS, "the venues are not ready for orders")
            yield running
        finally:
            _sightline(environ, "down")


def ready(running: House, venue: str = "") -> bool:
    """Whether a venue, or every one, takes new orders."""
    try:
        venues = running.call("trading", "GET", "/state")["venues"]
    except CallFailedError:
        return False
    return all(each["ready"] for each in venues if venue in {"", each["venue"]})


def until(condition: Callable[[], bool], seconds: float, problem: str) -> None:
    """Wait for a condition. Raises `TimeoutError` that says what did not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(problem)
        time.sleep(0.5)


def _free_offset() -> int:
    """One at which every port is free, below those that the system gives out to callers."""
    ports = [port for component in COMPONENTS for port in component.ports.values()]
    for _ in range(200):
        offset = 11_000 + secrets.randbelow(11_000)
        if all(port_is_free(HOST, port + offset) for port in ports):
            return offset
    raise RuntimeError("no offset leaves all ports free")


def _sightline(environ: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "services.console.entry", *arguments]
    subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 -- our own command
