"""What an operator does to the vault itself, on the machine where it lies: `sightline auth` calls this."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from services.auth import mfa
from services.auth.accounts import Account, Accounts
from services.auth.door import VaultDoor
from services.auth.enrolment.enrolling import Enrolling
from services.auth.enrolment.offers import SeedOffer
from services.auth.errors import AuthError
from services.auth.key_sources import KeySources
from services.auth.secret import Secret
from services.auth.settings import VaultKeySource
from services.auth.step_up import STEP_UP, StepUp
from services.auth.totp.issuer import Correction
from services.auth.vault.audit import ACCEPTED, AuditEntry
from services.auth.vault.compared import ComparedSecrets
from services.auth.vault.passphrase import SHORTEST_PASSPHRASE
from services.auth.vault.rotation import Rotation, WrappingKeyRotation
from services.auth.vault.vault import CredentialInfo, Vault
from services.contracts.auth import AccountId, CredentialKind, MfaStage
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.facts import Facts


class StepUpWeakError(AuthError):
    """The step-up passphrase is too short."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "step_up_weak"
    title = "The step-up passphrase is too short"

    def __init__(self) -> None:
        super().__init__(f"Use at least {SHORTEST_PASSPHRASE} characters.")


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """An account, how far it has moved from SMS, and which secrets are stored for it."""

    account: Account
    stage: MfaStage
    credentials: Sequence[CredentialInfo]


class Operations:
    """The operator's hands. Synchronous; every change is audited under `actor`."""

    def __init__(  # noqa: PLR0913 -- the service's parts, each by its name
        self,
        *,
        vault: Vault,
        door: VaultDoor,
        sources: KeySources,
        accounts: Accounts,
        compared: ComparedSecrets,
        correction: Correction,
        facts: Facts,
        database: Database,
        clock: Clock,
        actor: str,
    ) -> None:
        self._vault = vault
        self._door = door
        self._sources = sources
        self._accounts = accounts
        self._compared = compared
        self._step_up = StepUp(vault, compared, facts, clock)
        self._enrolling = Enrolling(vault, facts, clock, correction)
        self._facts = facts
        self._database = database
        self._clock = clock
        self._actor = actor

    @property
    def needs_passphrase(self) -> bool:
        """Whether a person has to give the passphrase before secrets can be stored or opened."""
        return self._door.needs_person and not self._door.open

    def unlock(self, passphrases: Sequence[Secret] = ()) -> None:
        """Unseal for this command. Gives a vault without any key its first one. Raises `AuthError`."""
        self._door.unseal(passphrases, first_time=True, actor=self._actor)

    def summaries(self) -> list[AccountSummary]:
        """Every account, by name; works while the vault is sealed."""
        stored = self._vault.credentials()
        with self._database.reading() as connection:
            return [
                AccountSummary(
                    account,
                    mfa.stage_of(connection, account.name),
                    [each for each in stored if each.account == account.name],
                )
                for account in self._accounts.all(connection)
            ]

    def account(self, name: AccountId) -> Account:
        """One account. Raises `NoSuchAccountError`."""
        with self._database.reading() as connection:
            return self._accounts.get(connection, name)

    def register(self, account: Account) -> None:
        """Register an account or change what is known of it; audited."""
        unsealed = self._vault.open_state()
        now = self._clock.now()
        with self._facts.transaction(durable=True) as tx:
            unsealed.hold(tx.connection)
            self._accounts.put(tx.connection, account, now)
            entry = AuditEntry(now, self._actor, "account_registered", account.name, detail=account.base_url)
            unsealed.audit.append(tx.connection, entry)

    def store(self, name: AccountId, kind: CredentialKind, secret: Secret) -> int:
        """Store a secret of a registered account; returns its generation. Raises `NoSuchAccountError`."""
        self.account(name)
        return self._vault.put(name, kind, secret, actor=self._actor)

    def enrol(self, name: AccountId, offer: SeedOffer, confirming: Secret) -> int:
        """Store a seed that one of its present codes confirms. Raises `EnrolmentError`."""
        self.account(name)
        return self._enrolling.enrol(name, offer, confirming, actor=self._actor)

    def set_step_up(self, new: Secret, old: Secret | None) -> None:
        """Set the passphrase that revealing takes; changing it takes the old one.

        Raises:
            StepUpWeakError: The new one is too short.
            StepUpRefusedError: The old one is wrong or missing.
        """
        if new.use(len) < SHORTEST_PASSPHRASE:
            raise StepUpWeakError
        if self.has_step_up:
            self._step_up.check(old, "change of the step-up passphrase", actor=self._actor)
        self._compared.put(STEP_UP, new, actor=self._actor)

    @property
    def has_step_up(self) -> bool:
        """Whether the passphrase that revealing takes is set."""
        return self._compared.known(STEP_UP)

    def reveal(self, name: AccountId, kind: CredentialKind, step_up: Secret) -> Secret:
        """Open a secret for the operator's eyes, after the step-up and its audit row.

        Raises:
            StepUpMissingError: No step-up passphrase is set.
            StepUpRefusedError: It is another.
            AuthError: As `Vault.open`.
        """
        self._step_up.check(step_up, f"{kind} of {name}", actor=self._actor)
        return self._vault.open(name, kind, actor=self._actor, purpose="reveal")

    def accept_trail(self, step_up: Secret) -> None:
        """Say that the audit trail is as it should be, after a database was restored from a backup.

        Heads that were anchored in the logs until now prove nothing from then on. Raises as `reveal` does.
        """
        self._step_up.check(step_up, "accepting the audit trail", actor=self._actor)
        unsealed = self._vault.open_state()
        with self._facts.transaction(durable=True) as tx:
            unsealed.hold(tx.connection)
            unsealed.audit.append(tx.connection, AuditEntry(self._clock.now(), self._actor, ACCEPTED))

    def rotate(self, source: VaultKeySource, passphrase: Secret | None) -> tuple[Rotation, Path | None]:
        """Wrap everything by a new key; done again after a crash it goes on.

        Returns:
            What was done, and where the key file before is now, if there was one.
        """
        provider = self._sources.newest(source, self._sources.next_key_path, passphrase)
        rotation = WrappingKeyRotation(self._vault, self._facts, self._clock).rotate(provider, actor=self._actor)
        kept = self._sources.promote_next_key_file() if source == "key_file" else None
        return rotation, kept
