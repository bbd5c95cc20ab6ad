"""A preflight as a whole: what is signed, what is stated, and what a check that goes wrong does to the others."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from time import perf_counter
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.auth.accounts import Accounts, NoSuchAccountError
from services.auth.errors import SealedError
from services.auth.preflight import revocations
from services.auth.preflight.check import Asked, Check, Finding, Outcome, Severity, failed, passed, warned
from services.auth.preflight.report import PreflightReport
from services.auth.preflight.revocations import RevokedMeanwhileError
from services.auth.preflight.runner import BadSettingsDigestError, Preflight
from services.auth.preflight.table import standard_checks
from services.auth.preflight.workers import Workers
from services.auth.verdicts import VerdictSigner
from services.contracts.auth import AccountId, PreflightFailed, PreflightPassed, VerdictsRevoked
from services.contracts.verdict import (
    Environment,
    SettingsDigest,
    VerdictError,
    VerdictExpiredError,
    VerdictForeignError,
    VerdictForgedError,
    VerdictRevokedError,
    VerdictVerifier,
)
from services.kit.database_errors import DatabaseBusyError
from telemetry.emit.metrics import Metrics
from tests.auth.preflight.sights import DIGEST, FakeSights, account, sights
from tests.auth.support import CrashError, House, KeptFacts
from tests.fakes.clock import FakeClock

ACCOUNT = account()
KEY = Ed25519PrivateKey.generate()
VERIFIER = VerdictVerifier({"auth-1": KEY.public_key()})
DEADLINE_SECONDS = 0.1


class _NoTime:
    def time_ns(self) -> int:
        return 0


@dataclass
class Scripted(Check):
    """A check that does as it is told."""

    look_now: Callable[[], Any]
    check_id: str = "vault_unsealed"  # type: ignore[misc] # of the instance here
    severity: Severity = Severity.BLOCK  # type: ignore[misc] # the same
    remedy: str = "Do something."  # type: ignore[misc] # the same

    async def look(self, asked: Asked) -> Finding:  # noqa: ARG002 -- it is told what to find
        found = self.look_now()
        finding: Finding = await found if asyncio.iscoroutine(found) else found
        return finding


async def _hang() -> Finding:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


async def _hang_on_whatever_is_done() -> Finding:
    released = asyncio.Event()
    asyncio.get_running_loop().call_later(10 * DEADLINE_SECONDS, released.set)
    while not released.is_set():
        try:
            await released.wait()
        except asyncio.CancelledError:
            continue
    return passed("Too late.")


def _raise(error: Exception) -> Callable[[], Finding]:
    def look() -> Finding:
        raise error

    return look


WELL = Scripted(lambda: passed("All is well."), "audit_chain")


@dataclass
class Desk:
    """A preflight over a real database."""

    house: House
    clock: FakeClock
    metrics: Metrics = field(default_factory=lambda: Metrics(_NoTime()))
    workers: Workers = field(default_factory=lambda: Workers(4))

    def __post_init__(self) -> None:
        with self.house.database.transaction() as connection:
            Accounts().put(connection, ACCOUNT, self.clock.now())

    @property
    def facts(self) -> KeptFacts:
        return self.house.facts

    def preflight(self, *checks: Check, **parts: Any) -> Preflight:  # noqa: ANN401 -- the runner's own
        signer = VerdictSigner(KEY, "auth-1", self.clock)
        return Preflight(
            checks,
            **{
                "accounts": Accounts(),
                "transactions": self.facts,
                "readings": self.house.database,
                "signer": signer,
                "metrics": self.metrics,
                "clock": self.clock,
                "workers": self.workers,
                "deadline_seconds": DEADLINE_SECONDS,
                **parts,
            },
        )

    def run(self, *checks: Check, **parts: Any) -> PreflightReport:  # noqa: ANN401 -- the runner's own
        return asyncio.run(self.preflight(*checks, **parts).run(ACCOUNT.name, ACCOUNT.environment, DIGEST))

    def counted(self, check_id: str, outcome: str) -> float:
        wanted = (("check", check_id), ("outcome", outcome))
        name = "sightline_auth_preflight_checks_total"
        return next(each.value for each in self.metrics.samples() if (each.name, each.labels) == (name, wanted))

    def verify(self, token: str, **changes: Any) -> None:  # noqa: ANN401 -- the verifier's own
        with self.house.database.reading() as connection:
            until = revocations.revoked_until(connection, ACCOUNT.name)
        VERIFIER.verify(
            token,
            **{
                "account": ACCOUNT.name,
                "environment": ACCOUNT.environment,
                "settings_digest": DIGEST,
                "now": self.clock.now(),
                "revoked_until": until,
                **changes,
            },
        )


@pytest.fixture
def desk(house: House, clock: FakeClock) -> Desk:
    return Desk(house, clock)


def _signed(report: PreflightReport) -> str:
    assert report.signed is not None
    return report.signed.token


def test_preflight_when_every_check_passes_then_it_signs_what_it_was_asked_about(desk: Desk) -> None:
    report = desk.run(*standard_checks(sights(FakeSights()), desk.clock))
    desk.verify(_signed(report))
    assert report.signed is not None
    assert report.signed.verdict.expires_at - report.signed.verdict.issued_at <= timedelta(seconds=120)
    assert len(report.results) == 16
    assert {result.outcome for result in report.results} == {Outcome.PASS}
    assert desk.facts.of(PreflightPassed) == [
        PreflightPassed(subject=ACCOUNT.name, verdict_id=report.signed.verdict.verdict_id, warnings=())
    ]


def test_preflight_when_a_check_warns_then_it_signs_and_names_the_warning(desk: Desk) -> None:
    report = desk.run(Scripted(lambda: warned("Look at this."), "mfa_method"), WELL)
    assert report.signed is not None
    assert report.signed.verdict.warnings == ("mfa_method",)
    (fact,) = desk.facts.of(PreflightPassed)
    assert isinstance(fact, PreflightPassed)
    assert fact.warnings == ("mfa_method",)
    assert desk.counted("mfa_method", "warn") == 1


def test_preflight_when_a_blocking_check_fails_then_nothing_is_signed_and_the_fact_names_it(desk: Desk) -> None:
    report = desk.run(Scripted(lambda: failed("It is sealed.")), WELL)
    assert report.signed is None
    assert not report.passed
    assert report.results[0].remedy == "Do something."
    assert report.results[0].runbook == "docs/runbooks/auth.md#preflight-vault_unsealed"
    assert desk.facts.of(PreflightFailed) == [
        PreflightFailed(subject=ACCOUNT.name, failed_checks=("vault_unsealed",), warnings=())
    ]
    assert desk.facts.of(PreflightPassed) == []
    assert desk.counted("vault_unsealed", "fail") == 1
    assert desk.counted("audit_chain", "pass") == 1


@pytest.mark.parametrize(
    "look", [lambda: failed("x"), _raise(ValueError("x")), _hang], ids=["fails", "raises", "hangs"]
)
def test_preflight_when_a_check_that_may_only_warn_goes_wrong_then_it_is_a_warning(
    desk: Desk, look: Callable[[], Any]
) -> None:
    report = desk.run(Scripted(look, "telemetry_flowing", Severity.WARN), WELL)
    assert [result.outcome for result in report.results] == [Outcome.WARN, Outcome.PASS]
    assert report.passed


@pytest.mark.parametrize("look", [_hang, _hang_on_whatever_is_done], ids=["hangs", "does not let itself be cancelled"])
def test_preflight_when_a_check_hangs_then_it_fails_in_time_and_the_others_count(
    desk: Desk, look: Callable[[], Any]
) -> None:
    async def run() -> tuple[PreflightReport, float]:
        started = perf_counter()
        preflight = desk.preflight(Scripted(look), WELL)
        return await preflight.run(ACCOUNT.name, ACCOUNT.environment, DIGEST), perf_counter() - started

    report, seconds = asyncio.run(run())
    assert [result.outcome for result in report.results] == [Outcome.FAIL, Outcome.PASS]
    assert "did not end within 0.1 s" in report.results[0].why
    assert seconds < 5 * DEADLINE_SECONDS
    assert report.signed is None


def test_preflight_when_all_checks_hang_with_the_usual_deadline_then_it_ends_within_three_seconds(desk: Desk) -> None:
    started = perf_counter()
    report = desk.run(*(Scripted(_hang) for _ in range(16)), deadline_seconds=2.0)
    assert perf_counter() - started < 3.0
    assert {result.outcome for result in report.results} == {Outcome.FAIL}


def test_preflight_when_a_check_raises_then_it_fails_without_the_errors_text(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    report = desk.run(Scripted(_raise(ValueError("canary-of-an-error"))), WELL)
    assert [result.outcome for result in report.results] == [Outcome.FAIL, Outcome.PASS]
    assert "ValueError" in report.results[0].why
    assert "ended in ValueError" in caplog.text
    assert "canary" not in report.results[0].why + caplog.text


def test_preflight_when_a_check_is_cancelled_from_inside_then_it_fails_and_the_others_count(desk: Desk) -> None:
    async def cancelled() -> Finding:
        raise asyncio.CancelledError

    report = desk.run(Scripted(cancelled), WELL)
    assert [result.outcome for result in report.results] == [Outcome.FAIL, Outcome.PASS]


def test_preflight_when_a_check_meets_one_of_our_errors_then_it_says_what_that_says(desk: Desk) -> None:
    report = desk.run(Scripted(_raise(SealedError())), WELL)
    assert "The vault is sealed: Unseal it with" in report.results[0].why


def test_preflight_when_nobody_waits_for_it_any_more_then_its_checks_end_too(desk: Desk) -> None:
    ended = asyncio.Event()

    async def hang() -> Finding:
        try:
            return await _hang()
        finally:
            ended.set()

    async def run() -> None:
        task = asyncio.create_task(
            desk.preflight(Scripted(hang), deadline_seconds=60).run(ACCOUNT.name, ACCOUNT.environment, DIGEST)
        )
        await asyncio.wait({task}, timeout=DEADLINE_SECONDS)
        task.cancel()
        await asyncio.wait_for(ended.wait(), 10)

    asyncio.run(run())


@pytest.mark.parametrize("digest", ["", "ab" * 31, "AB" * 32, "ab" * 32 + "\n", "zz" * 32])
def test_preflight_when_the_digest_is_none_then_it_is_refused(desk: Desk, digest: str) -> None:
    with pytest.raises(BadSettingsDigestError) as refused:
        asyncio.run(desk.preflight(WELL).run(ACCOUNT.name, ACCOUNT.environment, SettingsDigest(digest)))
    assert refused.value.status_code == 422


def test_preflight_when_the_account_is_not_registered_then_it_is_refused(desk: Desk) -> None:
    with pytest.raises(NoSuchAccountError):
        asyncio.run(desk.preflight(WELL).run(AccountId("nobody"), ACCOUNT.environment, DIGEST))


def test_preflight_when_its_fact_cannot_be_written_then_there_is_no_verdict(desk: Desk) -> None:
    class Busy:
        def transaction(self, *, durable: bool = False) -> Any:  # noqa: ANN401, ARG002 -- never returns
            raise DatabaseBusyError("The database is locked.")

    with pytest.raises(DatabaseBusyError):
        desk.run(WELL, transactions=Busy())


def test_preflight_when_the_process_ends_before_the_commit_then_there_is_neither_fact_nor_verdict(desk: Desk) -> None:
    desk.facts.crash_after = desk.facts.commits
    with pytest.raises(CrashError):
        desk.run(WELL)
    assert desk.facts.of(PreflightPassed) == []


def test_verdict_when_it_is_revoked_then_it_is_void_also_after_a_restart_and_a_new_one_is_not(desk: Desk) -> None:
    old = _signed(desk.run(WELL))
    desk.clock.advance(1)
    revoked_at = asyncio.run(desk.preflight().revoke(ACCOUNT.name, "the key was exchanged"))
    with pytest.raises(VerdictRevokedError):
        desk.verify(old)
    assert desk.facts.of(VerdictsRevoked) == [
        VerdictsRevoked(subject=ACCOUNT.name, revoked_at=revoked_at, reason="the key was exchanged")
    ]
    desk.house.database.close()
    with pytest.raises(VerdictRevokedError):
        desk.verify(old)
    desk.clock.advance(1)
    desk.verify(_signed(desk.run(WELL)))


def test_verdict_when_the_clock_is_set_back_then_a_revocation_stands_and_nothing_is_signed_before_it(
    desk: Desk,
) -> None:
    asyncio.run(desk.preflight().revoke(ACCOUNT.name, "first"))
    desk.clock.advance(-3_600)
    asyncio.run(desk.preflight().revoke(ACCOUNT.name, "second"))
    with desk.house.database.reading() as connection:
        until = revocations.revoked_until(connection, ACCOUNT.name)
    assert until == FakeClock().now()
    with pytest.raises(RevokedMeanwhileError):
        desk.run(WELL)


def test_preflight_when_verdicts_are_revoked_while_it_looks_then_it_signs_nothing(desk: Desk) -> None:
    async def run() -> None:
        preflight = desk.preflight(WELL)

        async def revoke_meanwhile() -> Finding:
            await preflight.revoke(ACCOUNT.name, "meanwhile")
            return passed("All was well.")

        watched = desk.preflight(Scripted(revoke_meanwhile), deadline_seconds=10)
        with pytest.raises(RevokedMeanwhileError):
            await watched.run(ACCOUNT.name, ACCOUNT.environment, DIGEST)

    asyncio.run(run())
    assert desk.facts.of(PreflightPassed) == []


def test_revocation_when_the_account_is_not_registered_then_it_is_refused(desk: Desk) -> None:
    with pytest.raises(NoSuchAccountError):
        asyncio.run(desk.preflight().revoke(AccountId("nobody"), "why not"))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"account": "robinhood-other"}, VerdictForeignError),
        ({"environment": Environment.PAPER}, VerdictForeignError),
        ({"settings_digest": "cd" * 32}, VerdictForeignError),
        ({"now": FakeClock().now() + timedelta(seconds=120)}, VerdictExpiredError),
    ],
)
def test_verdict_when_it_is_foreign_or_expired_then_it_is_refused(
    desk: Desk, changes: dict[str, Any], error: type[VerdictError]
) -> None:
    with pytest.raises(error):
        desk.verify(_signed(desk.run(WELL)), **changes)


def test_verdict_when_any_one_character_is_altered_then_it_is_refused(desk: Desk) -> None:
    token = _signed(desk.run(WELL))
    taken = []
    for place, character in enumerate(token):
        altered = token[:place] + ("A" if character != "A" else "B") + token[place + 1 :]
        try:
            desk.verify(altered)
        except VerdictError:
            continue
        taken.append(place)
    assert taken == []


def test_verdict_when_it_is_checked_then_that_takes_less_than_half_a_millisecond(desk: Desk) -> None:
    token = _signed(desk.run(WELL))
    asked: dict[str, Any] = {"account": ACCOUNT.name, "environment": ACCOUNT.environment, "settings_digest": DIGEST}
    took = []
    for _ in range(101):
        started = perf_counter()
        VERIFIER.verify(token, **asked, now=desk.clock.now())
        took.append(perf_counter() - started)
    assert sorted(took)[50] < 0.0005


def test_verdict_when_another_key_signed_it_then_it_is_refused(desk: Desk) -> None:
    foreign = VerdictSigner(Ed25519PrivateKey.generate(), "auth-1", desk.clock)
    with pytest.raises(VerdictForgedError):
        desk.verify(_signed(desk.run(WELL, signer=foreign)))
