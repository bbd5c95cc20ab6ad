"""Robinhood: password, device token, and a second factor by authenticator, text message or approval on the phone.

Robinhood publishes no interface for its users' programs; this follows what its own web client does. For research: the
customer agreement may reserve it to that client, and a change there breaks this without notice.
"""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Final

from services.auth.accounts import Account, MfaMethod
from services.auth.logins.port import (
    Active,
    LoginPlan,
    LoginStep,
    NeedsApproval,
    NeedsSms,
    NeedsTotp,
    PendingLogin,
    ProbeResult,
    Refused,
    Secrets,
    SessionMaterial,
    Unknown,
)
from services.auth.logins.tokens import bearer, material_of, refresh_token
from services.auth.logins.wire import Answer, Wire
from services.auth.secret import OneTimeCode, Secret
from services.contracts.auth import CredentialKind, LoginFailure, LoginMethod
from services.kit.clock import Clock
from services.kit.ids import Randomness

SESSION_LIFE: Final = timedelta(days=1)
APPROVAL_TIME: Final = timedelta(minutes=2)
# The id of Robinhood's own web client, the same for everybody; `client_id` in the account's data replaces it.
_CLIENT_ID: Final = "c82SH0WZOsabOXGP2sxqcj34FxkvfnWRZBKlBjFS"
_DENIED: Final = frozenset({"denied", "rejected", "redeemed", "failed"})
_VALIDATED: Final = "validated"
_METHODS: Final[Mapping[MfaMethod, LoginMethod]] = {
    MfaMethod.TOTP: LoginMethod.TOTP,
    MfaMethod.SMS: LoginMethod.SMS,
    MfaMethod.APPROVAL: LoginMethod.APPROVAL,
    MfaMethod.NONE: LoginMethod.APPROVAL,  # what Robinhood asks for from a device that it does not know
}
_APPROVED: Final = "workflow_status_approved"


