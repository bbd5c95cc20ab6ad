"""A process that may write no larger file than it is told, and stores secrets until that is refused.

`python -m tests.auth.security.disk_worker DATABASE BYTES`. Writes, one a line: how many secrets were confirmed, the
refusal's status and code, its words, and "reads" if reading still works.
"""

import resource
import signal
import sys
from pathlib import Path

from services.auth.secret import Secret
from services.contracts.auth import AccountId, CredentialKind
from services.kit.clock import SystemClock
from services.kit.errors import SightlineError
from tests.auth.support import OPERATOR, House, open_database, passphrase

KIND = CredentialKind.PASSWORD
CANARY = "canary-of-the-full-disk-6612"


def main() -> None:
    """Fill the disk."""
    database, most_bytes = Path(sys.argv[1]), int(sys.argv[2])
    house = House(open_database(database), SystemClock())
    house.vault.unseal([passphrase()], actor=OPERATOR)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as a full disk: an error, not the end
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    confirmed = 0
    try:
        while True:
            secret = Secret(f"{CANARY} {confirmed} " + "x" * 3_000)
            house.vault.put(AccountId(f"account-{confirmed}"), KIND, secret, actor=OPERATOR)
            confirmed += 1
    except SightlineError as error:
        sys.stdout.write(f"{confirmed}\n{int(error.status_code)} {error.code}\n{error}\n")
    with house.database.reading() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM vault_records")
    sys.stdout.write("reads\n")


if __name__ == "__main__":
    main()
