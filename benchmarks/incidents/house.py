"""A platform of its own for the fault benchmark: every service as `sightline up` starts it, bars and orders from here.

Traffic goes to loopback only. Bars are pushed by the benchmark, so that it decides what the market does.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np

from services.console.stack import processes
from services.console.stack.inventory import COMPONENTS
from services.console.stack.layout import HOST, Layout, checkout
from services.console.stack.ready import port_is_free
from services.kit.callers import read_private_key
from services.kit.clock import SystemClock
from services.kit.identity import CallerSigner
from services.kit.secret_files import read_secret

PORTS: Final = {
    "console": 8700,
    "automation": 8710,
    "auth": 8720,
    "trading": 8730,
    "venue": 8740,
    "content": 8750,
    "agents": 8760,
    "nats": 4222,
}
VENUES: Final = ("alpha", "beta")
# A strategy watches the first by bars of minutes, the usual traffic trades the second, the third is for trades that a
# fault decides about.
WATCHED: Final = "AAPL"
TRADED: Final = "MSFT"
DECIDED: Final = "EDGE"
SYMBOLS: Final = (WATCHED, TRADED, DECIDED)
_READY_SECONDS: Final = 180.0
_ORDERS_EVERY_SECONDS: Final = 2.0
_BARS_EVERY_SECONDS: Final = 1.0
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


class CallFailedError(RuntimeError):
    """A service of the platform answered with an error, or not at all."""


@dataclass
class House:
    """A platform that runs, with its traffic.

    Attributes:
        pace: Orders per two seconds of the usual traffic.
        wildness: Standard deviation of a bar's return.
        frozen: No bars come while it is set.
    """

    directory: Path
    offset: int
    environ: dict[str, str]
    random: np.random.Generator
    pace: int = 1
    wildness: float = 0.0005
    frozen: bool = False
    prices: dict[str, float] = field(default_factory=lambda: {"AAPL": 180.0, "MSFT": 400.0, "EDGE": 100.0})

    def __post_init__(self) -> None:
        key = read_private_key(read_secret(self.directory / "secrets" / "identity" / "operator.pem"))
        self._signer = CallerSigner("operator", key, SystemClock())
        self._client = httpx.Client(trust_env=False, timeout=30.0)
        self._stopping = threading.Event()
        self._pushing = threading.Lock()

    def url(self, service: str) -> str:
        """Base URL of a service."""
        return f"http://{HOST}:{PORTS[service] + self.offset}"

    def call(self, service: str, method: str, target: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 -- JSON
        """What a service answers to the operator. Raises `CallFailedError`."""
        content = b"" if body is None else json.dumps(body).encode()
        headers = self._signer.headers(method, target, content, audience=service)
        if body is not None:
            headers["content-type"] = "application/json"
        try:
            answer = self._client.request(method, f"{self.url(service)}{target}", headers=headers, content=content)
        except httpx.HTTPError as error:
            raise CallFailedError(f"{service} does not answer: {type(error).__name__}") from error
        if answer.is_error:
            raise CallFailedError(f"{method} {target}: {answer.status_code} {answer.text[:200]}")
        return answer.json() if answer.content else None

    def fault(self, venue: str, **fault: Any) -> None:  # noqa: ANN401 -- the fields of a planned fault
        """Plan a fault at a paper venue."""
        self.call("venue", "POST", f"/venues/{venue}/faults", {"faults": [fault]})

    def clear_faults(self) -> None:
        """Take every planned fault back."""
        for venue in VENUES:
            self.call("venue", "DELETE", f"/venues/{venue}/faults")

    def account(self, venue: str) -> dict[str, Any]:
        """The paper account that trading uses at a venue."""
        every = json.loads(read_secret(self.directory / "secrets" / "paper_accounts.json"))
        found: dict[str, Any] = next(each for each in every if each["venue"] == venue)
        return found

    def order(self, symbol: str = TRADED, side: str = "buy", *, strategy: str = "operator", quantity: str = "1") -> Any:  # noqa: ANN401 -- JSON
        """Ask for a market order."""
        ticket = {"symbol": symbol, "side": side, "quantity": quantity}
        return self.call("trading", "POST", "/orders", {"ticket": ticket, "strategy": strategy})

    def push(self, symbol: str, price: float, *, seconds: int = 1) -> None:
        """Let a symbol's price be this, at every venue, by a bar that ends now."""
        with self._pushing:
            end = datetime.now(UTC).replace(microsecond=0) if seconds > 1 else datetime.now(UTC)
            bar = {
                "symbol": symbol,
                "start": (end - timedelta(seconds=seconds)).isoformat(),
                "seconds": seconds,
                **dict.fromkeys(("open", "high", "low", "close"), f"{price:.2f}"),
                "volume": "100000",
            }
            for venue in VENUES:
                self.call("venue", "POST", f"/venues/{venue}/bars", {"bars": [bar]})
            self.prices[symbol] = price

    def pid_of(self, service: str) -> int | None:
        """The process of a service of this platform, None while it is not there."""
        layout = Layout(
            root=checkout(),
            data_dir=self.directory,
            secrets_dir=self.directory / "secrets",
            port_offset=self.offset,
        )
        ours = processes.with_environment(f"SUPERVISOR_SERVER_URL=unix://{layout.socket}")
        return next((pid for pid in ours if processes.command_holds(pid, f"services.{service}")), None)

    @contextmanager
    def traffic(self) -> Iterator[None]:
        """Bars and orders go on while the block runs. What a fault refuses is no failure of the traffic."""
        threads = [threading.Thread(target=work) for work in (self._bars, self._orders)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join()

    def _bars(self) -> None:
        minute = datetime.now(UTC).minute
        while not self._stopping.wait(_BARS_EVERY_SECONDS):
            if self.frozen:
                continue
            with suppress(CallFailedError):
                self.push(TRADED, self._moved(TRADED))
                if datetime.now(UTC).minute != minute:
                    minute = datetime.now(UTC).minute
                    self.push(WATCHED, self._moved(WATCHED), seconds=60)

    def _moved(self, symbol: str) -> float:
        return self.prices[symbol] * (1 + self.wildness * float(self.random.standard_normal()))

    def _orders(self) -> None:
        side = "buy"
        while not self._stopping.wait(_ORDERS_EVERY_SECONDS):
            for _ in range(self.pace):
                with suppress(CallFailedError):
                    self.order(TRADED, side)
            side = "sell" if side == "buy" else "buy"


@contextmanager
def house(seed: int) -> Iterator[House]:
    """Start everything natively in a temporary directory; stopped with the block."""
    with tempfile.TemporaryDirectory(prefix="sightline-incidents-") as name:
        directory, offset = Path(name), _free_offset()
        venues = [
            {"name": venue, "base_url": f"http://{HOST}:{PORTS['venue'] + offset}/paper/{venue}"} for venue in VENUES
        ]
        watcher = {
            "name": "watcher",
            "kind": "sma-cross",
            "symbols": [WATCHED],
            "timeframe": "1min",
            "capital": "10000",
        }
        trading = {
            "venues": venues,
            "sessions": "always",
            "limits": _LIMITS,
            "strategies": [watcher],
            "bars": {"stale_after_seconds": 30, "parity_bars": 0},
        }
        (directory / "trading.yml").write_text(json.dumps(trading))
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SIGHTLINE_")}
        environ = kept | {
            "SIGHTLINE_DATA_DIR": name,
            "SIGHTLINE_PORT_OFFSET": str(offset),
            "SIGHTLINE_TRADING_FILE": str(directory / "trading.yml"),
            "SIGHTLINE_PAPER_FEED": "none",
            "SIGHTLINE_PAPER_SYMBOLS": json.dumps(SYMBOLS),
            "SIGHTLINE_PAPER_REQUESTS_PER_MINUTE": "100000",
            "SIGHTLINE_DETECT_SECONDS": "5",
        }
        try:
            _sightline(environ, "up", "--native", "--no-fetch", "--timeout", "120")
            running = House(directory, offset, environ, np.random.default_rng(seed))
            for symbol in (TRADED, DECIDED):
                running.push(symbol, running.prices[symbol])
            running.push(WATCHED, running.prices[WATCHED], seconds=60)
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