class RobinhoodLogin:
    """Speaks the login of Robinhood's web client. The account's data holds `username`."""

    def __init__(self, wire: Wire, clock: Clock, randomness: Randomness) -> None:
        self._wire = wire
        self._clock = clock
        self._randomness = randomness

    def plan(self, account: Account) -> LoginPlan:
        return LoginPlan(
            method=_METHODS[account.mfa],
            needs=frozenset({CredentialKind.PASSWORD}),
            makes={CredentialKind.DEVICE_TOKEN: self._new_device_token},
        )

    async def begin(self, account: Account, secrets: Secrets) -> LoginStep:
        memory = {
            "password": secrets[CredentialKind.PASSWORD],
            "device": secrets[CredentialKind.DEVICE_TOKEN],
            "request": Secret(self._uuid()),
        }
        pending = PendingLogin(account, memory)
        answer = await self._ask_for_tokens(pending)
        if isinstance(answer, Answer) and answer.text("verification_workflow", "id"):
            return await self._verification(pending, answer.text("verification_workflow", "id"))
        if isinstance(answer, Answer) and answer.at("mfa_required") is True:
            by_app = answer.text("mfa_type") == "app"
            return NeedsTotp(pending) if by_app else NeedsSms(pending, answer.text("phone_number")[-4:])
        return self._tokens(account, answer, LoginFailure.PASSWORD_REFUSED)

    async def answer(self, pending: PendingLogin, code: OneTimeCode | None) -> LoginStep:
        if "challenge" not in pending.memory:
            answer = await self._ask_for_tokens(pending, code)
            asked_again = isinstance(answer, Answer) and answer.at("mfa_required") is True
            refused = Refused(LoginFailure.CODE_REFUSED)
            return refused if asked_again else self._tokens(pending.account, answer, refused.reason)
        verdict = await (self._prompt_status(pending) if code is None else self._respond(pending, code))
        return await self._continue(pending) if verdict is None else verdict

    async def refresh(self, material: SessionMaterial, secrets: Secrets) -> LoginStep:
        device = secrets[CredentialKind.DEVICE_TOKEN]
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token(material), **_common(material.account)}
        form["device_token"] = device.use(str)
        answer = await self._wire.send("POST", f"{material.account.base_url}/oauth2/token/", form=form)
        return self._tokens(material.account, answer, LoginFailure.REFRESH_REFUSED)

    async def probe(self, material: SessionMaterial) -> ProbeResult:
        answer = await self._wire.send("GET", f"{material.account.base_url}/accounts/", headers=bearer(material))
        if not isinstance(answer, Answer):
            return ProbeResult(None, wait_seconds=answer.wait_seconds if isinstance(answer, Refused) else None)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            return ProbeResult(valid=False)
        results = answer.at("results")
        first = results[0] if answer.ok and isinstance(results, list) and results else None
        if not isinstance(first, Mapping):
            return ProbeResult(valid=None)
        status = str(first.get("state", ""))[:40]
        closing_only = first.get("deactivated") is True or first.get("only_position_closing_trades") is True
        return ProbeResult(valid=True, status=status, restricted=closing_only or status != "active")

    def headers(self, material: SessionMaterial) -> Mapping[str, str]:
        return bearer(material)

    async def _ask_for_tokens(
        self, pending: PendingLogin, code: OneTimeCode | None = None
    ) -> Answer | Refused | Unknown:
        form = {
            "grant_type": "password",
            "username": pending.account.data.get("username", ""),
            "password": pending.memory["password"].use(str),
            "device_token": pending.memory["device"].use(str),
            "request_id": pending.memory["request"].use(str),
            "token_request_path": "/login",
            "try_passkeys": "false",
            "create_read_only_secondary_token": "true",
            **_common(pending.account),
        }
        if code is not None:
            form["mfa_code"] = code.reveal()
        return await self._wire.send("POST", f"{pending.account.base_url}/oauth2/token/", form=form)

    async def _verification(self, pending: PendingLogin, workflow: str) -> LoginStep:
        """Find out how this device has to be verified: on the phone, or by a code in a text message."""
        device = pending.memory["device"].use(str)
        body = {"device_id": device, "flow": "suv", "input": {"workflow_id": workflow}}
        base = pending.account.base_url
        machine = await self._wire.send("POST", f"{base}/pathfinder/user_machine/", body=body)
        if not (isinstance(machine, Answer) and machine.ok and machine.text("id")):
            return Unknown() if isinstance(machine, Answer) else machine
        view = await self._wire.send("GET", _view_url(pending.account, machine.text("id")))
        if not (isinstance(view, Answer) and view.ok):
            return Unknown() if isinstance(view, Answer) else view
        place: tuple[str, ...] = ("context", "sheriff_challenge")
        if view.at(*place) is None:
            place = ("type_context", *place)
        kind, challenge = view.text(*place, "type"), view.text(*place, "id")
        memory = {**pending.memory, "challenge": Secret(challenge), "machine": Secret(machine.text("id"))}
        going_on = PendingLogin(pending.account, memory)
        if kind == "sms" and challenge:
            return NeedsSms(going_on)
        return self._asked(going_on) if kind == "prompt" and challenge else Unknown()

    async def _prompt_status(self, pending: PendingLogin) -> LoginStep | None:
        challenge = pending.memory["challenge"].use(_as_path)
        answer = await self._wire.send("GET", f"{pending.account.base_url}/push/{challenge}/get_prompts_status/")
        if not isinstance(answer, Answer):
            # Asking has no effect: ask again until the deadline.
            return answer if isinstance(answer, Refused) and answer.wait_seconds else self._asked(pending)
        status = answer.text("challenge_status")
        if status == _VALIDATED:
            return None
        if status in _DENIED:
            return Refused(LoginFailure.APPROVAL_DENIED)
        return Refused(LoginFailure.APPROVAL_TIMED_OUT) if status == "expired" else self._asked(pending)

    async def _respond(self, pending: PendingLogin, code: OneTimeCode) -> LoginStep | None:
        challenge = pending.memory["challenge"].use(_as_path)
        url = f"{pending.account.base_url}/challenge/{challenge}/respond/"
        answer = await self._wire.send("POST", url, form={"response": code.reveal()})
        if not isinstance(answer, Answer):
            return answer
        return None if answer.ok and answer.text("status") == _VALIDATED else Refused(LoginFailure.CODE_REFUSED)

    async def _continue(self, pending: PendingLogin) -> LoginStep:
        """The device is verified: close the workflow and ask for tokens again."""
        url = _view_url(pending.account, pending.memory["machine"].use(str))
        closed = await self._wire.send("POST", url, body={"sequence": 0, "user_input": {"status": "continue"}})
        if not isinstance(closed, Answer):
            return closed
        if closed.text("type_context", "result") != _APPROVED:
            return Unknown()
        answer = await self._ask_for_tokens(pending)
        return self._tokens(pending.account, answer, LoginFailure.PASSWORD_REFUSED)

    def _asked(self, pending: PendingLogin) -> NeedsApproval:
        instruction = "Approve the login in the Robinhood app on your phone."
        return NeedsApproval(pending, self._clock.now() + APPROVAL_TIME, instruction)

    def _tokens(self, account: Account, answer: Answer | Refused | Unknown, refusal: LoginFailure) -> LoginStep:
        if not isinstance(answer, Answer):
            return answer
        if answer.ok:
            now = self._clock.now()
            material = material_of(account, answer, now, usual_life=SESSION_LIFE, renewable_until=None)
            return Unknown() if material is None else Active(material)
        if answer.refused:
            return Refused(refusal)
        return Refused(LoginFailure.ACCOUNT_RESTRICTED) if answer.status == HTTPStatus.FORBIDDEN else Unknown()

    def _new_device_token(self) -> Secret:
        return Secret(self._uuid())

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._randomness.bits(128), version=4))


def _common(account: Account) -> dict[str, str]:
    life = int(SESSION_LIFE.total_seconds())
    return {"client_id": account.data.get("client_id", _CLIENT_ID), "scope": "internal", "expires_in": str(life)}


def _view_url(account: Account, machine: str) -> str:
    return f"{account.base_url}/pathfinder/inquiries/{_as_path(machine)}/user_view/"


def _as_path(text: str) -> str:
    """An id that the broker gave, if it can stand in a path; it must not lead a request somewhere else."""
    return text if text.replace("-", "").replace("_", "").isalnum() else "unusable"
