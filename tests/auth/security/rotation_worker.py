"""A process that rotates the wrapping key without end while secrets are stored and opened, until it is killed.

`python -m tests.auth.security.rotation_worker DATABASE CONFIRMED`. Each write that was confirmed is one line, "account
number", appended to a file by one system call.
"""

import itertools
import os
import sys
import threading
from pathlib import Path

from services.auth.secret import Secret
from services.auth.vault.rotation import WrappingKeyRotation
from services.contracts.auth import AccountId, CredentialKind
from services.kit.clock import SystemClock
from tests.auth.support import OPERATOR, House, open_database, passphrase

PASSPHRASES = (Secret("correct horse battery staple"), Secret("another horse, another staple"))
WRITERS = (AccountId("writer-0"), AccountId("writer-1"))
KIND = CredentialKind.API_KEY


def value_of(account: AccountId, number: int) -> Secret:
    """What the writer of an account stores the `number`th time."""
    return Secret(f"{account} secret {number}")


def _write(house: House, account: AccountId, confirmed: int, first: int) -> None:
    for number in itertools.count(first):
        house.vault.put(account, KIND, value_of(account, number), actor=OPERATOR)
        os.write(confirmed, f"{account} {number}\n".encode())
        opened = house.vault.open(account, KIND, actor=OPERATOR, purpose="test")
        if opened != value_of(account, number):
            os.write(confirmed, b"lost\n")


def main() -> None:
    """Work until killed."""
    database, path = Path(sys.argv[1]), Path(sys.argv[2])
    house = House(open_database(database), SystemClock())
    house.vault.unseal([passphrase(text) for text in PASSPHRASES], actor=OPERATOR)
    confirmed = os.open(path, os.O_WRONLY | os.O_APPEND)
    first = len(path.read_text().splitlines()) + 1
    for account in WRITERS:
        threading.Thread(target=_write, args=(house, account, confirmed, first), daemon=True).start()
    rotation = WrappingKeyRotation(house.vault, house.facts, house.clock)
    for turn in itertools.count():
        rotation.rotate(passphrase(PASSPHRASES[turn % 2]), actor=OPERATOR)
        os.write(confirmed, b"rotated\n")


if __name__ == "__main__":
    main()
