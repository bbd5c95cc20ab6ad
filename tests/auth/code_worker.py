"""A process that asks for codes until it is killed: `python -m tests.auth.code_worker JSON`.

Each code that it was given is one line, "account step code", appended to a file by one system call.
"""

import json
import os
import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.auth.errors import CodeUnavailableError
from services.auth.totp.clock_offset import ClockWatch
from services.auth.totp.issuer import CodeIssuer
from services.auth.vault.key_file import KeyFileProvider
from services.auth.vault.vault import Vault
from services.contracts.auth import AccountId
from services.kit.database import Database
from services.kit.database_errors import DatabaseBusyError
from tests.auth.support import KeptFacts


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What the process is to do.

    Attributes:
        started_at: Reading of the machine's monotonic clock when the test began: all processes share it.
        speed: How many seconds of the processes' clocks go by in one real second.
        skew_seconds: How far this process' clock is off, in its own seconds.
    """

    database_url: str
    key_file: str
    given: str
    accounts: list[str]
    callers: int
    started_at: float
    speed: float
    skew_seconds: float


class FastClock:
    """Runs many times as fast as the machine's clock, and off by a skew."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders

    def monotonic(self) -> float:
        return (time.monotonic() - self._orders.started_at) * self._orders.speed

    def now(self) -> datetime:
        return datetime(2026, 3, 2, 12, tzinfo=UTC) + timedelta(seconds=self.monotonic() + self._orders.skew_seconds)


class FastWaiter:
    """Waits as long as the fast clock takes for it."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._never = threading.Event()

    def wait(self, seconds: float) -> None:
        self._never.wait(seconds / self._speed)


def _ask(issuer: CodeIssuer, accounts: list[str], first: int, given: int) -> None:
    turn = first
    while True:
        turn += 1
        account = AccountId(accounts[turn % len(accounts)])
        try:
            issued = issuer.issue(account, actor="flow", purpose="login")
        except (CodeUnavailableError, DatabaseBusyError):
            continue  # too many wait for this account: the next one, then
        os.write(given, f"{account} {issued.step} {issued.code.reveal()}\n".encode())


def main() -> None:
    orders = Orders(**json.loads(sys.argv[1]))
    clock = FastClock(orders)
    database = Database(orders.database_url, service="auth")
    facts = KeptFacts(database)
    vault = Vault(facts, database, clock)
    vault.unseal([KeyFileProvider(Path(orders.key_file))], actor="worker")
    issuer = CodeIssuer(vault, facts, clock, waiter=FastWaiter(orders.speed), correction=ClockWatch())
    given = os.open(orders.given, os.O_WRONLY | os.O_APPEND)
    callers = [
        threading.Thread(target=_ask, args=(issuer, orders.accounts, number, given)) for number in range(orders.callers)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()


if __name__ == "__main__":
    main()
