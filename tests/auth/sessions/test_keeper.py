"""Logging in at the simulated brokers: what ends well."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from services.auth.leases import NoSessionError
from services.auth.sessions.person import ASK_AGAIN_AFTER
from services.contracts.auth import Broker, CodeIssued, LoginSucceeded, SecretOpened
from services.contracts.sessions import SessionView
from services.venue.logins.customers import Decision, Factor
from tests.auth.sessions.keeping import NAMES, PASSWORD, Keeping, RealWaiter

STARTED_AND_SUCCEEDED = ["login_started", "login_succeeded"]
ROBINHOOD = NAMES[Broker.ROBINHOOD]


def browser(keeping: Keeping) -> None:
    """Have a person open the address and bring back where it ends."""

    def person(_challenge: str) -> str:
        return asyncio.run(_open())

    async def _open() -> str:
        asked = (await keeping.keeper.view(NAMES[Broker.SCHWAB])).approval
        assert asked is not None
        address = next(word for word in asked.instruction.split() if word.startswith("http"))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(keeping.venue.app)) as client:
            return str((await client.get(address)).headers["location"])

    keeping.inbox.person = person


def log_in(keeping: Keeping, broker: Broker) -> SessionView:
    return keeping.run(keeping.keeper.login(NAMES[broker]))


def test_login_when_alpacas_keys_are_good_then_the_session_never_ends_and_a_lease_carries_the_keys(
    keeping: Keeping,
) -> None:
    keeping.alpaca()
    view = log_in(keeping, Broker.ALPACA)
    assert (view.state, view.usable, view.expires_at) == ("active", True, None)
    assert keeping.told() == STARTED_AND_SUCCEEDED
    lease = keeping.run(keeping.keeper.lease(NAMES[Broker.ALPACA]))
    assert lease.reveal().headers == {"APCA-API-KEY-ID": "KEYID", "APCA-API-SECRET-KEY": PASSWORD}
    assert (lease.expires_at - keeping.clock.now()).total_seconds() == 300
    assert PASSWORD not in repr(lease) + repr(lease.reveal())


@pytest.mark.parametrize("factor", [Factor.NONE, Factor.TOTP, Factor.SMS, Factor.SMS_CHALLENGE])
def test_login_when_robinhood_asks_for_a_code_then_no_person_is_needed(keeping: Keeping, factor: Factor) -> None:
    customer = keeping.robinhood(factor)
    view = log_in(keeping, Broker.ROBINHOOD)
    assert (view.state, view.usable, view.attempts_left) == ("active", True, 2)
    assert keeping.told() == STARTED_AND_SUCCEEDED
    assert len(customer.codes) == (factor is not Factor.NONE)
    assert keeping.inbox.pending() == []


def test_login_when_a_code_was_sent_then_the_ledger_and_the_audit_trail_know_of_it(keeping: Keeping) -> None:
    keeping.robinhood()
    log_in(keeping, Broker.ROBINHOOD)
    assert len(keeping.house.facts.of(CodeIssued)) == 1
    opened = {(fact.kind, fact.purpose) for fact in keeping.house.facts.of(SecretOpened)}  # type: ignore[attr-defined] # of that type
    assert ("password", "login") in opened
    assert ("totp_seed", "login") in opened


def test_device_when_it_was_verified_then_the_next_login_is_not_asked_again(keeping: Keeping) -> None:
    customer = keeping.robinhood(Factor.SMS_CHALLENGE)
    log_in(keeping, Broker.ROBINHOOD)
    keeping.clock.advance(2 * 86_400)
    assert log_in(keeping, Broker.ROBINHOOD).usable
    assert len(customer.devices) == 1
    assert len(customer.codes) == 1


def test_login_when_robinhood_wants_an_approval_then_it_is_polled_until_the_person_gives_it(keeping: Keeping) -> None:
    customer = keeping.robinhood(Factor.PROMPT)
    seen: list[SessionView] = []

    def approve() -> None:
        customer.decision = Decision.APPROVED

    async def flow() -> SessionView:
        async def look(request: httpx.Request) -> None:
            if "get_prompts_status" in request.url.path:
                seen.append(await keeping.keeper.view(ROBINHOOD))

        keeping.net.meanwhile = look
        keeping.pauses.at = {3: approve}
        return await keeping.keeper.login(ROBINHOOD)

    assert keeping.run(flow()).state == "active"
    countdown = [view.approval.remaining_seconds for view in seen if view.approval is not None]
    assert countdown == [115.0, 110.0, 105.0]
    assert {view.state for view in seen} == {"awaiting_approval"}
    assert keeping.pauses.paused == [5.0] * 3


def test_login_when_schwabs_browser_login_is_done_then_the_code_in_the_address_becomes_tokens(
    keeping: Keeping,
) -> None:
    customer = keeping.schwab()
    customer.decision = Decision.APPROVED
    browser(keeping)
    view = log_in(keeping, Broker.SCHWAB)
    assert view.state == "active"
    assert view.expires_at is not None
    assert view.person_needed_at is not None
    assert (view.expires_at - keeping.clock.now()).total_seconds() == 1800
    assert (view.person_needed_at - keeping.clock.now()).total_seconds() == 7 * 86_400
    assert keeping.login_due[NAMES[Broker.SCHWAB]] == view.person_needed_at


def test_login_when_schwabs_refresh_token_is_good_still_then_no_person_is_asked(keeping: Keeping) -> None:
    keeping.schwab().decision = Decision.APPROVED
    browser(keeping)
    log_in(keeping, Broker.SCHWAB)
    keeping.inbox.person = None
    keeping.clock.advance(86_400)
    assert log_in(keeping, Broker.SCHWAB).usable


def test_address_when_it_is_asked_for_then_it_holds_no_secret_and_a_state_of_its_own(keeping: Keeping) -> None:
    keeping.schwab()
    asked: list[str] = []

    def person(_challenge: str) -> None:
        view = asyncio.run(keeping.keeper.view(NAMES[Broker.SCHWAB]))
        asked.append(view.approval.instruction if view.approval else "")

    keeping.inbox.person = person
    keeping.inbox._life = keeping.inbox._life * 0  # the person never comes back
    for _ in range(2):
        assert log_in(keeping, Broker.SCHWAB).state == "backing_off"
        keeping.clock.advance(ASK_AGAIN_AFTER.total_seconds())
    states = [parse_qs(urlsplit(text.split()[1]).query)["state"] for text in asked]
    assert PASSWORD not in "".join(asked)
    assert states[0] != states[1]


def test_login_when_a_person_approves_at_ibkrs_gateway_then_the_session_lasts_to_the_weeks_end(
    keeping: Keeping,
) -> None:
    customer = keeping.ibkr()

    def approve() -> None:
        customer.decision = Decision.APPROVED

    keeping.pauses.at = {2: approve}
    view = log_in(keeping, Broker.IBKR)
    assert view.state == "active"
    assert view.expires_at is not None
    assert view.expires_at.isoformat() == "2026-03-08T06:00:00+00:00"
    assert view.person_needed_at == view.expires_at
    assert keeping.told() == STARTED_AND_SUCCEEDED


def test_logins_when_fifty_are_cold_at_once_then_one_is_sent(keeping: Keeping) -> None:
    customer = keeping.robinhood()

    async def storm() -> list[SessionView]:
        return await asyncio.gather(*(keeping.keeper.login(ROBINHOOD) for _ in range(50)))

    views = keeping.run(storm())
    assert {view.state for view in views} == {"active"}
    assert (customer.submissions, len(customer.codes)) == (2, 1)  # the password, then the password with the code
    assert len(keeping.house.facts.of(LoginSucceeded)) == 1


def test_logins_when_two_processes_are_cold_at_once_then_one_is_sent(keeping: Keeping) -> None:
    customer = keeping.robinhood()
    keepers = [keeping.another(RealWaiter()), keeping.another(RealWaiter())]

    async def storm() -> list[SessionView]:
        return await asyncio.gather(*(keepers[number % 2].login(ROBINHOOD) for number in range(50)))

    assert {view.state for view in keeping.run(storm())} == {"active"}
    assert len(customer.codes) == 1
    assert len(keeping.house.facts.of(LoginSucceeded)) == 1


def test_lease_when_there_is_no_session_then_it_is_refused(keeping: Keeping) -> None:
    keeping.robinhood()
    with pytest.raises(NoSessionError):
        keeping.run(keeping.keeper.lease(ROBINHOOD))


def test_lease_when_the_session_ends_sooner_then_it_ends_with_it(keeping: Keeping) -> None:
    keeping.robinhood()
    view = log_in(keeping, Broker.ROBINHOOD)
    keeping.clock.advance(86_400 - 60)
    lease = keeping.run(keeping.keeper.lease(ROBINHOOD))
    assert lease.expires_at == view.expires_at
    assert set(lease.reveal().headers) == {"Authorization"}


def test_probe_when_the_account_may_not_open_positions_then_it_says_so(keeping: Keeping) -> None:
    customer = keeping.robinhood()
    log_in(keeping, Broker.ROBINHOOD)
    assert keeping.run(keeping.keeper.probe(ROBINHOOD)).restricted is False
    customer.restricted = True
    found = keeping.run(keeping.keeper.probe(ROBINHOOD))
    assert (found.valid, found.restricted, found.status) == (True, True, "active")


def test_views_when_accounts_are_registered_then_each_has_one(keeping: Keeping) -> None:
    keeping.alpaca()
    keeping.robinhood()
    views = keeping.run(keeping.keeper.views())
    assert [(view.account, view.state) for view in views] == [
        (NAMES[Broker.ALPACA], "signed_out"),
        (ROBINHOOD, "signed_out"),
    ]
