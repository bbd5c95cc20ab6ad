import threading
from datetime import timedelta

import pyotp
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import create_engine, select

from services.auth.errors import ClockUnfitError, CodeUnavailableError, NoSuchCredentialError, SealedError
from services.auth.tables import AUDIT, METADATA
from services.auth.totp import ledger
from services.auth.totp.clock_offset import ClockOffset, ClockWatch
from services.auth.totp.issuer import CodeIssuer, StoppableWaiter
from services.auth.totp.seeds import TotpSeed
from services.contracts.auth import CodeIssued, CodeWaited, CredentialKind
from tests.auth.support import ACCOUNT, OPERATOR, OTHER, SEED, CrashError, House
from tests.fakes.clock import FakeClock

START = 1_772_452_800  # noon of 2 March 2026, the first second of a step


class FakeWaiter:
    """Lets the clock do the waiting."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self._clock.advance(seconds)


class Desk:
    """An issuer with what it is made of."""

    def __init__(self, house: House, clock: FakeClock) -> None:
        self.house = house
        self.clock = clock
        self.waiter = FakeWaiter(clock)
        self.watch = ClockWatch()
        self.issuer = CodeIssuer(house.vault, house.facts, clock, waiter=self.waiter, correction=self.watch)
        seed = TotpSeed.from_text(SEED)
        for account in (ACCOUNT, OTHER):
            house.vault.put(account, CredentialKind.TOTP_SEED, seed.to_vault(), actor=OPERATOR)

    def step(self) -> int:
        return self.issuer.issue(ACCOUNT, actor="flow", purpose="login").step


@pytest.fixture
def desk(house: House, clock: FakeClock) -> Desk:
    return Desk(house, clock)


def test_code_when_issued_then_it_is_the_one_of_the_present_step(desk: Desk) -> None:
    issued = desk.issuer.issue(ACCOUNT, actor="flow", purpose="login")
    assert issued.step == START // 30
    assert issued.code.reveal() == pyotp.TOTP(SEED).at(START)
    assert (issued.waited_seconds, desk.waiter.waits) == (0, [])


def test_code_when_asked_for_again_in_the_same_step_then_the_caller_waits_for_the_next(desk: Desk) -> None:
    steps = [desk.step(), desk.step(), desk.step()]
    assert steps == [START // 30, START // 30 + 1, START // 30 + 2]
    assert desk.waiter.waits == [30.0, 30.0]


def test_code_when_accounts_differ_then_each_has_its_own_steps(desk: Desk) -> None:
    desk.step()
    assert desk.issuer.issue(OTHER, actor="flow", purpose="login").waited_seconds == 0


@pytest.mark.parametrize(("into_the_step", "waits"), [(24.9, []), (25.0, []), (25.1, [4.9]), (29.9, [0.1])])
def test_code_when_little_is_left_of_the_step_then_the_caller_waits(
    desk: Desk, into_the_step: float, waits: list[float]
) -> None:
    desk.clock.advance(into_the_step)
    desk.step()
    assert desk.waiter.waits == pytest.approx(waits)


def test_code_when_the_clock_is_set_back_then_no_step_is_given_twice(desk: Desk) -> None:
    given = [desk.step()]
    desk.clock.advance(-45)
    given.append(desk.step())
    assert given == [START // 30, START // 30 + 1]


def test_code_when_the_clock_is_set_back_by_hours_then_it_is_refused_with_the_reason(desk: Desk) -> None:
    desk.step()
    desk.clock.advance(-7_200)
    with pytest.raises(CodeUnavailableError, match="clock was ahead"):
        desk.step()
    assert desk.waiter.waits == []


def test_code_when_the_process_ends_before_the_commit_then_nothing_was_given_out_or_claimed(desk: Desk) -> None:
    desk.house.facts.crash_after = desk.house.facts.commits
    with pytest.raises(CrashError):
        desk.step()
    with desk.house.database.reading() as connection:
        assert ledger.last_step(connection, ACCOUNT, period_seconds=30) is None


def test_code_when_issued_then_claim_audit_row_and_fact_are_one_durable_transaction(desk: Desk) -> None:
    before = desk.house.facts.durable_commits
    step = desk.step()
    assert desk.house.facts.durable_commits == before + 1
    assert desk.house.facts.of(CodeIssued) == [
        CodeIssued(subject=ACCOUNT, step=step, period_seconds=30, waited_seconds=0, purpose="login")
    ]
    with desk.house.database.reading() as connection:
        assert ledger.last_step(connection, ACCOUNT, period_seconds=30) == step
        actions = connection.execute(select(AUDIT.c.action, AUDIT.c.detail).order_by(AUDIT.c.sequence)).all()
    assert tuple(actions[-1]) == ("secret_opened", "login")


def test_code_when_waited_for_then_the_wait_is_stated(desk: Desk) -> None:
    desk.step()
    desk.step()
    assert desk.house.facts.of(CodeWaited) == [CodeWaited(subject=ACCOUNT, waited_seconds=30)]


def test_code_when_the_caller_had_to_wait_then_only_the_code_given_out_is_audited(desk: Desk) -> None:
    desk.step()
    desk.step()
    with desk.house.database.reading() as connection:
        actions = connection.execute(select(AUDIT.c.action)).scalars().all()
    assert actions.count("secret_opened") == 2


def test_code_when_the_clock_is_a_little_off_then_it_is_the_corrected_step(desk: Desk) -> None:
    desk.watch.note(ClockOffset(9.5, 10.5, 3, 3))
    desk.clock.advance(-5)
    assert desk.step() == START // 30


def test_code_when_the_clock_is_far_off_then_it_is_refused_and_nothing_is_claimed(desk: Desk) -> None:
    desk.watch.note(ClockOffset(60, 61, 3, 3))
    with pytest.raises(ClockUnfitError):
        desk.step()
    with desk.house.database.reading() as connection:
        assert ledger.last_step(connection, ACCOUNT, period_seconds=30) is None


def test_code_when_the_vault_is_sealed_then_it_is_refused(desk: Desk) -> None:
    desk.house.vault.seal()
    with pytest.raises(SealedError):
        desk.step()


def test_code_when_the_account_has_no_seed_then_it_is_refused(desk: Desk) -> None:
    desk.house.vault.remove(ACCOUNT, CredentialKind.TOTP_SEED, actor=OPERATOR)
    with pytest.raises(NoSuchCredentialError):
        desk.step()


def test_waiter_when_the_service_stops_then_the_caller_is_told() -> None:
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(CodeUnavailableError, match="stopping"):
        StoppableWaiter(stopping).wait(60)


class LedgerMachine(RuleBasedStateMachine):
    """Any claims at any steps against the simplest model: the greatest step so far, for each account."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = create_engine("sqlite://")
        METADATA.create_all(self.engine)
        self.last: dict[tuple[str, int], int] = {}
        self.given: set[tuple[str, int, int]] = set()
        self.now = FakeClock().now()

    @rule(account=st.sampled_from("abc"), period=st.sampled_from([30, 60]), step=st.integers(0, 12))
    def claim(self, account: str, period: int, step: int) -> None:
        with self.engine.begin() as connection:
            claimed = ledger.claim(connection, account, period_seconds=period, step=step, now=self.now)
        assert claimed == (step > self.last.get((account, period), -1))
        if claimed:
            assert (account, period, step) not in self.given
            self.given.add((account, period, step))
            self.last[account, period] = step

    @rule(account=st.sampled_from("abc"), step=st.integers(0, 12))
    def claim_and_crash(self, account: str, step: int) -> None:
        with self.engine.connect() as connection:
            ledger.claim(connection, account, period_seconds=30, step=step, now=self.now)
            connection.rollback()

    @rule(seconds=st.integers(-100, 100))
    def set_clock(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @invariant()
    def ledger_is_the_model(self) -> None:
        with self.engine.connect() as connection:
            for account in "abc":
                for period in (30, 60):
                    stored = ledger.last_step(connection, account, period_seconds=period)
                    assert stored == self.last.get((account, period))

    def teardown(self) -> None:
        self.engine.dispose()


LedgerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestLedger = LedgerMachine.TestCase
