"""What the keeper does by itself as time goes by: renews, logs in anew, asks and announces."""

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest

from services.auth.sessions import lease, machine, store
from services.auth.sessions.person import may_ask, notice_due
from services.auth.sessions.session import State
from services.contracts.auth import (
    Broker,
    CredentialKind,
    Flow,
    LoginFailed,
    LoginFailure,
    SessionExpiring,
    SessionRefreshed,
)
from services.contracts.sessions import SessionView
from services.venue.logins.customers import Decision, Factor
from services.venue.logins.faults import Fault
from tests.auth.sessions.keeping import NAMES, PASSWORD, Keeping
from tests.auth.sessions.test_keeper import browser, log_in
from tests.auth.support import OPERATOR, SEED
from tests.fakes.clock import FakeClock

ROBINHOOD, SCHWAB, IBKR = (NAMES[broker] for broker in (Broker.ROBINHOOD, Broker.SCHWAB, Broker.IBKR))


def tick(keeping: Keeping) -> None:
    async def once() -> None:
        await keeping.keeper.tick()
        await keeping.keeper.settled()

    keeping.run(once())


def view(keeping: Keeping, broker: Broker) -> SessionView:
    return keeping.run(keeping.keeper.view(NAMES[broker]))


def failed_refreshes(keeping: Keeping) -> list[LoginFailure]:
    failed = [fact for fact in keeping.house.facts.facts if isinstance(fact, LoginFailed)]
    return [fact.reason for fact in failed if fact.flow is Flow.REFRESH]


def until(keeping: Keeping, moment: datetime | None) -> None:
    assert moment is not None
    keeping.clock.advance((moment - keeping.clock.now()).total_seconds())


def test_session_when_two_thirds_of_its_life_are_over_then_it_is_renewed_without_a_code(keeping: Keeping) -> None:
    customer = keeping.robinhood()
    before = log_in(keeping, Broker.ROBINHOOD)
    tick(keeping)
    assert keeping.house.facts.of(SessionRefreshed) == []
    until(keeping, before.resume_at)
    part = (keeping.clock.now() - before.changed_at) / timedelta(days=1)
    assert 0.61 < part < 0.67
    tick(keeping)
    after = view(keeping, Broker.ROBINHOOD)
    assert len(keeping.house.facts.of(SessionRefreshed)) == 1
    assert after.expires_at == keeping.clock.now() + timedelta(days=1)
    assert len(customer.codes) == 1
    assert keeping.run(keeping.keeper.probe(ROBINHOOD)).valid


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.GARBAGE, Fault.THROTTLED])
def test_session_when_renewing_fails_then_it_stays_usable_and_is_tried_again(keeping: Keeping, fault: Fault) -> None:
    keeping.robinhood()
    before = log_in(keeping, Broker.ROBINHOOD)
    until(keeping, before.resume_at)
    keeping.venue.faults.plan(Broker.ROBINHOOD, fault)
    tick(keeping)
    between = view(keeping, Broker.ROBINHOOD)
    assert between.usable
    assert between.expires_at == before.expires_at
    failed = [fact for fact in keeping.house.facts.facts if isinstance(fact, LoginFailed)]
    assert [fact.flow for fact in failed] == [Flow.REFRESH]
    until(keeping, between.resume_at)
    tick(keeping)
    assert view(keeping, Broker.ROBINHOOD).expires_at == keeping.clock.now() + timedelta(days=1)


def test_session_when_its_renewal_is_refused_then_the_keeper_logs_in_anew(keeping: Keeping) -> None:
    customer = keeping.robinhood()
    until(keeping, log_in(keeping, Broker.ROBINHOOD).resume_at)
    customer.refresh_tokens.clear()
    tick(keeping)
    assert view(keeping, Broker.ROBINHOOD).state == "signed_out"
    tick(keeping)
    assert view(keeping, Broker.ROBINHOOD).state == "active"
    assert keeping.told()[2:] == ["login_failed", "session_ended", "login_started", "login_succeeded"]


