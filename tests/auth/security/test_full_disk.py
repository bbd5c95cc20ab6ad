"""A disk that takes no more: what was confirmed stays, what cannot be written is refused."""

import subprocess
import sys
from pathlib import Path

from services.contracts.auth import AccountId, CredentialKind
from services.kit.clock import SystemClock
from tests.auth.security.disk_worker import CANARY
from tests.auth.support import OPERATOR, House, open_database, passphrase

ROOT = Path(__file__).parents[3]


def test_vault_when_files_cannot_grow_then_it_refuses_with_503_and_keeps_what_it_confirmed(tmp_path: Path) -> None:
    place = tmp_path / "auth.db"
    house = House(open_database(place), SystemClock())
    house.vault.initialise(passphrase(), actor=OPERATOR)
    command = [sys.executable, "-m", "tests.auth.security.disk_worker", str(place), str(1_500_000)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)  # noqa: S603 -- our own program and arguments
    assert ran.returncode == 0, ran.stderr
    confirmed, refusal, words, reads = ran.stdout.splitlines()
    assert (refusal.split()[0], reads) == ("503", "reads")
    assert CANARY not in ran.stdout + ran.stderr + words
    assert int(confirmed) > 10
    restarted = house.another_vault()
    restarted.unseal([passphrase()], actor=OPERATOR)
    for number in range(int(confirmed)):
        secret = restarted.open(AccountId(f"account-{number}"), CredentialKind.PASSWORD, actor=OPERATOR, purpose="test")
        assert secret.use(lambda text, number=number: text.startswith(f"{CANARY} {number} "))  # type: ignore[misc] # the loop's present value
    assert restarted.verify_audit().whole
    house.database.close()
