"""Logging in at the simulated brokers: each way to fail, and that nothing is sent that must not be."""

import asyncio
import threading
import time
from datetime import timedelta

import httpx
import pytest

from services.auth.accounts import Account, Accounts, MfaMethod
from services.auth.errors import (
    AttemptBudgetExhaustedError,
    ChallengeClosedError,
    FencedOffError,
    LoginBlockedError,
    LoginNotYetError,
    NoSuchCredentialError,
    SealedError,
)
from services.auth.preflight.endpoints import EndpointForeignError
from services.auth.sessions import attempts, lease, machine, store
from services.auth.sessions.session import State, new_session
from services.contracts.auth import (
    BlockReason,
    Broker,
    CredentialKind,
    LoginBlocked,
    LoginFailed,
    LoginFailure,
    LoginMethod,
    LoginStarted,
    LoginSucceeded,
    SecretOpened,
)
from services.contracts.sessions import SessionView
from services.contracts.verdict import Environment
from services.venue.logins.customers import Decision, Factor
from services.venue.logins.faults import Fault
from tests.auth.sessions.keeping import NAMES, Keeping
from tests.auth.sessions.test_keeper import browser, log_in
from tests.auth.support import OPERATOR

ROBINHOOD = NAMES[Broker.ROBINHOOD]
OTHER_SEED = "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU"


def reasons(keeping: Keeping) -> list[LoginFailure]:
    return [fact.reason for fact in keeping.house.facts.facts if isinstance(fact, LoginFailed)]


def blocks(keeping: Keeping) -> list[BlockReason]:
    return [fact.reason for fact in keeping.house.facts.facts if isinstance(fact, LoginBlocked)]


def with_code(request: httpx.Request) -> bool:
    return b"mfa_code=" in request.content


@pytest.mark.parametrize("broker", [Broker.ALPACA, Broker.ROBINHOOD])
def test_password_when_refused_once_then_the_account_is_blocked_and_no_further_login_is_sent(
    keeping: Keeping, broker: Broker
) -> None:
    customer = keeping.alpaca() if broker is Broker.ALPACA else keeping.robinhood()
    customer.secret = "another-password"
    view = log_in(keeping, broker)
    assert (view.state, view.block_reason) == ("blocked", BlockReason.PASSWORD_REFUSED)
    with pytest.raises(LoginBlockedError):
        log_in(keeping, broker)
    assert customer.submissions == 1
    assert keeping.told() == ["login_started", "login_failed", "login_blocked"]
    assert (reasons(keeping), blocks(keeping)) == ([LoginFailure.PASSWORD_REFUSED], [BlockReason.PASSWORD_REFUSED])


def test_app_secret_when_schwab_refuses_it_then_the_account_is_blocked(keeping: Keeping) -> None:
    customer = keeping.schwab()
    customer.decision, customer.secret = Decision.APPROVED, "another-secret"
    browser(keeping)
    assert log_in(keeping, Broker.SCHWAB).block_reason is BlockReason.PASSWORD_REFUSED


def test_codes_when_the_third_is_refused_then_the_account_is_blocked_and_no_code_was_sent_twice(
    keeping: Keeping,
) -> None:
    customer = keeping.robinhood()
    customer.totp_seed = OTHER_SEED
    view = log_in(keeping, Broker.ROBINHOOD)
    assert (view.state, view.block_reason, view.attempts_left) == ("blocked", BlockReason.CODES_REFUSED, 0)
    assert len(set(customer.codes)) == len(customer.codes) == 3
    assert reasons(keeping) == [LoginFailure.CODE_REFUSED] * 3


def test_account_when_a_person_unblocks_it_then_logins_are_sent_again(keeping: Keeping) -> None:
    customer = keeping.robinhood()
    right, customer.secret = customer.secret, "another-password"
    log_in(keeping, Broker.ROBINHOOD)
    customer.secret = right
    assert keeping.run(keeping.keeper.unblock(ROBINHOOD, actor=OPERATOR)).state == "signed_out"
    assert log_in(keeping, Broker.ROBINHOOD).state == "active"
    assert "login_unblocked" in keeping.told()


