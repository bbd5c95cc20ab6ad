"""A platform that runs for the fault benchmark: calls to its services, and its usual traffic of bars and orders.

Traffic goes to loopback only. Bars are pushed by the benchmark, so that it decides what the market does.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np

from services.console.stack import processes
from services.console.stack.layout import HOST, Layout, checkout
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
# fault decides about, checks of the state trade the fourth, and the last is for a strategy that decides nothing.
WATCHED: Final = ("AAPL", "AMZN", "GOOG", "IBM", "INTC", "META", "NFLX", "NVDA", "ORCL", "TSLA")
TRADED: Final = "MSFT"
DECIDED: Final = "EDGE"
PROBED: Final = "SPY"
IDLE: Final = "DIS"
SYMBOLS: Final = (*WATCHED, TRADED, DECIDED, PROBED, IDLE)
WATCHER: Final = "watcher"
DECIDER: Final = "decider"
TRADING_FILE: Final = "trading.yml"
_ORDERS_EVERY_SECONDS: Final = 2.0
_BARS_EVERY_SECONDS: Final = 1.0
_MINUTE_SECONDS: Final = 60.0
_HURRIED_SECONDS: Final = 10.0


class CallFailedError(RuntimeError):
    """A service of the platform answered with an error, or not at all."""


@dataclass
class House:
    """A platform that runs, with its traffic.

    Attributes:
        pace: Orders per two seconds of the usual traffic.
        wildness: Standard deviation of a bar's return.
        frozen: No bars come while it is set.
        hurried: Bars of minutes come every few seconds while it is set.
        faulty: The venue that faults are planned at.
        account_by_sms: The account that last logged in by text message, "" for none.
    """

    directory: Path
    offset: int
    environ: dict[str, str]
    random: np.random.Generator
    pace: int = 1
    wildness: float = 0.0005
    frozen: bool = False
    hurried: bool = False
    faulty: str = VENUES[0]
    account_by_sms: str = ""
    prices: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SYMBOLS, 100.0))

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

    def run(self, *arguments: str, lines: tuple[str, ...] = ()) -> None:
        """Have the operator run `sightline`, who answers its questions with `lines`. Raises `CallFailedError`."""
        command = [sys.executable, "-m", "services.console.entry", *arguments]
        answers = "".join(f"{line}\n" for line in lines)
        done = subprocess.run(  # noqa: S603 -- our own command
            command, env=self.environ, input=answers, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise CallFailedError(f"sightline {' '.join(arguments[:2])}: {done.stdout[-300:]}{done.stderr[-300:]}")

    def aim(self) -> None:
        """Have faults planned at the venue that the router sends orders to at present. Raises `CallFailedError`."""
        orders = self.order()["orders"]
        if orders:
            self.faulty = orders[-1]["venue"]

    def fault(self, **fault: Any) -> None:  # noqa: ANN401 -- the fields of a planned fault
        """Plan a fault at the faulty venue."""
        self.call("venue", "POST", f"/venues/{self.faulty}/faults", {"faults": [fault]})

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

    def push(self, *symbols: str, price: float | None = None, seconds: int = 1, count: int = 1) -> None:
        """Let bars end now at every venue, the last of `count` in a row: at a price, or where chance takes each."""
        with self._pushing:
            end = datetime.now(UTC).replace(microsecond=0) if seconds > 1 else datetime.now(UTC)
            bars = []
            for symbol in symbols:
                for number in range(count, 0, -1):
                    chance = self.prices[symbol] * (1 + self.wildness * float(self.random.standard_normal()))
                    self.prices[symbol] = chance if price is None else price
                    start = end - timedelta(seconds=seconds * number)
                    same = dict.fromkeys(("open", "high", "low", "close"), f"{self.prices[symbol]:.2f}")
                    shown = {"symbol": symbol, "start": start.isoformat(), "seconds": seconds}
                    bars.append({**shown, **same, "volume": "100000"})
            for venue in VENUES:
                self.call("venue", "POST", f"/venues/{venue}/bars", {"bars": bars})

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

    def wait(self, seconds: float) -> None:
        """Let time pass, less of it when the traffic ends."""
        self._stopping.wait(seconds)

    def _bars(self) -> None:
        last = time.monotonic()
        while not self._stopping.wait(_BARS_EVERY_SECONDS):
            if self.frozen:
                continue
            with suppress(CallFailedError):
                self.push(TRADED, PROBED)
                if time.monotonic() - last >= (_HURRIED_SECONDS if self.hurried else _MINUTE_SECONDS):
                    last = time.monotonic()
                    self.push(*WATCHED, IDLE, seconds=60)

    def _orders(self) -> None:
        side = "buy"
        while not self._stopping.wait(_ORDERS_EVERY_SECONDS):
            for _ in range(self.pace):
                with suppress(CallFailedError):
                    self.order(TRADED, side)
            side = "sell" if side == "buy" else "buy"
