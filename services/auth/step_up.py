"""The second passphrase: what a person gives once more before something that cannot be taken back."""

from http import HTTPStatus
from typing import Final

from services.auth.errors import AuthError
from services.auth.secret import Secret
from services.auth.vault.audit import AuditEntry
from services.auth.vault.compared import ComparedSecrets
from services.auth.vault.vault import Vault
from services.kit.clock import Clock
from services.kit.facts import Facts

STEP_UP: Final = "operator_step_up"


class StepUpRefusedError(AuthError):
    """This takes a second passphrase, and what was given is another."""

    status_code = HTTPStatus.FORBIDDEN
    code = "step_up_refused"
    title = "The step-up passphrase is not right"

    def __init__(self) -> None:
        super().__init__("Nothing was done. The attempt is in the audit trail.")


class StepUpMissingError(AuthError):
    """Nobody has set the passphrase that this takes."""

    status_code = HTTPStatus.CONFLICT
    code = "step_up_missing"
    title = "There is no step-up passphrase"

    def __init__(self) -> None:
        super().__init__("Set one with `sightline auth step-up`; without it nothing is ever revealed or approved.")


class StepUp:
    """Compares what a person gives with the passphrase that was set; a refusal goes into the audit trail."""

    def __init__(self, vault: Vault, compared: ComparedSecrets, facts: Facts, clock: Clock) -> None:
        self._vault, self._compared, self._facts, self._clock = vault, compared, facts, clock

    def check(self, given: Secret | None, what_for: str, *, actor: str) -> None:
        """Return if it is the passphrase.

        Args:
            given: What the person gave.
            what_for: Goes into the audit trail.
            actor: Who asks.

        Raises:
            StepUpMissingError: None is set.
            StepUpRefusedError: It is another.
            SealedError: The vault is sealed.
        """
        if not self._compared.known(STEP_UP):
            raise StepUpMissingError
        if given is not None and self._compared.matches(STEP_UP, given):
            return
        unsealed = self._vault.open_state()
        with self._facts.transaction(durable=True) as tx:
            unsealed.hold(tx.connection)
            entry = AuditEntry(self._clock.now(), actor, "step_up_refused", detail=what_for)
            unsealed.audit.append(tx.connection, entry)
        raise StepUpRefusedError