def test_session_when_it_expired_while_nobody_looked_then_the_keeper_logs_in_anew(keeping: Keeping) -> None:
    keeping.robinhood()
    log_in(keeping, Broker.ROBINHOOD)
    keeping.clock.advance(3 * 86_400)
    tick(keeping)
    assert view(keeping, Broker.ROBINHOOD).usable
    assert keeping.told()[2:] == ["session_ended", "login_started", "login_succeeded"]


def test_renewal_when_an_ended_process_left_it_in_the_middle_then_it_is_made_again(keeping: Keeping) -> None:
    keeping.robinhood()
    until(keeping, log_in(keeping, Broker.ROBINHOOD).resume_at)
    now = keeping.clock.now()
    with keeping.house.database.transaction(durable=True) as connection:
        held = lease.acquire(connection, ROBINHOOD, "ended", now=now, life=timedelta(minutes=2))
        session = machine.advance(store.load(connection, ROBINHOOD, now), machine.RefreshBegun(now))
        store.save(connection, held, session)
    tick(keeping)  # the lease is held still: nothing happens
    assert view(keeping, Broker.ROBINHOOD).state == State.REFRESHING
    keeping.clock.advance(120)
    tick(keeping)
    tick(keeping)
    assert view(keeping, Broker.ROBINHOOD).state == State.ACTIVE
    assert len(keeping.house.facts.of(SessionRefreshed)) == 1
    assert failed_refreshes(keeping) == [LoginFailure.OUTCOME_UNKNOWN]


def test_renewal_when_it_was_left_in_the_middle_and_the_session_is_over_then_its_failure_is_stated_before_the_login(
    keeping: Keeping,
) -> None:
    keeping.robinhood()
    until(keeping, log_in(keeping, Broker.ROBINHOOD).resume_at)
    now = keeping.clock.now()
    with keeping.house.database.transaction(durable=True) as connection:
        held = lease.acquire(connection, ROBINHOOD, "ended", now=now, life=timedelta(minutes=2))
        session = machine.advance(store.load(connection, ROBINHOOD, now), machine.RefreshBegun(now))
        store.save(connection, held, session)
    keeping.clock.advance(3 * 86_400)
    tick(keeping)
    tick(keeping)
    assert view(keeping, Broker.ROBINHOOD).usable
    assert failed_refreshes(keeping) == [LoginFailure.OUTCOME_UNKNOWN]
    assert keeping.told()[2:] == ["login_failed", "session_ended", "login_started", "login_succeeded"]


def test_renewal_when_the_vault_no_longer_has_the_session_then_its_failure_is_stated(keeping: Keeping) -> None:
    keeping.robinhood()
    until(keeping, log_in(keeping, Broker.ROBINHOOD).resume_at)
    keeping.house.vault.remove(ROBINHOOD, CredentialKind.OAUTH_TOKENS, actor=OPERATOR)
    tick(keeping)
    assert keeping.told()[2:] == ["login_failed", "session_ended"]
    assert failed_refreshes(keeping) == [LoginFailure.SESSION_LOST]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.ERROR, LoginFailure.OUTCOME_UNKNOWN),
        (Fault.THROTTLED, LoginFailure.BROKER_ASKED_TO_WAIT),
        (Fault.TURNED_AWAY, LoginFailure.BROKER_ASKED_TO_WAIT),
    ],
)
def test_renewal_when_it_fails_again_and_again_then_each_failure_is_stated_once(
    keeping: Keeping, fault: Fault, reason: LoginFailure
) -> None:
    keeping.robinhood()
    until(keeping, log_in(keeping, Broker.ROBINHOOD).resume_at)
    for times in (1, 2, 3):
        keeping.venue.faults.plan(Broker.ROBINHOOD, fault)
        tick(keeping)
        tick(keeping)  # not due again yet: nothing more is tried
        assert failed_refreshes(keeping) == [reason] * times
        until(keeping, view(keeping, Broker.ROBINHOOD).resume_at)


def test_account_when_nobody_logged_it_in_yet_then_the_keeper_leaves_it_alone(keeping: Keeping) -> None:
    customer = keeping.robinhood()
    tick(keeping)
    assert customer.submissions == 0


