from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.auth.sessions import machine
from services.auth.sessions.machine import Challenge, InvalidTransitionError, Signal, advance
from services.auth.sessions.session import (
    LOGGING_IN,
    MOST_REFUSED_CODES,
    USABLE,
    WAITING,
    Session,
    State,
    may_begin,
    new_session,
    refresh_due,
    usable,
)
from services.contracts.auth import BlockReason

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SOON = NOW + timedelta(minutes=1)
LATER = NOW + timedelta(hours=1)
TOTP = machine.Challenged(NOW, Challenge.TOTP)
SMS = machine.Challenged(NOW, Challenge.SMS)
APPROVAL = machine.Challenged(NOW, Challenge.APPROVAL)
BEGUN = machine.LoginBegun(NOW)
ACCEPTED = machine.Accepted(NOW)
VERIFIED = machine.Verified(NOW, LATER, SOON)
REFUSED = machine.CodeRefused(NOW)


def _after(*signals: Signal) -> Session:
    session = new_session(NOW)
    for signal in signals:
        session = advance(session, signal)
    return session


ACTIVE = (BEGUN, ACCEPTED, VERIFIED)


@pytest.mark.parametrize(
    ("signals", "state"),
    [
        ((), State.SIGNED_OUT),
        ((BEGUN,), State.AUTHENTICATING),
        ((BEGUN, TOTP), State.AWAITING_TOTP),
        ((BEGUN, SMS), State.AWAITING_SMS),
        ((BEGUN, APPROVAL), State.AWAITING_APPROVAL),
        ((BEGUN, SMS, APPROVAL), State.AWAITING_APPROVAL),
        ((BEGUN, TOTP, REFUSED), State.AWAITING_TOTP),
        ((BEGUN, TOTP, ACCEPTED), State.VERIFYING),
        ((BEGUN, TOTP, ACCEPTED, VERIFIED), State.ACTIVE),
        ((BEGUN, ACCEPTED, machine.NotVerified(NOW, SOON)), State.BACKING_OFF),
        ((BEGUN, machine.PasswordRefused(NOW)), State.BLOCKED),
        ((BEGUN, machine.Unreachable(NOW, SOON)), State.BACKING_OFF),
        ((BEGUN, machine.OutcomeUnknown(NOW, SOON)), State.VERIFYING),
        ((BEGUN, TOTP, machine.OutcomeUnknown(NOW, SOON)), State.VERIFYING),
        ((BEGUN, ACCEPTED, machine.OutcomeUnknown(NOW, SOON)), State.BACKING_OFF),
        ((BEGUN, SMS, machine.CodeMissing(NOW, SOON)), State.BACKING_OFF),
        ((BEGUN, APPROVAL, machine.ApprovalTimedOut(NOW, SOON)), State.BACKING_OFF),
        ((BEGUN, APPROVAL, machine.ApprovalDenied(NOW)), State.BLOCKED),
        ((BEGUN, machine.Restricted(NOW)), State.BLOCKED),
        ((BEGUN, machine.ToldToWait(NOW, SOON)), State.COOLING_DOWN),
        ((machine.ToldToWait(NOW, SOON),), State.COOLING_DOWN),
        ((*ACTIVE, machine.RefreshBegun(NOW)), State.REFRESHING),
        ((*ACTIVE, machine.RefreshBegun(NOW), VERIFIED), State.ACTIVE),
        ((*ACTIVE, machine.RefreshBegun(NOW), machine.RefreshFailed(NOW, SOON)), State.ACTIVE),
        ((*ACTIVE, machine.RefreshBegun(NOW), machine.RefreshFailed(LATER, LATER)), State.BACKING_OFF),
        ((*ACTIVE, machine.RefreshBegun(NOW), machine.ToldToWait(NOW, SOON)), State.ACTIVE),
        ((*ACTIVE, machine.RefreshBegun(NOW), machine.ToldToWait(LATER, LATER)), State.COOLING_DOWN),
        ((*ACTIVE, machine.RefreshBegun(NOW), machine.SessionLost(NOW)), State.SIGNED_OUT),
        ((*ACTIVE, machine.SessionLost(NOW)), State.SIGNED_OUT),
        ((*ACTIVE, machine.SignedOut(NOW)), State.SIGNED_OUT),
        ((*ACTIVE, machine.Restricted(NOW)), State.BLOCKED),
        ((BEGUN, machine.PasswordRefused(NOW), machine.Unblocked(NOW)), State.SIGNED_OUT),
    ],
)
def test_session_when_signals_arrive_then_it_is_in_the_state_they_lead_to(
    signals: tuple[Signal, ...], state: State
) -> None:
    assert _after(*signals).state is state