@pytest.mark.parametrize(
    ("fault", "wait_seconds"),
    [
        (Fault.THROTTLED, 37),
        (Fault.UNAVAILABLE, 37),
        (Fault.TURNED_AWAY, 900),
        (Fault.ERROR, None),
        (Fault.GARBAGE, None),
    ],
)
@pytest.mark.parametrize("broker", [Broker.ALPACA, Broker.IBKR, Broker.ROBINHOOD])
def test_login_when_the_broker_fails_then_it_waits_its_time_and_works_afterwards(
    keeping: Keeping, broker: Broker, fault: Fault, wait_seconds: int | None
) -> None:
    {Broker.ALPACA: keeping.alpaca, Broker.ROBINHOOD: keeping.robinhood, Broker.IBKR: keeping.ibkr}[broker]()
    keeping.venue.faults.plan(broker, fault)
    view = log_in(keeping, broker)
    told_to_wait = ("cooling_down", [LoginFailure.BROKER_ASKED_TO_WAIT])
    unknown = ("backing_off", [LoginFailure.OUTCOME_UNKNOWN])
    assert (view.state, reasons(keeping)) == (told_to_wait if wait_seconds else unknown)
    assert view.resume_at is not None
    if wait_seconds is not None:
        assert view.resume_at - keeping.clock.now() == timedelta(seconds=wait_seconds)
    with pytest.raises(LoginNotYetError):
        log_in(keeping, broker)
    keeping.clock.advance((view.resume_at - keeping.clock.now()).total_seconds())
    for customer in keeping.venue.customers.of(broker):
        customer.decision = Decision.APPROVED
    assert log_in(keeping, broker).state == "active"


def test_login_when_no_connection_is_made_then_nothing_was_sent_and_it_is_told_so(keeping: Keeping) -> None:
    customer = keeping.robinhood()
    keeping.net.break_before = lambda _request: True
    assert log_in(keeping, Broker.ROBINHOOD).state == "backing_off"
    assert reasons(keeping) == [LoginFailure.BROKER_UNREACHABLE]
    assert customer.submissions == 0


def test_code_when_no_answer_comes_then_it_is_spent_and_the_next_login_sends_another(keeping: Keeping) -> None:
    customer = keeping.robinhood()
    keeping.net.break_after = with_code
    view = log_in(keeping, Broker.ROBINHOOD)
    assert (view.state, reasons(keeping)) == ("backing_off", [LoginFailure.OUTCOME_UNKNOWN])
    keeping.net.break_after = lambda _request: False
    assert view.resume_at is not None
    keeping.clock.advance((view.resume_at - keeping.clock.now()).total_seconds())
    assert log_in(keeping, Broker.ROBINHOOD).state == "active"
    assert len(set(customer.codes)) == len(customer.codes) == 2


def test_account_when_the_broker_closed_it_then_it_is_blocked(keeping: Keeping) -> None:
    keeping.robinhood().closed = True
    assert log_in(keeping, Broker.ROBINHOOD).block_reason is BlockReason.ACCOUNT_RESTRICTED


@pytest.mark.parametrize("broker", [Broker.ALPACA, Broker.ROBINHOOD])
def test_account_when_the_probe_says_restricted_then_it_is_blocked(keeping: Keeping, broker: Broker) -> None:
    customer = keeping.alpaca() if broker is Broker.ALPACA else keeping.robinhood()
    customer.restricted = True
    assert log_in(keeping, broker).block_reason is BlockReason.ACCOUNT_RESTRICTED


@pytest.mark.parametrize("broker", [Broker.IBKR, Broker.ROBINHOOD])
def test_approval_when_denied_then_the_account_is_blocked(keeping: Keeping, broker: Broker) -> None:
    customer = keeping.ibkr() if broker is Broker.IBKR else keeping.robinhood(Factor.PROMPT)

    def deny() -> None:
        customer.decision = Decision.DENIED

    keeping.pauses.at = {2: deny}
    assert log_in(keeping, broker).block_reason is BlockReason.APPROVAL_DENIED
    assert reasons(keeping) == [LoginFailure.APPROVAL_DENIED]


@pytest.mark.parametrize(("broker", "minutes"), [(Broker.IBKR, 15), (Broker.ROBINHOOD, 2)])
def test_approval_when_nobody_answers_then_asking_is_bounded_and_resumes_an_hour_later(
    keeping: Keeping, broker: Broker, minutes: int
) -> None:
    if broker is Broker.IBKR:
        keeping.ibkr()
    else:
        keeping.robinhood(Factor.PROMPT)
    view = log_in(keeping, broker)
    assert (view.state, view.approval) == ("backing_off", None)
    assert sum(keeping.pauses.paused) == minutes * 60
    assert view.resume_at == keeping.clock.now() + timedelta(hours=1)
    assert reasons(keeping) == [LoginFailure.APPROVAL_TIMED_OUT]


def test_approval_when_the_broker_is_away_meanwhile_then_it_is_asked_again(keeping: Keeping) -> None:
    customer = keeping.robinhood(Factor.PROMPT)
    customer.decision = Decision.APPROVED
    failures = iter([True, True, False])
    keeping.net.break_after = lambda request: "get_prompts_status" in request.url.path and next(failures)
    assert log_in(keeping, Broker.ROBINHOOD).state == "active"
    assert len(keeping.pauses.paused) == 3


