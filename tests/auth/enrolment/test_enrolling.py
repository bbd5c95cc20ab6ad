import pyotp
import pytest
from sqlalchemy import text

from services.auth import mfa
from services.auth.enrolment.enrolling import Enrolling
from services.auth.enrolment.offers import SeedOffer
from services.auth.errors import EnrolmentError, NoSuchCredentialError
from services.auth.secret import Secret
from services.auth.totp import ledger
from services.auth.totp.clock_offset import ClockWatch
from services.auth.totp.seeds import TotpSeed
from services.contracts.auth import CredentialKind, MfaStage, MfaStageReached
from tests.auth.support import ACCOUNT, OPERATOR, SEED, SHORT_SEED, House
from tests.fakes.clock import FakeClock

KIND = CredentialKind.TOTP_SEED


def _offer(seed: str = SEED) -> SeedOffer:
    return SeedOffer(TotpSeed.from_text(seed), issuer="Robinhood", name="me")


@pytest.fixture
def enrolling(house: House, clock: FakeClock) -> Enrolling:
    return Enrolling(house.vault, house.facts, clock, ClockWatch())


def _code(clock: FakeClock, steps: int = 0, seed: str = SEED) -> Secret:
    return Secret(TotpSeed.from_text(seed).code(int(clock.now().timestamp()) // 30 + steps).reveal())


def _last_step(house: House) -> int | None:
    with house.database.reading() as connection:
        return ledger.last_step(connection, ACCOUNT, period_seconds=30)


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_seed_when_a_present_code_confirms_it_then_it_is_stored_and_that_step_is_spent(
    house: House, clock: FakeClock, enrolling: Enrolling, steps: int
) -> None:
    assert enrolling.enrol(ACCOUNT, _offer(), _code(clock, steps), actor=OPERATOR) == 1
    stored = house.vault.open(ACCOUNT, KIND, actor=OPERATOR, purpose="test")
    assert TotpSeed.from_vault(stored).secret == Secret(SEED)
    assert _last_step(house) == int(clock.now().timestamp()) // 30 + steps


@pytest.mark.parametrize("code", ["000000", "", "12345", "٣٤٥٦٧٨", "x" * 10_000], ids=lambda code: code[:10])
def test_seed_when_the_code_is_not_its_then_nothing_is_stored(house: House, enrolling: Enrolling, code: str) -> None:
    with pytest.raises(EnrolmentError):
        enrolling.enrol(ACCOUNT, _offer(), Secret(code), actor=OPERATOR)
    with pytest.raises(NoSuchCredentialError):
        house.vault.open(ACCOUNT, KIND, actor=OPERATOR, purpose="test")


def test_seed_when_the_code_is_two_steps_old_then_nothing_is_stored(clock: FakeClock, enrolling: Enrolling) -> None:
    with pytest.raises(EnrolmentError):
        enrolling.enrol(ACCOUNT, _offer(), _code(clock, -2), actor=OPERATOR)


def test_code_when_typed_with_a_gap_then_it_confirms_all_the_same(clock: FakeClock, enrolling: Enrolling) -> None:
    code = pyotp.TOTP(SEED).at(clock.now())
    enrolling.enrol(ACCOUNT, _offer(), Secret(f" {code[:3]} {code[3:]}\n"), actor=OPERATOR)


def test_seed_when_short_then_the_credential_says_so(house: House, clock: FakeClock, enrolling: Enrolling) -> None:
    enrolling.enrol(ACCOUNT, _offer(SHORT_SEED), _code(clock, seed=SHORT_SEED), actor=OPERATOR)
    assert [each.short_seed for each in house.vault.credentials()] == [True]


def test_seed_when_enrolled_again_then_spent_steps_stay_spent(
    house: House, clock: FakeClock, enrolling: Enrolling
) -> None:
    enrolling.enrol(ACCOUNT, _offer(), _code(clock, 1), actor=OPERATOR)
    spent = _last_step(house)
    enrolling.enrol(ACCOUNT, _offer(), _code(clock, -1), actor=OPERATOR)
    assert _last_step(house) == spent


def test_seed_when_another_then_the_ledger_begins_anew(house: House, clock: FakeClock, enrolling: Enrolling) -> None:
    clock.advance(1_000_000)  # the clock was wrong, and far ahead
    enrolling.enrol(ACCOUNT, _offer(SHORT_SEED), _code(clock, seed=SHORT_SEED), actor=OPERATOR)
    clock.advance(-1_000_000)
    enrolling.enrol(ACCOUNT, _offer(), _code(clock), actor=OPERATOR)
    assert _last_step(house) == int(clock.now().timestamp()) // 30


def test_seed_when_the_stored_one_does_not_open_then_spent_steps_stay_spent(
    house: House, clock: FakeClock, enrolling: Enrolling
) -> None:
    enrolling.enrol(ACCOUNT, _offer(), _code(clock, 1), actor=OPERATOR)
    spent = _last_step(house)
    with house.database.transaction() as connection:
        connection.execute(text("UPDATE vault_records SET generation = 9 WHERE kind = 'totp_seed'"))
    enrolling.enrol(ACCOUNT, _offer(), _code(clock, -1), actor=OPERATOR)
    assert _last_step(house) == spent


def test_seed_when_enrolled_then_the_account_waits_for_its_first_login_with_it(
    house: House, clock: FakeClock, enrolling: Enrolling
) -> None:
    enrolling.enrol(ACCOUNT, _offer(), _code(clock), actor=OPERATOR)
    assert house.facts.of(MfaStageReached) == [MfaStageReached(subject=ACCOUNT, stage=MfaStage.TOTP_PENDING)]


def test_stages_when_gone_through_in_order_then_the_account_leaves_the_list_of_those_on_sms(house: House) -> None:
    now = house.clock.now()
    for stage in (MfaStage.TOTP_PENDING, MfaStage.TOTP_VERIFIED, MfaStage.SMS_REMOVED):
        with house.facts.transaction() as tx:
            assert (ACCOUNT, MfaStage.SMS_REMOVED) not in mfa.still_on_sms(tx.connection)
            mfa.reach(tx, ACCOUNT, stage, now)
    with house.database.reading() as connection:
        assert mfa.still_on_sms(connection) == []
        assert mfa.stage_of(connection, ACCOUNT) is MfaStage.SMS_REMOVED


def test_stage_when_it_does_not_follow_then_it_is_refused(house: House) -> None:
    with pytest.raises(mfa.MfaStageOrderError, match="totp_pending"), house.facts.transaction() as tx:
        mfa.reach(tx, ACCOUNT, MfaStage.SMS_REMOVED, house.clock.now())