def test_password_when_refused_once_then_the_account_is_blocked_with_the_reason() -> None:
    assert _after(BEGUN, machine.PasswordRefused(NOW)).block_reason is BlockReason.PASSWORD_REFUSED


def test_codes_when_the_third_is_refused_then_the_account_is_blocked() -> None:
    assert _after(BEGUN, TOTP, REFUSED, REFUSED).state is State.AWAITING_TOTP
    blocked = _after(BEGUN, TOTP, REFUSED, REFUSED, REFUSED)
    assert (blocked.state, blocked.block_reason) == (State.BLOCKED, BlockReason.CODES_REFUSED)


def test_codes_when_refused_over_several_logins_then_they_add_up() -> None:
    timed_out = machine.OutcomeUnknown(NOW, NOW)
    login = (BEGUN, TOTP, REFUSED, timed_out, machine.NotVerified(NOW, NOW))
    assert _after(*login, *login, BEGUN, TOTP, REFUSED).state is State.BLOCKED


def test_codes_when_the_broker_confirms_a_session_then_the_count_begins_anew() -> None:
    session = _after(BEGUN, TOTP, REFUSED, REFUSED, ACCEPTED, VERIFIED)
    assert (session.refused_codes, session.failures) == (0, 0)


def test_codes_when_a_person_unblocks_then_the_count_begins_anew() -> None:
    session = _after(BEGUN, TOTP, REFUSED, REFUSED, REFUSED, machine.Unblocked(NOW))
    assert session == new_session(NOW)


def test_login_when_the_waiting_time_is_not_over_then_it_cannot_begin() -> None:
    for wait in (machine.ToldToWait(NOW, SOON), machine.Unreachable(NOW, SOON)):
        waiting = _after(BEGUN, wait)
        assert not may_begin(waiting, NOW)
        with pytest.raises(InvalidTransitionError):
            advance(waiting, BEGUN)
        assert may_begin(waiting, SOON)
        assert advance(waiting, machine.LoginBegun(SOON)).state is State.AUTHENTICATING


def test_session_when_active_then_it_is_usable_until_it_expires_and_due_when_said() -> None:
    session = _after(*ACTIVE)
    assert (usable(session, NOW), usable(session, LATER)) == (True, False)
    assert (refresh_due(session, NOW), refresh_due(session, SOON)) == (False, True)
    assert usable(advance(session, machine.RefreshBegun(NOW)), NOW)


def test_session_when_it_never_ends_then_it_is_never_due() -> None:
    session = _after(BEGUN, ACCEPTED, machine.Verified(NOW, None, None))
    assert usable(session, NOW + timedelta(days=10_000))
    assert not refresh_due(session, NOW + timedelta(days=10_000))


Maker = Callable[[datetime, datetime], Signal]


def _plain(signal: type[Signal]) -> Maker:
    return lambda at, _then: signal(at)


_PLAIN = (
    *(machine.LoginBegun, machine.Accepted, machine.PasswordRefused, machine.CodeRefused, machine.ApprovalDenied),
    *(machine.Restricted, machine.RefreshBegun, machine.SessionLost, machine.SignedOut, machine.Unblocked),
)
_WITH_A_TIME: tuple[Maker, ...] = (
    *(machine.CodeMissing, machine.ApprovalTimedOut, machine.OutcomeUnknown, machine.Unreachable),
    *(machine.ToldToWait, machine.NotVerified, machine.RefreshFailed),
)
_MAKERS: dict[str, Maker] = {
    **{signal.__name__: _plain(signal) for signal in _PLAIN},
    **{getattr(maker, "__name__", ""): maker for maker in _WITH_A_TIME},
    "Challenged totp": lambda at, _: machine.Challenged(at, Challenge.TOTP),
    "Challenged sms": lambda at, _: machine.Challenged(at, Challenge.SMS),
    "Challenged approval": lambda at, _: machine.Challenged(at, Challenge.APPROVAL),
    "Verified": lambda at, then: machine.Verified(at, then, at + (then - at) * 2 / 3),
}


