"""Runs every check at once and, when none of those that block has failed, signs a verdict."""

import asyncio
import logging
import re
from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Final

from services.auth.accounts import Account, Accounts
from services.auth.errors import AuthError
from services.auth.preflight import revocations
from services.auth.preflight.check import Asked, Check, Finding, Outcome, Severity, failed
from services.auth.preflight.report import CheckResult, PreflightReport
from services.auth.preflight.workers import Workers
from services.auth.transactions import Readings, Transactions
from services.auth.verdicts import SignedVerdict, VerdictSigner
from services.contracts.auth import AccountId, PreflightFailed, PreflightPassed
from services.contracts.verdict import Environment, SettingsDigest
from services.kit.clock import Clock
from services.kit.errors import SightlineError
from telemetry.catalogue import AUTH_PREFLIGHT_CHECKS, AUTH_PREFLIGHT_DURATION
from telemetry.emit.metrics import Metrics

DEADLINE_SECONDS: Final = 2.0
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")

_log = logging.getLogger("services.auth.preflight")


class BadSettingsDigestError(AuthError):
    """What a verdict shall be bound to is no digest."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "bad_settings_digest"
    title = "This is no digest of settings"

    def __init__(self) -> None:
        super().__init__("Give the SHA-256 of the trading settings as 64 lower-case hexadecimal digits.")


class Preflight:
    """Looks at everything before anything runs.

    Args:
        checks: In the order of the report.
        accounts: Where accounts are registered.
        transactions: For facts and revocations.
        readings: The same database, for looking.
        signer: Signs verdicts.
        metrics: Of the service.
        clock: Measures.
        workers: Threads for the database.
        deadline_seconds: How long each check may take. They run side by side, so it is the whole run's time as well.
    """

    def __init__(  # noqa: PLR0913 -- each is a part that a test replaces
        self,
        checks: Sequence[Check],
        *,
        accounts: Accounts,
        transactions: Transactions,
        readings: Readings,
        signer: VerdictSigner,
        metrics: Metrics,
        clock: Clock,
        workers: Workers,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._checks = tuple(checks)
        self._accounts = accounts
        self._transactions = transactions
        self._readings = readings
        self._signer = signer
        self._metrics = metrics
        self._clock = clock
        self._workers = workers
        self._deadline_seconds = deadline_seconds
        self._left_behind: set[asyncio.Task[CheckResult]] = set()

    async def run(
        self, account_name: AccountId, environment: Environment, settings_digest: SettingsDigest
    ) -> PreflightReport:
        """Make every check; the report holds a verdict if none that blocks has failed.

        Raises:
            BadSettingsDigestError: The digest is none.
            NoSuchAccountError: Nobody has registered the account.
            RevokedMeanwhileError: Verdicts were revoked after the checks had begun.
            DatabaseError: The outcome cannot be written down, so there is none.
        """
        if not _DIGEST.fullmatch(settings_digest):
            raise BadSettingsDigestError
        account = await self._workers.run(self._account, account_name)
        started_at, started = self._clock.now(), self._clock.monotonic()
        asked = Asked(account, environment, settings_digest)
        results = await self._results(asked)
        for result in results:
            self._metrics.counter(AUTH_PREFLIGHT_CHECKS, check=result.check_id, outcome=result.outcome).inc()
        signed = await self._workers.run(self._conclude, asked, started_at, results)
        seconds = self._clock.monotonic() - started
        self._metrics.histogram(AUTH_PREFLIGHT_DURATION).observe(seconds)
        return PreflightReport(
            account=account_name,
            environment=environment,
            settings_digest=settings_digest,
            started_at=started_at,
            seconds=seconds,
            results=results,
            signed=signed,
        )

    async def revoke(self, account_name: AccountId, reason: str) -> datetime:
        """Take back every verdict about the account that was signed until now; returns that moment.

        Raises:
            NoSuchAccountError: Nobody has registered the account.
            DatabaseError: It cannot be written down; the verdicts live on until they expire.
        """
        return await self._workers.run(self._revoke, account_name, reason)

    async def _results(self, asked: Asked) -> tuple[CheckResult, ...]:
        tasks = [asyncio.create_task(self._result(check, asked)) for check in self._checks]
        started = self._clock.monotonic()
        try:
            await asyncio.wait(tasks, timeout=self._deadline_seconds)
        finally:
            # A check that does not let itself be cancelled is not waited for either.
            for task in tasks:
                if not task.done():
                    task.cancel()
                    self._left_behind.add(task)
                    task.add_done_callback(self._left_behind.discard)
        elapsed = self._clock.monotonic() - started
        late = failed(f"The check did not end within {self._deadline_seconds:g} s.")
        return tuple(
            task.result() if task.done() and not task.cancelled() else _told(check, late, elapsed)
            for check, task in zip(self._checks, tasks, strict=True)
        )

    async def _result(self, check: Check, asked: Asked) -> CheckResult:
        started = self._clock.monotonic()
        try:
            finding = await check.look(asked)
        except SightlineError as error:
            finding = failed(f"The check could not be made. {error.title}: {error.detail}")
        except Exception as error:  # noqa: BLE001 -- whatever ends a check, the others' results count, and this one failed
            # Without its text and traceback, which may hold anything that the check looked at.
            _log.error("preflight check %s ended in %s", check.check_id, type(error).__name__)
            finding = failed(f"The check could not be made: it ended in {type(error).__name__}.")
        return _told(check, finding, self._clock.monotonic() - started)

    def _account(self, name: AccountId) -> Account:
        with self._readings.reading() as connection:
            return self._accounts.get(connection, name)

    def _conclude(self, asked: Asked, started_at: datetime, results: Sequence[CheckResult]) -> SignedVerdict | None:
        account = asked.account.name
        warnings = _ids(results, Outcome.WARN)
        failures = _ids(results, Outcome.FAIL)
        with self._transactions.transaction() as tx:
            if failures:
                tx.record(PreflightFailed(subject=account, failed_checks=failures, warnings=warnings))
                return None
            revocations.hold(tx.connection, account)
            revoked_until = revocations.revoked_until(tx.connection, account)
            if revoked_until is not None and revoked_until >= started_at:
                raise revocations.RevokedMeanwhileError
            signed = self._signer.sign(account, asked.environment, asked.settings_digest, warnings=warnings)
            tx.record(PreflightPassed(subject=account, verdict_id=signed.verdict.verdict_id, warnings=warnings))
        return signed

    def _revoke(self, account: AccountId, reason: str) -> datetime:
        with self._transactions.transaction(durable=True) as tx:
            self._accounts.get(tx.connection, account)
            revocations.hold(tx.connection, account)
            now = self._clock.now()
            revocations.revoke(tx, account, now, reason)
        return now


def _told(check: Check, finding: Finding, seconds: float) -> CheckResult:
    outcome = finding.outcome
    if outcome is Outcome.FAIL and check.severity is Severity.WARN:
        outcome = Outcome.WARN
    return CheckResult(
        check_id=check.check_id,
        severity=check.severity,
        outcome=outcome,
        why=finding.why,
        remedy="" if outcome is Outcome.PASS else finding.remedy or check.remedy,
        runbook=check.runbook,
        seconds=seconds,
    )


def _ids(results: Sequence[CheckResult], outcome: Outcome) -> tuple[str, ...]:
    return tuple(result.check_id for result in results if result.outcome is outcome)
