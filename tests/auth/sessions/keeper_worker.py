"""A process that logs one account in: `python -m tests.auth.sessions.keeper_worker JSON`. Prints what came of it."""

import asyncio
import json
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
from opentelemetry.trace import NoOpTracerProvider

from services.auth.accounts import Accounts
from services.auth.logins.wire import Wire
from services.auth.sessions.journal import Journal
from services.auth.sessions.keeper import KeeperParts, SessionKeeper
from services.auth.sessions.parts import LoginParts, TimedPauses
from services.auth.sessions.single_flight import SingleFlight
from services.auth.sessions.threads import Threads
from services.auth.sms.correlator import SmsCorrelator
from services.auth.sms.patterns import standard_patterns
from services.auth.totp.clock_offset import ClockWatch
from services.auth.totp.issuer import CodeIssuer
from services.auth.vault.key_file import KeyFileProvider
from services.auth.vault.vault import Vault
from services.contracts.auth import AccountId
from services.kit.database import Database
from services.kit.errors import SightlineError
from services.kit.ids import SystemRandomness
from tests.auth.sessions.keeping import AdvancingWaiter, logins
from tests.auth.support import KeptFacts
from tests.fakes.clock import FakeClock


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What the process is to do; `now` is where its clock stands."""

    database_url: str
    key_file: str
    account: str
    now: str


def main() -> None:
    orders = Orders(**json.loads(sys.argv[1]))
    clock, randomness = FakeClock(datetime.fromisoformat(orders.now)), SystemRandomness()
    database = Database(orders.database_url, service="auth")
    facts, waiter = KeptFacts(database), AdvancingWaiter(clock)
    vault = Vault(facts, database, clock)
    vault.unseal([KeyFileProvider(Path(orders.key_file))], actor="worker")
    login = LoginParts(
        logins=logins(Wire(httpx.AsyncClient(trust_env=False), clock), clock, randomness),
        journal=Journal(facts, database, vault, clock),
        issuer=CodeIssuer(vault, facts, clock, waiter=waiter, correction=ClockWatch()),
        inbox=SmsCorrelator(standard_patterns(), clock, randomness),
        clock=clock,
        randomness=randomness,
        tracer=NoOpTracerProvider().get_tracer("worker"),
        pauses=TimedPauses(),
        threads=Threads(),
    )
    flight = SingleFlight(facts, database, clock, randomness, waiter)
    parts = KeeperParts(accounts=Accounts(), readings=database, vault=vault, flight=flight, login=login)
    try:
        told = asyncio.run(SessionKeeper(parts).login(AccountId(orders.account))).state
    except SightlineError as error:
        told = error.code
    print(told)  # noqa: T201 -- what the test reads


if __name__ == "__main__":
    main()