def test_every_signal_when_listed_then_the_stateful_test_sends_it() -> None:
    known = {each.__name__ for each in Signal.__subclasses__()}
    assert {name.split()[0] for name in _MAKERS} == known


class LoginMachine(RuleBasedStateMachine):
    """Any signals in any order at times that only grow, against the rules stated one by one."""

    visited: ClassVar[set[State]] = set()

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.session = new_session(self.now)
        self.before = self.session
        self.sent: str | None = None
        self.refused = 0

    @rule(name=st.sampled_from(sorted(_MAKERS)), wait=st.integers(0, 600))
    def send_anything(self, name: str, wait: int) -> None:
        self._send(name, wait)

    @rule(data=st.data(), wait=st.integers(0, 600))
    def send_what_can_happen(self, data: st.DataObject, wait: int) -> None:
        """Without this, random signals seldom get beyond the first step of a login."""
        possible = [name for name in sorted(_MAKERS) if self.session.state in _MAKERS[name](NOW, LATER).states]
        self._send(data.draw(st.sampled_from(possible)), wait)

    @precondition(lambda self: self.session.state is State.SIGNED_OUT)
    @rule(steps=st.integers(1, 4), wait=st.integers(0, 600))
    def log_in(self, steps: int, wait: int) -> None:
        for name in ("LoginBegun", "Accepted", "Verified", "RefreshBegun")[:steps]:
            self._send(name, wait)

    def _send(self, name: str, wait: int) -> None:
        signal = _MAKERS[name](self.now, self.now + timedelta(seconds=wait))
        self.before = self.session
        try:
            self.session = advance(self.session, signal)
        except InvalidTransitionError:
            self.sent = None
            return
        self.sent = name
        self.refused += name == "CodeRefused"
        if name == "Unblocked" or (name == "Verified" and self.before.state is State.VERIFYING):
            self.refused = 0

    @rule(seconds=st.integers(1, 900))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.before, self.sent = self.session, None

    @precondition(lambda self: self.session.state in WAITING and self.session.resume_at)
    @rule()
    def wait_until_due(self) -> None:
        assert self.session.resume_at is not None
        self.now = max(self.now, self.session.resume_at)
        assert may_begin(self.session, self.now)

    @invariant()
    def visits_are_counted(self) -> None:
        self.visited.add(self.session.state)

    @invariant()
    def blocked_is_left_by_a_person_only(self) -> None:
        if self.before.state is State.BLOCKED and self.session.state is not State.BLOCKED:
            assert self.sent == "Unblocked"

    @invariant()
    def blocked_has_a_reason_and_nothing_else_has(self) -> None:
        assert (self.session.block_reason is not None) == (self.session.state is State.BLOCKED)

    @invariant()
    def refused_codes_are_counted_and_the_third_blocks(self) -> None:
        assert self.session.refused_codes == self.refused
        if self.refused >= MOST_REFUSED_CODES:
            assert self.session.state is State.BLOCKED

    @invariant()
    def a_refused_password_always_blocks(self) -> None:
        if self.sent == "PasswordRefused":
            assert self.session.state is State.BLOCKED

    @invariant()
    def an_unknown_outcome_is_never_followed_by_a_submission(self) -> None:
        if self.sent == "OutcomeUnknown":
            assert self.session.state in {State.VERIFYING, State.BACKING_OFF}

    @invariant()
    def waiting_always_ends(self) -> None:
        if self.session.state in WAITING:
            assert self.session.resume_at is not None

    @invariant()
    def only_a_session_that_was_confirmed_is_usable(self) -> None:
        assert (self.session.started_at is not None) == (self.session.state in USABLE)
        if self.session.state not in USABLE:
            assert self.session.expires_at is None

    @invariant()
    def a_login_begins_only_when_it_may(self) -> None:
        if self.sent == "LoginBegun":
            assert may_begin(self.before, self.now)
            assert self.session.state in LOGGING_IN


def test_login_when_any_signals_arrive_in_any_order_then_every_rule_holds_in_every_state() -> None:
    run_state_machine_as_test(LoginMachine, settings=settings(max_examples=150, stateful_step_count=40, deadline=None))
    assert LoginMachine.visited == set(State)
