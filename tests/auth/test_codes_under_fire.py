"""Many callers, few accounts, clocks that disagree, and processes that are killed: no code is given out twice."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Self

import pytest
from sqlalchemy import select

from services.auth.tables import AUDIT, TOTP_CLAIMS
from services.auth.totp.seeds import TotpSeed
from services.auth.vault.key_file import KeyFileProvider
from services.contracts.auth import AccountId, CredentialKind
from services.kit.database import Database
from tests.auth.code_worker import Orders
from tests.auth.support import OPERATOR, SEED, House
from tests.fakes.clock import FakeClock

PROCESSES = 4
CALLERS = 5  # in each process
ACCOUNTS = [AccountId(name) for name in ("alpha", "beta", "gamma")]
SPEED = 1_500  # a step of 30 s takes 20 ms
DEADLINE_SECONDS = 240


class Battlefield:
    """Processes that ask for codes, and the file of what they were given."""

    def __init__(self, home: Path, chance: Random) -> None:
        self._chance = chance
        self.given = home / "given"
        self.given.touch()
        self._orders = {
            "database_url": f"sqlite:///{home / 'auth.db'}",
            "key_file": str(home / "vault.key"),
            "given": str(self.given),
            "accounts": list(ACCOUNTS),
            "callers": CALLERS,
            "started_at": time.monotonic(),
            "speed": SPEED,
        }
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self._processes = [self._start() for _ in range(PROCESSES)]
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def _start(self) -> "subprocess.Popen[bytes]":
        # The clocks disagree by up to three steps, and a process that is started again may find its clock set back.
        orders = Orders(**self._orders, skew_seconds=self._chance.uniform(-60, 30))  # type: ignore[arg-type] # by name
        command = [sys.executable, "-m", "tests.auth.code_worker", json.dumps(asdict(orders))]
        return subprocess.Popen(command)  # noqa: S603 -- our own worker

    def kill_one(self) -> None:
        """Kill a process without warning, and start another in its place."""
        number = self._chance.randrange(PROCESSES)
        victim = self._processes[number]
        assert victim.poll() is None, "a process ended by itself"
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        self._processes[number] = self._start()

    def wait_for(self, codes: int) -> None:
        """Wait until so many codes were given out."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.given.read_bytes().count(b"\n") < codes:
            assert time.monotonic() < deadline, f"{self.given.read_bytes().count(bytes([10]))} of {codes} codes in time"
            assert all(process.poll() is None for process in self._processes), "a process ended by itself"
            time.sleep(0.02)  # a foreign process: there is nothing to wait on but its file


def _fight(database: Database, home: Path, *, codes: int, kills: int) -> list[tuple[str, int, str]]:
    house = House(database, FakeClock())
    house.vault.initialise(KeyFileProvider(home / "vault.key"), actor=OPERATOR)
    for account in ACCOUNTS:
        seed = TotpSeed.from_text(SEED).to_vault()
        house.vault.put(account, CredentialKind.TOTP_SEED, seed, actor=OPERATOR)
    chance = Random(codes + kills)  # noqa: S311 -- which process dies, and how its clock is off: the same in every run
    with Battlefield(home, chance) as battlefield:
        for kill in range(kills):
            battlefield.wait_for(codes * (kill + 1) // (kills + 1))
            battlefield.kill_one()
        battlefield.wait_for(codes)
    lines = battlefield.given.read_text().splitlines()
    return [(account, int(step), code) for account, step, code in (line.split() for line in lines)]


@pytest.mark.parametrize(
    ("codes", "kills"),
    [
        pytest.param(300, 4, id="short"),
        pytest.param(10_000, 25, id="full", marks=[pytest.mark.slow, pytest.mark.timeout(DEADLINE_SECONDS * 2)]),
    ],
)
def test_codes_when_processes_are_killed_and_clocks_disagree_then_no_step_is_given_out_twice(
    database: Database, tmp_path: Path, codes: int, kills: int
) -> None:
    given = _fight(database, tmp_path, codes=codes, kills=kills)
    assert len(given) >= codes
    times = Counter((account, step) for account, step, _ in given)
    assert [claim for claim, count in times.items() if count > 1] == []
    assert {account for account, _, _ in given} == set(ACCOUNTS)
    seed = TotpSeed.from_text(SEED)
    assert all(code == seed.code(step).reveal() for _, step, code in given[-200:])
    with database.reading() as connection:
        last = {row.account: row.last_step for row in connection.execute(select(TOTP_CLAIMS))}
        opened = connection.execute(select(AUDIT.c.account).where(AUDIT.c.action == "secret_opened")).scalars().all()
    assert all(step <= last[account] for account, step, _ in given)
    assert len(opened) >= len(given), "a code was given out without an audit row"