def test_account_when_it_is_blocked_then_the_keeper_leaves_it_alone(keeping: Keeping) -> None:
    customer = keeping.robinhood()
    customer.secret = "another"
    log_in(keeping, Broker.ROBINHOOD)
    keeping.clock.advance(86_400)
    tick(keeping)
    assert customer.submissions == 1


def test_keeper_when_the_vault_is_sealed_then_it_does_nothing(keeping: Keeping) -> None:
    customer = keeping.robinhood()
    log_in(keeping, Broker.ROBINHOOD)
    sent = customer.submissions
    keeping.clock.advance(3 * 86_400)
    keeping.house.vault.seal()
    tick(keeping)
    assert customer.submissions == sent


def test_schwab_when_the_seven_days_run_out_then_it_is_announced_ahead_and_a_person_is_asked(keeping: Keeping) -> None:
    keeping.schwab().decision = Decision.APPROVED
    browser(keeping)
    due = log_in(keeping, Broker.SCHWAB).person_needed_at
    assert due is not None
    keeping.inbox.person = None
    keeping.inbox._life = timedelta(0)  # nobody brings a code
    keeping.clock.advance(6 * 86_400 - 3600)
    while keeping.clock.now() < due:
        keeping.clock.advance(600)
        tick(keeping)
    left = [fact.remaining_seconds for fact in keeping.house.facts.facts if isinstance(fact, SessionExpiring)]
    assert [round(seconds / 3600, 1) for seconds in left] == [24.0, 6.0, 2.0, 0.2, 0.0]
    keeping.clock.advance(1800)  # the last access token outlives the seven days by as much
    tick(keeping)
    assert not view(keeping, Broker.SCHWAB).usable
    assert "session_ended" in keeping.told()
    renewed = keeping.house.facts.of(SessionRefreshed)
    assert len(renewed) > 25 * 2
    assert {fact.expires_at for fact in renewed} == {due}  # type: ignore[attr-defined] # of that type


def test_ibkr_when_the_week_ends_at_night_then_the_person_is_asked_in_the_morning(keeping: Keeping) -> None:
    customer = keeping.ibkr()
    customer.decision = Decision.APPROVED
    week_ends = log_in(keeping, Broker.IBKR).expires_at
    assert week_ends is not None
    keeping.clock.advance(180)
    tick(keeping)
    assert len(keeping.house.facts.of(SessionRefreshed)) == 1
    until(keeping, week_ends)
    keeping.venue.ibkr.end_week()
    tick(keeping)
    tick(keeping)
    assert keeping.told().count("login_started") == 1  # it is 01:00 in New York
    assert not view(keeping, Broker.IBKR).usable
    keeping.clock.advance(7 * 3600)

    def approve() -> None:
        customer.decision = Decision.APPROVED

    keeping.pauses.at = {len(keeping.pauses.paused) + 1: approve}
    tick(keeping)
    after = view(keeping, Broker.IBKR)
    assert after.usable
    # Clocks go forward in New York on this very Sunday.
    assert after.person_needed_at == week_ends + timedelta(days=7, hours=-1)


def test_keeper_when_it_runs_then_it_looks_again_and_again_and_ends_when_told(keeping: Keeping) -> None:
    keeping.robinhood()
    log_in(keeping, Broker.ROBINHOOD)
    renewed = asyncio.Event()

    async def note(request: httpx.Request) -> None:
        if b"grant_type=refresh_token" in request.content:
            renewed.set()

    async def run() -> None:
        keeping.net.meanwhile = note
        keeping.clock.advance(60_000)
        async with keeping.keeper.keep_alive():
            await asyncio.wait_for(renewed.wait(), 10)

    keeping.run(run())
    assert renewed.is_set()


def test_login_when_it_is_made_then_it_is_one_trace_with_a_span_for_each_step_and_no_secret_in_it(
    keeping: Keeping,
) -> None:
    customer = keeping.robinhood(Factor.TOTP)
    log_in(keeping, Broker.ROBINHOOD)
    spans = keeping.spans.get_finished_spans()
    names = sorted(span.name for span in spans)
    steps = ["auth.login.answer", "auth.login.begin", "auth.login.code", "auth.login.probe"]
    assert names == ["auth.login", *steps]
    assert len({span.context.trace_id for span in spans if span.context}) == 1
    told = "".join(span.to_json() for span in spans)
    for secret in (PASSWORD, SEED, customer.codes[0], "me@example.com", *customer.tokens, *customer.refresh_tokens):
        assert secret not in told