def test_sms_when_it_never_comes_then_the_code_is_missing_and_nothing_is_sent(keeping: Keeping) -> None:
    customer = keeping.robinhood(Factor.SMS)
    keeping.sms.lost = True
    assert log_in(keeping, Broker.ROBINHOOD).state == "backing_off"
    assert (reasons(keeping), customer.codes) == ([LoginFailure.CODE_MISSING], [])


def test_code_when_an_operator_enters_it_then_the_login_goes_on(keeping: Keeping) -> None:
    customer = keeping.robinhood(Factor.SMS)
    keeping.sms.lost = True
    bodies: list[str] = []

    async def keep(number: str, body: str) -> None:
        bodies.append(body)

    keeping.sms.send = keep  # type: ignore[method-assign] # the operator's own phone

    def person(_challenge: str) -> None:
        asyncio.run(keeping.keeper.enter_code(ROBINHOOD, bodies[0][:6]))

    keeping.inbox.person = person
    assert log_in(keeping, Broker.ROBINHOOD).state == "active"
    assert len(customer.codes) == 1


def test_code_when_nothing_waits_for_it_then_it_is_refused(keeping: Keeping) -> None:
    keeping.robinhood(Factor.SMS)
    with pytest.raises(ChallengeClosedError):
        keeping.run(keeping.keeper.enter_code(ROBINHOOD, "123456"))


def test_seed_when_there_is_none_then_the_code_is_missing(keeping: Keeping) -> None:
    keeping.robinhood()
    keeping.house.vault.remove(ROBINHOOD, CredentialKind.TOTP_SEED, actor=OPERATOR)
    assert log_in(keeping, Broker.ROBINHOOD).state == "backing_off"
    assert reasons(keeping) == [LoginFailure.CODE_MISSING]


def test_login_when_no_password_is_stored_then_nothing_is_sent_and_no_attempt_is_spent(keeping: Keeping) -> None:
    customer = keeping.robinhood()
    keeping.house.vault.remove(ROBINHOOD, CredentialKind.PASSWORD, actor=OPERATOR)
    with pytest.raises(NoSuchCredentialError):
        log_in(keeping, Broker.ROBINHOOD)
    assert customer.submissions == 0
    assert keeping.run(keeping.keeper.view(ROBINHOOD)).attempts_left == 3


def test_login_when_the_vault_is_sealed_then_it_is_refused(keeping: Keeping) -> None:
    keeping.robinhood()
    keeping.house.vault.seal()
    with pytest.raises(SealedError):
        log_in(keeping, Broker.ROBINHOOD)


@pytest.mark.parametrize("foreign", [True, False])
def test_browsers_address_when_it_is_another_logins_then_its_code_is_not_sent(keeping: Keeping, foreign: bool) -> None:  # noqa: FBT001 -- a case
    customer = keeping.schwab()
    address = "https://127.0.0.1:8182/?code=C0.stolen%40&state=anothers" if foreign else "C0.made-up@"
    keeping.inbox.person = lambda _challenge: address
    view = log_in(keeping, Broker.SCHWAB)
    assert (view.state, reasons(keeping)) == ("backing_off", [LoginFailure.CODE_REFUSED])
    assert customer.codes == ([] if foreign else ["C0.made-up@"])


def test_budget_when_three_logins_were_sent_then_the_fourth_waits_for_half_an_hour_of_the_first(
    keeping: Keeping,
) -> None:
    customer = keeping.robinhood()
    first = keeping.clock.now()
    keeping.venue.faults.plan(Broker.ROBINHOOD, *[Fault.ERROR] * 3)
    for _ in range(3):
        view = log_in(keeping, Broker.ROBINHOOD)
        assert view.resume_at is not None
        keeping.clock.advance((view.resume_at - keeping.clock.now()).total_seconds())
    with pytest.raises(AttemptBudgetExhaustedError):
        log_in(keeping, Broker.ROBINHOOD)
    view = keeping.run(keeping.keeper.view(ROBINHOOD))
    assert (view.state, view.resume_at) == ("cooling_down", first + timedelta(minutes=30))
    assert customer.submissions == 0
    assert reasons(keeping)[-1] is LoginFailure.BUDGET_EXHAUSTED
    assert len(keeping.house.facts.of(LoginStarted)) == 3


def test_holder_when_its_lease_was_taken_over_in_the_middle_then_it_is_fenced_off_and_sends_no_code(
    keeping: Keeping,
) -> None:
    customer = keeping.robinhood()
    other: list[lease.Lease] = []

    async def take_over(request: httpx.Request) -> None:
        if other or "oauth2" not in request.url.path:
            return
        keeping.clock.advance(121)
        with keeping.house.database.transaction(durable=True) as connection:
            life = timedelta(minutes=2)
            held = lease.acquire(connection, ROBINHOOD, "other", now=keeping.clock.now(), life=life)
            store.save(connection, held, new_session(keeping.clock.now()))
        other.append(held)

    keeping.net.meanwhile = take_over
    with pytest.raises(FencedOffError):
        log_in(keeping, Broker.ROBINHOOD)
    assert customer.codes == []
    assert keeping.told() == ["login_started"]
    assert keeping.run(keeping.keeper.session(ROBINHOOD)).state is State.SIGNED_OUT


