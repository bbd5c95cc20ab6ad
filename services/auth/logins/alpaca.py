"""Alpaca: a key pair in two headers. There is no session; an account read shows whether the keys are good."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from services.auth.accounts import Account
from services.auth.logins.port import (
    Active,
    LoginPlan,
    LoginStep,
    PendingLogin,
    ProbeResult,
    Refused,
    Secrets,
    SessionMaterial,
    Unknown,
)
from services.auth.logins.wire import Answer, Wire
from services.auth.secret import OneTimeCode
from services.contracts.auth import CredentialKind, LoginFailure, LoginMethod

_KEYS: Final = CredentialKind.API_KEY
_ACTIVE: Final = "ACTIVE"
_PLAN: Final = LoginPlan(method=LoginMethod.KEY_PAIR, needs=frozenset({_KEYS}), kept_as=_KEYS)


class AlpacaLogin:
    """Speaks Alpaca's trading API, version 2. The stored API key reads "KEY_ID:SECRET_KEY"."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def plan(self, account: Account) -> LoginPlan:  # noqa: ARG002 -- the same for every account
        return _PLAN

    async def begin(self, account: Account, secrets: Secrets) -> LoginStep:
        material = SessionMaterial(account, secrets[_KEYS])
        answer = await self._read_account(material)
        if not isinstance(answer, Answer):
            return answer
        if answer.ok:
            return Active(material)
        # Wrong keys are 401 or 403, depending on whether the key id is known.
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return Refused(LoginFailure.PASSWORD_REFUSED)
        return Unknown()

    async def answer(self, pending: PendingLogin, code: OneTimeCode | None) -> LoginStep:  # noqa: ARG002 -- asks for none
        return Unknown()

    async def refresh(self, material: SessionMaterial, secrets: Secrets) -> LoginStep:  # noqa: ARG002 -- nothing to renew
        return Active(material)

    async def probe(self, material: SessionMaterial) -> ProbeResult:
        answer = await self._read_account(material)
        if isinstance(answer, Refused):
            return ProbeResult(None, wait_seconds=answer.wait_seconds)
        if isinstance(answer, Unknown):
            return ProbeResult(None)
        if not answer.ok:
            return ProbeResult(False if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} else None)
        status = answer.text("status")
        blocked = answer.at("account_blocked") is True or answer.at("trading_blocked") is True
        return ProbeResult(valid=True, status=status, restricted=blocked or status != _ACTIVE)

    def headers(self, material: SessionMaterial) -> Mapping[str, str]:
        key_id, _, secret_key = material.secret.use(lambda text: text.partition(":"))
        return {"APCA-API-KEY-ID": key_id, "APCA-API-SECRET-KEY": secret_key}

    async def _read_account(self, material: SessionMaterial) -> Answer | Refused | Unknown:
        url = f"{material.account.base_url}/v2/account"
        return await self._wire.send("GET", url, headers=self.headers(material))