def test_secrets_when_every_flow_has_run_then_none_of_them_is_in_the_database_in_clear(keeping: Keeping) -> None:
    customer = keeping.robinhood(Factor.SMS_CHALLENGE)
    until(keeping, log_in(keeping, Broker.ROBINHOOD).resume_at)
    tick(keeping)
    with keeping.house.database.reading() as connection:
        dump = "\n".join(connection.connection.driver_connection.iterdump())  # type: ignore[union-attr] # sqlite3's own
    secrets = [PASSWORD, *customer.codes, *customer.tokens, *customer.refresh_tokens, *customer.devices]
    assert [secret for secret in secrets if secret in dump.replace("-- ", "")] == []


@pytest.mark.parametrize(("hour", "asks"), [(7, False), (8, True), (20, True), (21, False), (2, False)])
def test_person_when_it_is_day_in_new_york_then_may_be_asked(hour: int, asks: bool) -> None:  # noqa: FBT001 -- a case
    local = datetime(2026, 7, 5, hour, 30, tzinfo=ZoneInfo("America/New_York"))
    assert may_ask(local.astimezone(UTC)) is asks


def test_notice_when_the_end_is_far_away_then_there_is_none(clock: FakeClock) -> None:
    now = clock.now()
    assert notice_due(now + timedelta(hours=25), now) is None
    assert notice_due(now + timedelta(hours=5), now) == timedelta(hours=6)


def test_refresh_when_the_broker_restricts_the_account_then_it_is_blocked(keeping: Keeping) -> None:
    keeping.robinhood()
    until(keeping, log_in(keeping, Broker.ROBINHOOD).resume_at)

    class Restricting(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(403, json={"detail": "Your account is restricted."}, request=request)

    keeping.net.brokers = Restricting()  # type: ignore[assignment] # another transport
    tick(keeping)
    assert view(keeping, Broker.ROBINHOOD).state == "blocked"
    failed = [fact.reason for fact in keeping.house.facts.facts if isinstance(fact, LoginFailed)]
    assert failed == [LoginFailure.ACCOUNT_RESTRICTED]


def test_session_when_a_probe_shows_that_the_broker_ended_it_then_the_keeper_logs_in_anew(keeping: Keeping) -> None:
    customer = keeping.robinhood()
    log_in(keeping, Broker.ROBINHOOD)
    customer.tokens.clear()
    assert keeping.run(keeping.keeper.probe(ROBINHOOD)).valid is False
    assert view(keeping, Broker.ROBINHOOD).state == "signed_out"
    tick(keeping)
    assert view(keeping, Broker.ROBINHOOD).usable
    assert keeping.told()[2:] == ["session_ended", "login_started", "login_succeeded"]


def test_accounts_when_one_cannot_be_kept_then_the_others_are_and_it_is_said_once(
    keeping: Keeping, caplog: pytest.LogCaptureFixture
) -> None:
    keeping.alpaca()
    keeping.robinhood()
    log_in(keeping, Broker.ALPACA)
    log_in(keeping, Broker.ROBINHOOD)
    keeping.house.vault.remove(NAMES[Broker.ALPACA], CredentialKind.API_KEY, actor=OPERATOR)
    assert keeping.run(keeping.keeper.probe(ROBINHOOD)).valid
    with keeping.house.database.transaction(durable=True) as connection:
        now = keeping.clock.now()
        held = lease.acquire(connection, NAMES[Broker.ALPACA], "test", now=now, life=timedelta(minutes=2))
        lost = machine.advance(store.load(connection, NAMES[Broker.ALPACA], now), machine.SessionLost(now))
        store.save(connection, held, lost)
        lease.release(connection, held, now=now)
    keeping.clock.advance(3 * 86_400)
    tick(keeping)
    tick(keeping)
    assert view(keeping, Broker.ROBINHOOD).usable
    assert [record.message for record in caplog.records if "cannot keep alpaca" in record.message] != []
    assert len([record for record in caplog.records if "cannot keep" in record.message]) == 1