def _left_by_an_ended_process(keeping: Keeping) -> None:
    now = keeping.clock.now()
    with keeping.house.database.transaction(durable=True) as connection:
        held = lease.acquire(connection, ROBINHOOD, "ended", now=now, life=timedelta(minutes=2))
        attempts.reserve(connection, held, "ended-attempt", LoginMethod.TOTP, now)
        begun = machine.advance(new_session(now), machine.LoginBegun(now))
        store.save(connection, held, machine.advance(begun, machine.Challenged(now, machine.Challenge.TOTP)))
    keeping.clock.advance(121)


def test_login_when_an_ended_process_left_one_in_the_middle_then_its_attempt_counts_and_a_new_one_is_made(
    keeping: Keeping,
) -> None:
    keeping.robinhood()
    _left_by_an_ended_process(keeping)
    view = log_in(keeping, Broker.ROBINHOOD)
    assert (view.state, view.attempts_left) == ("active", 1)
    assert keeping.told() == ["login_failed", "login_started", "login_succeeded"]
    assert reasons(keeping) == [LoginFailure.OUTCOME_UNKNOWN]
    with keeping.house.database.reading() as connection:
        assert attempts.unfinished(connection, ROBINHOOD) == []


def test_login_when_an_ended_process_had_got_a_session_then_it_is_found_by_a_probe_alone(keeping: Keeping) -> None:
    customer = keeping.robinhood()
    log_in(keeping, Broker.ROBINHOOD)
    sent = customer.submissions
    _left_by_an_ended_process(keeping)
    view = log_in(keeping, Broker.ROBINHOOD)
    assert (view.state, customer.submissions) == ("active", sent)
    succeeded = [fact.attempt for fact in keeping.house.facts.facts if isinstance(fact, LoginSucceeded)]
    assert succeeded[-1] == "ended-attempt"


def test_caller_when_it_goes_away_then_the_login_goes_on_for_the_others(keeping: Keeping) -> None:
    customer = keeping.robinhood()

    async def one_leaves() -> SessionView:
        sent = asyncio.Event()

        async def note(_request: httpx.Request) -> None:
            sent.set()

        keeping.net.meanwhile = note
        leaving = asyncio.create_task(keeping.keeper.login(ROBINHOOD))
        staying = asyncio.create_task(keeping.keeper.login(ROBINHOOD))
        await sent.wait()
        leaving.cancel()
        return await staying

    assert keeping.run(one_leaves()).state == "active"
    assert len(customer.codes) == 1


def test_secrets_when_the_accounts_address_is_not_its_brokers_then_none_is_opened_and_nothing_is_sent(
    keeping: Keeping,
) -> None:
    customer = keeping.robinhood()
    data = {"username": "me@example.com"}
    foreign = Account(
        ROBINHOOD, Broker.ROBINHOOD, Environment.LIVE, MfaMethod.TOTP, "https://api.robinhood.example", data
    )
    with keeping.house.database.transaction() as connection:
        Accounts().put(connection, foreign, keeping.clock.now())
    with pytest.raises(EndpointForeignError):
        log_in(keeping, Broker.ROBINHOOD)
    assert (keeping.net.requests, customer.submissions) == ([], 0)
    assert keeping.house.facts.of(SecretOpened) == []


def test_service_when_it_stops_while_a_code_is_awaited_then_the_lease_is_given_back_at_once(keeping: Keeping) -> None:
    keeping.robinhood(Factor.SMS)
    keeping.sms.lost = True
    waiting = threading.Event()

    def person(_challenge: str) -> None:
        waiting.set()

    keeping.inbox.person = person
    keeper = keeping.another(sms_wait_seconds=100.0)

    async def stop_meanwhile() -> None:
        async with keeper.keep_alive():
            caller = asyncio.create_task(keeper.login(ROBINHOOD))
            await asyncio.to_thread(waiting.wait, 10)
        with pytest.raises(asyncio.CancelledError):
            await caller

    started = time.monotonic()
    keeping.run(stop_meanwhile())
    assert time.monotonic() - started < 10
    assert keeping.inbox.pending() == []
    with keeping.house.database.transaction(durable=True) as connection:
        lease.acquire(connection, ROBINHOOD, "next", now=keeping.clock.now(), life=timedelta(minutes=2))
