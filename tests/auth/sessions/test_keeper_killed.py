"""A process is killed in the middle of a login, at each point where something was just sent, and another goes on."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from services.auth.accounts import Account, Accounts, MfaMethod
from services.auth.secret import Secret
from services.auth.sessions import attempts
from services.auth.totp.seeds import TotpSeed
from services.auth.vault.key_file import KeyFileProvider
from services.contracts.auth import Broker, CredentialKind
from services.contracts.verdict import Environment
from services.kit.database import Database
from services.kit.ids import SystemRandomness
from services.kit.server import listen
from services.venue.logins.customers import Customer, Factor
from services.venue.logins.simulators import LoginSimulators
from services.venue.logins.sms import NoSms
from tests.auth.sessions.keeper_worker import Orders
from tests.auth.support import ACCOUNT, OPERATOR, SEED, House
from tests.fakes.clock import FakeClock

PASSWORD = "canary-password-5150"
LONGEST_SECONDS = 30.0


@dataclass
class Holding:
    """Serves the brokers, and holds back the answer to the n-th request until told; the request has its effect."""

    brokers: ASGIApp
    hold: int = 0
    seen: int = 0
    held: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen += 1
        if self.seen != self.hold:
            await self.brokers(scope, receive, send)
            return

        async def into_nothing(_message: object) -> None:
            """The client is dead before it hears of this."""

        await self.brokers(scope, receive, into_nothing)
        self.held.set()
        self.let_go.wait(LONGEST_SECONDS)
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@contextmanager
def _served(app: ASGIApp) -> Iterator[str]:
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(LONGEST_SECONDS)
        listener.close()


@dataclass
class Scene:
    """A simulated broker with one customer, and the database and vault that the processes share."""

    home: Path
    database: Database
    clock: FakeClock

    def __post_init__(self) -> None:
        simulators = LoginSimulators(self.clock, SystemRandomness(), NoSms())
        customer = Customer(Broker.ROBINHOOD, "me@example.com", PASSWORD, Factor.TOTP, totp_seed=SEED)
        self.customer = simulators.customers.put(customer)
        self.holding = Holding(simulators.app)

    def enrol(self, base_url: str) -> None:
        """Register the account and store its secrets."""
        house = House(self.database, self.clock)
        house.vault.initialise(KeyFileProvider(self.home / "vault.key"), actor=OPERATOR)
        house.vault.put(ACCOUNT, CredentialKind.PASSWORD, Secret(PASSWORD), actor=OPERATOR)
        house.vault.put(ACCOUNT, CredentialKind.TOTP_SEED, TotpSeed.from_text(SEED).to_vault(), actor=OPERATOR)
        data = {"username": "me@example.com"}
        url = f"{base_url}/robinhood"
        account = Account(ACCOUNT, Broker.ROBINHOOD, Environment.PAPER, MfaMethod.TOTP, url, data)
        with self.database.transaction() as connection:
            Accounts().put(connection, account, self.clock.now())

    def kill_one_at(self, request_number: int) -> None:
        """Start a process, and kill it when it waits for the answer to its n-th request."""
        self.holding.hold, self.holding.seen = request_number, 0
        self.holding.held.clear()
        self.holding.let_go.clear()
        with self._start() as victim:
            came = self.holding.held.wait(LONGEST_SECONDS)
            victim.kill()
        self.holding.let_go.set()
        assert came, "the process did not come so far"
        self.holding.hold = 0

    def let_one_end(self) -> str:
        """Start a process, and return what it tells."""
        with self._start() as process:
            return process.communicate(timeout=LONGEST_SECONDS)[0].decode().strip()

    def unfinished(self) -> int:
        """Attempts of which nothing was heard."""
        with self.database.reading() as connection:
            return len(attempts.unfinished(connection, ACCOUNT))

    def left(self) -> int:
        """Attempts that may be sent."""
        with self.database.reading() as connection:
            return attempts.left(connection, ACCOUNT, self.clock.now()).remaining

    def _start(self) -> "subprocess.Popen[bytes]":
        orders = Orders(
            database_url=f"sqlite:///{self.home / 'auth.db'}",
            key_file=str(self.home / "vault.key"),
            account=ACCOUNT,
            now=self.clock.now().isoformat(),
        )
        command = [sys.executable, "-m", "tests.auth.sessions.keeper_worker", json.dumps(asdict(orders))]
        return subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603 -- our own worker


@pytest.fixture
def scene(tmp_path: Path, database: Database, clock: FakeClock) -> Iterator[Scene]:
    scene = Scene(tmp_path, database, clock)
    with _served(scene.holding) as base_url:
        scene.enrol(base_url)
        yield scene


@pytest.mark.parametrize(
    ("request_number", "codes", "left"),
    [
        pytest.param(1, 1, 1, id="password"),  # a second attempt, with the first code
        pytest.param(2, 2, 1, id="code"),  # a second attempt, with a second code
        pytest.param(3, 1, 2, id="probe"),  # the session is in the vault: no second attempt
    ],
)
def test_login_when_its_process_is_killed_after_sending_then_another_sends_no_code_twice_and_keeps_to_the_budget(
    scene: Scene, request_number: int, codes: int, left: int
) -> None:
    scene.kill_one_at(request_number)
    assert (scene.unfinished(), scene.left()) == (1, 2)
    scene.clock.advance(300)  # the dead process' lease runs out
    assert scene.let_one_end() == "active"
    assert len(scene.customer.codes) == len(set(scene.customer.codes)) == codes
    assert (scene.unfinished(), scene.left()) == (0, left)


def test_login_when_processes_are_killed_again_and_again_then_the_budget_ends_it(scene: Scene) -> None:
    for _ in range(3):
        scene.kill_one_at(2)
        scene.clock.advance(300)
    assert scene.let_one_end() == "attempt_budget_exhausted"
    assert len(scene.customer.codes) == len(set(scene.customer.codes)) == 3
