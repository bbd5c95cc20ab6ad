"""What the tests of auth share: a database of its own for each test, and facts kept instead of spoken."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, delete, update

import services.auth.migrations.versions
from services.auth.secret import Secret
from services.auth.tables import AUDIT, AUDIT_HEAD
from services.auth.vault import integrity
from services.auth.vault.audit import AuditHead
from services.auth.vault.passphrase import Cost, PassphraseProvider
from services.auth.vault.vault import Vault
from services.contracts.auth import AccountId
from services.contracts.events import Event
from services.contracts.ids import EventId
from services.kit.clock import Clock
from services.kit.database import Database
from tests.fakes.clock import FakeClock

VERSIONS = Path(services.auth.migrations.versions.__file__).parent
ACCOUNT = AccountId("robinhood-main")
OTHER = AccountId("alpaca-paper")
OPERATOR = "operator"
CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)
PASSPHRASE = Secret("correct horse battery staple")
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
SHORT_SEED = "JBSWY3DPEHPK3PXP"


class CrashError(Exception):
    """Stands for the end of the process at this point."""


class KeptTransaction:
    """A transaction that keeps the facts recorded in it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.facts: list[Event] = []

    def record(self, event: Event) -> EventId:
        self.facts.append(event)
        return EventId(f"event-{len(self.facts)}")


class KeptFacts:
    """Real transactions; facts of the committed ones stand in `facts`. `crash_after` commits, the next one raises."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.facts: list[Event] = []
        self.commits = 0
        self.durable_commits = 0
        self.syncs = 0
        self.crash_after: int | None = None

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[KeptTransaction]:
        with self._database.transaction(durable=durable) as connection:
            kept = KeptTransaction(connection)
            yield kept
            if self.crash_after is not None and self.commits >= self.crash_after:
                raise CrashError
        self.commits += 1
        self.durable_commits += durable
        self.facts += kept.facts

    def sync(self) -> None:
        self._database.sync()
        self.syncs += 1

    def of(self, event: type[Event]) -> list[Event]:
        """The committed facts of one type."""
        return [fact for fact in self.facts if isinstance(fact, event)]


class House:
    """A migrated database with a vault on it."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self.database = database
        self.clock = clock or FakeClock()
        self.facts = KeptFacts(database)
        self.vault = self.another_vault()

    def another_vault(self) -> Vault:
        """A vault on the same database, sealed, as after a restart."""
        return Vault(self.facts, self.database, self.clock)


def open_database(path: Path) -> Database:
    """A migrated SQLite database in a file."""
    database = Database(f"sqlite:///{path}", service="auth", versions=(VERSIONS,))
    database.migrate()
    return database


def integrity_problems(connection: Connection, vault: Vault) -> list[str]:
    """What the records are, held against a walk along the whole trail."""
    unsealed = vault.open_state()
    return integrity.problems(connection, unsealed, unsealed.audit.verify(connection).walked.generations)


def cut(database: Database, head: AuditHead) -> None:
    """End the trail at an earlier row, as who may write the database but has not the key can."""
    with database.transaction() as connection:
        connection.execute(delete(AUDIT).where(AUDIT.c.sequence > head.sequence))
        connection.execute(update(AUDIT_HEAD).values(sequence=head.sequence, mac=head.mac))


def passphrase(text: Secret = PASSPHRASE) -> PassphraseProvider:
    """A provider that costs little."""
    return PassphraseProvider(text, CHEAP)
