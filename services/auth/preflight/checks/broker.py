"""Checks of what the broker sees: the session, the account, the device, the address."""

from datetime import timedelta
from http import HTTPStatus
from typing import Final

from services.auth.preflight.check import Asked, Check, Finding, Severity, failed, passed, warned
from services.auth.preflight.endpoints import EndpointTable
from services.auth.preflight.ports import AccountState, BrokerAccess
from services.auth.sessions.session import State, usable
from services.contracts.auth import Broker
from services.contracts.verdict import LONGEST_LIFE
from services.kit.clock import Clock

# At this age a session that renews itself has been trying for a while: renewing begins at two thirds of its life.
SHORT_LIFE: Final = timedelta(minutes=5)
REMEMBERS_DEVICES: Final = frozenset({Broker.ROBINHOOD})


class CredentialValidCheck(Check):
    """A session that the broker no longer takes answers the first order with a 403."""

    check_id = "credential_valid"
    severity = Severity.BLOCK
    remedy = "Log the account in with `sightline auth login`; if the credential was changed, store it anew first."

    def __init__(self, broker: BrokerAccess) -> None:
        self._broker = broker

    async def look(self, asked: Asked) -> Finding:
        found = await self._broker.probe(asked.account)
        if found.valid is None:
            return failed("The broker did not say whether it takes the session.", "Try again when the broker answers.")
        return passed("The broker takes the session.") if found.valid else failed("The broker refuses the session.")


class AccountStatusCheck(Check):
    """A restricted account's orders are rejected, and some restrictions are about fraud."""

    check_id = "account_status"
    severity = Severity.BLOCK
    remedy = "Read the broker's messages and settle the matter there."

    def __init__(self, broker: BrokerAccess) -> None:
        self._broker = broker

    async def look(self, asked: Asked) -> Finding:
        found = await self._broker.probe(asked.account)
        if not found.valid:
            return failed("The account's status cannot be read without a session that the broker takes.")
        if found.restricted:
            return failed("The broker has restricted the account.")
        return passed("The account is active and not restricted.")


class SessionLifetimeCheck(Check):
    """A session must outlive the verdict that speaks for it."""

    check_id = "session_lifetime"
    severity = Severity.BLOCK
    remedy = "Log the account in with `sightline auth login`; if its broker wants a person, do what the login asks for."

    def __init__(self, state: AccountState, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    async def look(self, asked: Asked) -> Finding:
        session = await self._state.session(asked.account.name)
        now = self._clock.now()
        if session.state is State.BLOCKED:
            return failed(
                f"Logins of the account are blocked ({session.block_reason}).",
                "Mend the cause, then allow logins again with `sightline auth unblock`.",
            )
        if not usable(session, now):
            return failed(f"The account is not logged in ({session.state}).")
        if session.expires_at is None:
            return passed("The session does not end by itself.")
        left = session.expires_at - now
        if left <= LONGEST_LIFE:
            return failed(f"The session ends in {left.total_seconds():.0f} s.")
        if left <= SHORT_LIFE:
            return warned(f"The session ends in {left.total_seconds():.0f} s and was not renewed in time.")
        return passed(f"The session lasts until {session.expires_at.isoformat(timespec='seconds')}.")


class DeviceTokenCheck(Check):
    """A broker that meets an unknown device asks for a person, or locks."""

    check_id = "device_token"
    severity = Severity.BLOCK
    remedy = (
        "Store a new device token with `sightline auth add`, then log the account in on this host; the broker asks once"
        " whether to trust the device."
    )

    def __init__(self, state: AccountState, brokers: frozenset[Broker] = REMEMBERS_DEVICES) -> None:
        self._state = state
        self._brokers = brokers

    async def look(self, asked: Asked) -> Finding:
        if asked.account.broker not in self._brokers:
            return passed("The broker does not ask which device logs in.")
        device = await self._state.device(asked.account.name)
        if device is None:
            return failed("No device token is stored.")
        if not device.well_formed:
            return failed("The device token has not the form that the broker gives out.")
        if not device.same_host:
            return failed("The device token was made on another host: the broker would see two devices as one.")
        return passed("The device token is there, well formed and this host's.")


class AttemptBudgetCheck(Check):
    """With no attempt left, a session that is lost stays lost."""

    check_id = "attempt_budget"
    severity = Severity.BLOCK
    remedy = "Find out why so many logins were sent; the budget refills by itself."

    def __init__(self, state: AccountState) -> None:
        self._state = state

    async def look(self, asked: Asked) -> Finding:
        left = await self._state.budget(asked.account.name)
        if left.remaining == 0:
            return failed(f"No login may be sent before {left.allowed_at.isoformat(timespec='seconds')}.")
        if left.remaining == 1:
            return warned("One login is left for now.")
        return passed(f"{left.remaining} logins are left for now.")


class VenueReachableCheck(Check):
    """Orders need an endpoint that answers."""

    check_id = "venue_reachable"
    severity = Severity.BLOCK
    remedy = "Look at the broker's status page and at this host's network."

    def __init__(self, broker: BrokerAccess) -> None:
        self._broker = broker

    async def look(self, asked: Asked) -> Finding:
        status = await self._broker.status(asked.account)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return failed(f"The broker's endpoint answers {status}.")
        return passed("The broker's endpoint answers.")


class EndpointIdentityCheck(Check):
    """Paper orders at a live address cost money; a session at a foreign address is given away."""

    check_id = "endpoint_identity"
    severity = Severity.BLOCK
    remedy = "Register the account with its broker's own address and environment, with `sightline auth add`."

    def __init__(self, endpoints: EndpointTable) -> None:
        self._endpoints = endpoints

    async def look(self, asked: Asked) -> Finding:
        account = asked.account
        if account.environment is not asked.environment:
            return failed(
                f"The account is registered for {account.environment} and {asked.environment} was asked for.",
                "Ask for the account's own environment, or trade another account.",
            )
        if not self._endpoints.allows(account):
            return failed(f"The account's address is none of {account.broker}'s for {account.environment}.")
        return passed(f"The account's address is one of {account.broker}'s for {account.environment}.")
