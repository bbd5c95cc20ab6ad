"""The whole native platform on ports of its own, for benchmarks that go through it as a user does."""

import http.client
import json
import os
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from alpaca.trading.client import TradingClient

from services.kit.callers import read_private_key
from services.kit.clock import SystemClock
from services.kit.identity import CallerSigner
from services.kit.secret_files import read_secret

SYMBOLS: Final = ("AAPL", *(f"S{letter}" for letter in "ABCDEFGHIJKLMNOPQRS"))
_TRADING_PORT: Final = 8730
_VENUE_PORT: Final = 8740
_SECONDS: Final = 120.0
_WIDE: Final = {
    "order_notional": "100000000",
    "symbol_notional": "10000000000",
    "gross_exposure": "10000000000",
    "net_exposure": "10000000000",
    "open_orders": 1_000_000,
    "orders_in_window": 1_000_000,
    "daily_loss": "1000000000",
    "leverage": "100000",
    "price_band": "0.99",
}


@dataclass(frozen=True)
class Platform:
    """A platform that runs, and whose first paper venue is ready for orders."""

    directory: Path
    offset: int

    def signer(self) -> CallerSigner:
        """Signs as the operator."""
        key = read_private_key(read_secret(self.directory / "secrets" / "identity" / "operator.pem"))
        return CallerSigner("operator", key, SystemClock())

    def connection(self) -> http.client.HTTPConnection:
        """To the trading service."""
        return http.client.HTTPConnection("127.0.0.1", _TRADING_PORT + self.offset, timeout=60)

    def raw(self) -> TradingClient:
        """alpaca-py as it comes, at the same venue and with the same account."""
        accounts = json.loads(read_secret(self.directory / "secrets" / "paper_accounts.json"))
        account = next(each for each in accounts if each["name"] == "alpha")
        url = f"http://127.0.0.1:{_VENUE_PORT + self.offset}/paper/alpha"
        return TradingClient(account["key_id"], account["secret_key"], url_override=url, raw_data=True)

    def spans(self, *names: str) -> dict[str, list[float]]:
        """Durations of spans so far, in milliseconds, by name; from the embedded store."""
        path = self.directory / "telemetry" / "telemetry.db"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as store:
            found = {
                name: [
                    nanoseconds / 1e6
                    for (nanoseconds,) in store.execute(
                        "SELECT end_ns - start_ns FROM spans WHERE name = ? ORDER BY start_ns", (name,)
                    )
                ]
                for name in names
            }
        store.close()
        return found


class Caller:
    """One connection to the trading service, and signed calls on it."""

    def __init__(self, platform: Platform) -> None:
        self._connection = platform.connection()
        self._signer = platform.signer()

    def call(self, method: str, target: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 -- whatever is JSON
        """The answer; raises when it is an error."""
        content = b"" if body is None else json.dumps(body).encode()
        headers = self._signer.headers(method, target, content, audience="trading")
        if body is not None:
            headers["content-type"] = "application/json"
        self._connection.request(method, target, content, headers)
        answer = self._connection.getresponse()
        told = answer.read()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise RuntimeError(f"{method} {target}: {answer.status} {told[:300]!r}")
        return json.loads(told)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def platform(limits: dict[str, Any] | None = None) -> Iterator[Platform]:
    """Start everything natively in a temporary directory; stopped with the block."""
    with tempfile.TemporaryDirectory(prefix="sightline-platform-") as name:
        directory, offset = Path(name), 20_000 + secrets.randbelow(10_000)
        venue = f"http://127.0.0.1:{_VENUE_PORT + offset}/paper/alpha"
        trading = {
            "venues": [{"name": "alpha", "base_url": venue}],
            "sessions": "always",
            "limits": _WIDE | (limits or {}),
        }
        (directory / "trading.yml").write_text(json.dumps(trading))
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SIGHTLINE_")}
        environ = kept | {
            "SIGHTLINE_DATA_DIR": name,
            "SIGHTLINE_PORT_OFFSET": str(offset),
            "SIGHTLINE_TRADING_FILE": str(directory / "trading.yml"),
            "SIGHTLINE_PAPER_REQUESTS_PER_MINUTE": "100000000",
            "SIGHTLINE_PAPER_BAR_SECONDS": "1",
            "SIGHTLINE_PAPER_SYMBOLS": json.dumps(SYMBOLS),
        }
        try:
            _sightline(environ, "up", "--native", "--timeout", "120")
            running = Platform(directory, offset)
            _wait_until_ready(running)
            yield running
        finally:
            _sightline(environ, "down")


def _wait_until_ready(running: Platform) -> None:
    deadline = time.monotonic() + _SECONDS
    caller = Caller(running)
    while not all(venue["ready"] for venue in caller.call("GET", "/state")["venues"]) or not _has_price(caller):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the venue is not ready: {caller.call('GET', '/state')}")
        time.sleep(0.2)
    caller.close()


def _has_price(caller: Caller) -> bool:
    ticket = {"symbol": "AAPL", "side": "buy", "quantity": "1"}
    return caller.call("POST", "/orders", {"ticket": ticket})["denied"] is None


def _sightline(environ: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "services.console.entry", *arguments]
    subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 -- our own command
