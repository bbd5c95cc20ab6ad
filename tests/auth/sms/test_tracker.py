"""An account's way from SMS to TOTP follows what happened to it."""

from datetime import datetime

import pytest
from sqlalchemy import insert

from services.auth import mfa
from services.auth.accounts import NoSuchAccountError
from services.auth.mfa import MfaStageOrderError
from services.auth.sessions.attempts import conclude
from services.auth.sms.tracker import MfaTracker
from services.auth.tables import LOGIN_ATTEMPTS
from services.auth.totp import ledger
from services.contracts.auth import AccountId, Broker, LoginFailure, MfaStage, MfaStageReached
from services.kit.moments import microseconds
from tests.auth.sms.conftest import NUMBER, ROBIN, SmsHouse


@pytest.fixture
def tracker(sms: SmsHouse) -> MfaTracker:
    return MfaTracker(sms.facts, sms.database, sms.accounts, sms.clock)


def _stage(sms: SmsHouse) -> MfaStage:
    with sms.database.reading() as connection:
        return mfa.stage_of(connection, ROBIN)


def _reach(sms: SmsHouse, *stages: MfaStage) -> None:
    for stage in stages:
        with sms.facts.transaction() as tx:
            mfa.reach(tx, ROBIN, stage, sms.clock.now())


def _claim(sms: SmsHouse, step: int, now: datetime) -> None:
    with sms.database.transaction() as connection:
        assert ledger.claim(connection, ROBIN, period_seconds=30, step=step, now=now)


def _log_in(sms: SmsHouse, *, step: int | None, failure: LoginFailure | None = None) -> None:
    attempt = f"attempt-{sms.clock.now().timestamp()}"
    values = {"account": ROBIN, "method": "totp", "submitted_at_us": microseconds(sms.clock.now())}
    with sms.database.transaction() as connection:
        connection.execute(insert(LOGIN_ATTEMPTS).values(attempt_id=attempt, **values))
    sms.clock.advance(1)
    if step is not None:
        _claim(sms, step, sms.clock.now())
    sms.clock.advance(1)
    with sms.database.transaction() as connection:
        conclude(connection, attempt, failure)


def _enrol(sms: SmsHouse) -> None:
    _claim(sms, 1, sms.clock.now())  # the confirming code
    _reach(sms, MfaStage.TOTP_PENDING)
    sms.clock.advance(60)


def test_look_when_the_seed_has_logged_in_then_it_is_verified_and_that_is_stated_once(
    sms: SmsHouse, tracker: MfaTracker
) -> None:
    _enrol(sms)
    _log_in(sms, step=5)
    tracker.look()
    tracker.look()
    assert _stage(sms) is MfaStage.TOTP_VERIFIED
    assert sms.facts.facts[-1] == MfaStageReached(subject=ROBIN, stage=MfaStage.TOTP_VERIFIED)
    assert len(sms.facts.of(MfaStageReached)) == 2


def test_look_when_the_login_needed_no_code_of_the_seed_then_nothing_is_proven(
    sms: SmsHouse, tracker: MfaTracker
) -> None:
    _enrol(sms)
    _log_in(sms, step=None)
    tracker.look()
    assert _stage(sms) is MfaStage.TOTP_PENDING


def test_look_when_the_code_was_refused_then_nothing_is_proven(sms: SmsHouse, tracker: MfaTracker) -> None:
    _enrol(sms)
    _log_in(sms, step=5, failure=LoginFailure.CODE_REFUSED)
    tracker.look()
    assert _stage(sms) is MfaStage.TOTP_PENDING


def test_look_when_another_seed_was_enrolled_since_then_the_old_login_proves_nothing(
    sms: SmsHouse, tracker: MfaTracker
) -> None:
    _log_in(sms, step=5)
    _reach(sms, MfaStage.TOTP_PENDING)
    tracker.look()
    assert _stage(sms) is MfaStage.TOTP_PENDING


def test_sms_removed_when_the_seed_has_logged_in_then_the_account_has_left_sms(
    sms: SmsHouse, tracker: MfaTracker
) -> None:
    assert [(account.name, stage) for account, stage in tracker.still_on_sms()] == [(ROBIN, MfaStage.SMS_ONLY)]
    _reach(sms, MfaStage.TOTP_PENDING, MfaStage.TOTP_VERIFIED)
    assert tracker.sms_removed(ROBIN) is MfaStage.SMS_REMOVED
    assert tracker.still_on_sms() == []


def test_sms_removed_when_the_seed_has_not_logged_in_then_refused(sms: SmsHouse, tracker: MfaTracker) -> None:
    _enrol(sms)
    with pytest.raises(MfaStageOrderError):
        tracker.sms_removed(ROBIN)


def test_sms_removed_when_nobody_registered_the_account_then_refused(tracker: MfaTracker) -> None:
    with pytest.raises(NoSuchAccountError):
        tracker.sms_removed(AccountId("nobody"))


def test_message_when_it_brings_a_code_after_all_then_sms_counts_as_not_removed(sms: SmsHouse) -> None:
    _reach(sms, MfaStage.TOTP_PENDING, MfaStage.TOTP_VERIFIED, MfaStage.SMS_REMOVED)
    sms.correlator.open(ROBIN, NUMBER, Broker.ROBINHOOD)
    assert sms.call().status_code == 204
    assert _stage(sms) is MfaStage.TOTP_VERIFIED
