"""The wrapping key is rotated under load by a process that is killed again and again: no secret is ever lost."""

import subprocess
import sys
import time
from pathlib import Path

from services.auth.secret import Secret
from services.auth.vault.rotation import WrappingKeyRotation
from services.contracts.auth import AccountId
from services.kit.clock import SystemClock
from tests.auth.security.rotation_worker import KIND, PASSPHRASES, WRITERS, value_of
from tests.auth.support import OPERATOR, House, integrity_problems, open_database, passphrase

ROOT = Path(__file__).parents[3]
KILLS = 5
STANDING = [AccountId(f"standing-{number}") for number in range(120)]
_LONGEST_WAIT_SECONDS = 60.0


def _wait_for_lines(path: Path, more: int, process: "subprocess.Popen[bytes]") -> None:
    wanted = len(path.read_bytes().splitlines()) + more
    deadline = time.monotonic() + _LONGEST_WAIT_SECONDS
    while len(path.read_bytes().splitlines()) < wanted:
        assert process.poll() is None, "the worker ended by itself"
        assert time.monotonic() < deadline, "the worker does not get on"
        time.sleep(0.01)


def _last_confirmed(path: Path) -> dict[str, int]:
    lines = [line.split() for line in path.read_text().splitlines()]
    return {account: int(number) for account, number in (line for line in lines if len(line) == 2)}


def test_rotation_when_its_process_is_killed_under_load_then_every_confirmed_secret_opens_and_it_goes_on(
    tmp_path: Path,
) -> None:
    place, confirmed = tmp_path / "auth.db", tmp_path / "confirmed"
    confirmed.touch()
    house = House(open_database(place), SystemClock())
    house.vault.initialise(passphrase(PASSPHRASES[0]), actor=OPERATOR)
    for account in STANDING:
        house.vault.put(account, KIND, Secret(f"of {account}"), actor=OPERATOR)
    for kill in range(KILLS):
        command = [sys.executable, "-m", "tests.auth.security.rotation_worker", str(place), str(confirmed)]
        with subprocess.Popen(command, cwd=ROOT) as process:  # noqa: S603 -- our own program and arguments
            _wait_for_lines(confirmed, 12 + 5 * kill, process)
            process.kill()
        restarted = house.another_vault()
        restarted.unseal([passphrase(text) for text in PASSPHRASES], actor=OPERATOR)
        for account in STANDING:
            assert restarted.open(account, KIND, actor=OPERATOR, purpose="test") == Secret(f"of {account}")
        last = _last_confirmed(confirmed)
        for account in WRITERS:
            opened = restarted.open(account, KIND, actor=OPERATOR, purpose="test")
            # What was under way when the process ended may have been committed and not confirmed.
            assert opened in [value_of(account, last[account] + more) for more in (0, 1)]
        WrappingKeyRotation(restarted, house.facts, house.clock).resume(actor=OPERATOR)
        with house.database.reading() as connection:
            assert integrity_problems(connection, restarted) == []
        assert restarted.verify_audit().whole
    house.database.close()
    text = confirmed.read_text()
    assert "lost" not in text
    assert text.count("rotated") > 0
