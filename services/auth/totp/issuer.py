"""Hands out one-time codes, each once."""

from dataclasses import dataclass
from threading import Event as Flag
from typing import Final, Protocol

from services.auth.errors import CodeUnavailableError
from services.auth.secret import OneTimeCode
from services.auth.totp import ledger
from services.auth.totp.seeds import TotpSeed
from services.auth.transactions import Transaction, Transactions
from services.auth.vault.vault import Vault, WithheldSecret
from services.contracts.auth import AccountId, CodeIssued, CodeWaited, CredentialKind
from services.kit.clock import Clock

LEAST_REMAINING_SECONDS: Final = 5.0
LONGEST_WAIT_SECONDS: Final = 90.0


class Waiter(Protocol):
    """Lets time pass."""

    def wait(self, seconds: float) -> None:
        """Return after `seconds`. Raises `CodeUnavailableError` when the service stops meanwhile."""


class StoppableWaiter:
    """Waits until the time is up or the service stops."""

    def __init__(self, stopping: Flag) -> None:
        self._stopping = stopping

    def wait(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise CodeUnavailableError("The service is stopping. Ask again when it is back.")


class Correction(Protocol):
    """What is known of the machine's clock."""

    def correction_seconds(self) -> float:
        """Seconds to add to the machine's clock. Raises `ClockUnfitError` when it is too far off."""


@dataclass(frozen=True, slots=True)
class IssuedCode:
    """A code that nobody else has or will have.

    Attributes:
        step: The time step it belongs to.
        waited_seconds: How long it took until an unused step with enough time left came up.
    """

    code: OneTimeCode
    step: int
    waited_seconds: float


@dataclass(frozen=True, slots=True)
class _Ask:
    account: AccountId
    actor: str
    purpose: str


class _NotYetError(Exception):
    """Undoes the transaction: no step is to be had before `resume_at` (Unix seconds, corrected)."""

    def __init__(self, resume_at: float) -> None:
        super().__init__()
        self.resume_at = resume_at


class CodeIssuer:
    """Claims a step, writes the audit row and the facts, commits durably, and only then computes the code.

    Synchronous, for `asyncio.to_thread`; callers in any number of threads and processes may share a database.
    """

    def __init__(
        self, vault: Vault, transactions: Transactions, clock: Clock, *, waiter: Waiter, correction: Correction
    ) -> None:
        self._vault = vault
        self._transactions = transactions
        self._clock = clock
        self._waiter = waiter
        self._correction = correction

    def issue(self, account: AccountId, *, actor: str, purpose: str) -> IssuedCode:
        """Give the code of an unused time step with `LEAST_REMAINING_SECONDS` left or more, waiting for one if need be.

        The step is spent when this returns, and also when the process ends before.

        Raises:
            SealedError: The vault is sealed.
            NoSuchCredentialError: The account has no seed.
            ClockUnfitError: The clock is too far off.
            CodeUnavailableError: None comes up within `LONGEST_WAIT_SECONDS`.
        """
        ask = _Ask(account, actor, purpose)
        withheld = self._vault.decrypt(account, CredentialKind.TOTP_SEED, actor=actor)
        seed = TotpSeed.from_vault(withheld.secret)
        started = self._clock.monotonic()
        while True:
            waited = self._clock.monotonic() - started
            try:
                step = self._claim(ask, withheld, seed, waited)
            except _NotYetError as not_yet:
                self._wait_until(not_yet.resume_at, waited)
            else:
                return IssuedCode(seed.code(step), step, waited)

    def _claim(self, ask: _Ask, withheld: WithheldSecret, seed: TotpSeed, waited: float) -> int:
        correction = self._correction.correction_seconds()
        with self._transactions.transaction(durable=True) as tx:
            # Read inside: waiting for the database's lock can take longer than is left of the step.
            now = self._clock.now().timestamp() + correction
            step = seed.step_at(now)
            ends_at = float((step + 1) * seed.period_seconds)
            if ends_at - now < min(LEAST_REMAINING_SECONDS, seed.period_seconds / 2):
                raise _NotYetError(ends_at)
            self._spend(tx, ask, seed, step)
            self._vault.release(tx, withheld, actor=ask.actor, purpose=ask.purpose)
            self._state(tx, ask, seed, step, waited)
        return step

    def _spend(self, tx: Transaction, ask: _Ask, seed: TotpSeed, step: int) -> None:
        period = seed.period_seconds
        if ledger.claim(tx.connection, ask.account, period_seconds=period, step=step, now=self._clock.now()):
            return
        last = ledger.last_step(tx.connection, ask.account, period_seconds=period)
        raise _NotYetError(float(((step if last is None else last) + 1) * period))

    def _state(self, tx: Transaction, ask: _Ask, seed: TotpSeed, step: int, waited: float) -> None:
        if waited > 0:
            tx.record(CodeWaited(subject=ask.account, waited_seconds=waited))
        tx.record(
            CodeIssued(
                subject=ask.account,
                step=step,
                period_seconds=seed.period_seconds,
                waited_seconds=waited,
                purpose=ask.purpose,
            )
        )

    def _wait_until(self, resume_at: float, waited: float) -> None:
        seconds = resume_at - self._clock.now().timestamp() - self._correction.correction_seconds()
        if waited + seconds > LONGEST_WAIT_SECONDS:
            raise CodeUnavailableError(
                f"The next unused code comes up in {seconds:.0f} s. Either many callers wait for this account, or the"
                " clock was ahead before and is right now; wait, or enrol a new seed."
            )
        self._waiter.wait(max(0.0, seconds))
