"""Interactive Brokers through its own gateway on this host.

IBKR reserves the login to a person: once a week, after its sessions end on Sunday at 01:00 in New York, somebody logs
in at the gateway's page and approves on the phone. In between the gateway needs a sign of life every few minutes.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final
from zoneinfo import ZoneInfo

from services.auth.accounts import Account
from services.auth.logins.port import (
    Active,
    LoginPlan,
    LoginStep,
    NeedsApproval,
    PendingLogin,
    ProbeResult,
    Refused,
    Secrets,
    SessionMaterial,
    Unknown,
)
from services.auth.logins.wire import Answer, Wire
from services.auth.secret import OneTimeCode, Secret
from services.contracts.auth import LoginFailure, LoginMethod
from services.kit.clock import Clock

RENEW_EVERY: Final = timedelta(minutes=2)  # the gateway drops a session after five minutes of silence
APPROVAL_TIME: Final = timedelta(minutes=15)
NEW_YORK: Final = "America/New_York"
_SUNDAY: Final = 6
_END_HOUR: Final = 1
_OPEN: Final = "O"
_PLAN: Final = LoginPlan(method=LoginMethod.APPROVAL, needs=frozenset(), needs_person=True)


def week_ends_at(now: datetime) -> datetime:
    """The first Sunday 01:00 in New York after `now`: when every session ends, whatever its age."""
    local = now.astimezone(ZoneInfo(NEW_YORK))
    sunday = local.date() + timedelta(days=(_SUNDAY - local.weekday()) % 7)
    end = datetime(sunday.year, sunday.month, sunday.day, _END_HOUR, tzinfo=local.tzinfo)
    if end <= local:
        later = sunday + timedelta(days=7)
        end = datetime(later.year, later.month, later.day, _END_HOUR, tzinfo=local.tzinfo)
    return end.astimezone(now.tzinfo)


class IbkrLogin:
    """Speaks the Client Portal gateway's interface, version 1. The gateway holds the session; there is no secret."""

    def __init__(self, wire: Wire, clock: Clock) -> None:
        self._wire = wire
        self._clock = clock

    def plan(self, account: Account) -> LoginPlan:  # noqa: ARG002 -- the same for every account
        return _PLAN

    async def begin(self, account: Account, secrets: Secrets) -> LoginStep:  # noqa: ARG002 -- there are none
        now = self._clock.now()
        answer = await self._call(account, "POST", "/iserver/auth/status")
        if isinstance(answer, Answer) and answer.ok and not _authenticated(answer):
            answer = await self._call(account, "POST", "/iserver/auth/ssodh/init", {"publish": True, "compete": True})
        asked = NeedsApproval(
            PendingLogin(account, {}),
            deadline=now + APPROVAL_TIME,
            instruction=f"Log in at the gateway's page {account.base_url} and approve the login on your phone.",
            poll_seconds=10.0,
        )
        return self._judge(account, answer, asked)

    async def answer(self, pending: PendingLogin, code: OneTimeCode | None) -> LoginStep:  # noqa: ARG002 -- takes none
        answer = await self._call(pending.account, "POST", "/iserver/auth/status")
        asked = NeedsApproval(pending, deadline=self._clock.now() + APPROVAL_TIME, instruction="", poll_seconds=10.0)
        if not isinstance(answer, Answer) and not (isinstance(answer, Refused) and answer.wait_seconds):
            return asked  # a question has no effect: it is asked again until the person's time is over
        return self._judge(pending.account, answer, asked)

    async def refresh(self, material: SessionMaterial, secrets: Secrets) -> LoginStep:  # noqa: ARG002 -- there are none
        answer = await self._call(material.account, "POST", "/tickle")
        if not isinstance(answer, Answer):
            return answer
        if answer.ok and answer.at("iserver", "authStatus", "authenticated") is True:
            return Active(material)
        lost = answer.ok or answer.status == HTTPStatus.UNAUTHORIZED
        return Refused(LoginFailure.REFRESH_REFUSED) if lost else Unknown()

    async def probe(self, material: SessionMaterial) -> ProbeResult:
        answer = await self._call(material.account, "GET", "/portfolio/accounts")
        if not isinstance(answer, Answer):
            return ProbeResult(None, wait_seconds=answer.wait_seconds if isinstance(answer, Refused) else None)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            return ProbeResult(valid=False)
        if not answer.ok or not isinstance(answer.body, list):
            return ProbeResult(valid=None)
        states = {str(entry.get("clearingStatus", "")) for entry in answer.body if isinstance(entry, Mapping)}
        return ProbeResult(valid=True, status=",".join(sorted(states))[:40], restricted=_OPEN not in states)

    def headers(self, material: SessionMaterial) -> Mapping[str, str]:  # noqa: ARG002 -- the gateway holds the session
        return {}

    def _judge(self, account: Account, answer: Answer | Refused | Unknown, asked: NeedsApproval) -> LoginStep:
        if not isinstance(answer, Answer):
            return answer
        if answer.ok and _authenticated(answer):
            until = week_ends_at(self._clock.now())
            return Active(SessionMaterial(account, Secret("held by the gateway"), until, until, RENEW_EVERY))
        if answer.ok and answer.text("fail"):
            return Refused(LoginFailure.APPROVAL_DENIED)
        # 401: nobody is logged in at the gateway. That is what the person is asked to change.
        return asked if answer.ok or answer.status == HTTPStatus.UNAUTHORIZED else Unknown()

    async def _call(
        self, account: Account, method: str, path: str, body: Mapping[str, bool] | None = None
    ) -> Answer | Refused | Unknown:
        return await self._wire.send(method, f"{account.base_url}/v1/api{path}", body=body)


def _authenticated(answer: Answer) -> bool:
    return answer.at("authenticated") is True and answer.at("connected") is not False
