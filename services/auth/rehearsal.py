"""Leads the planted secrets along the way that real ones take: vault, login adapter, request, answer, headers.

Whatever lets a secret out on that way, such as a line left in from looking for a fault or a library that logs what it
sends, then lets out one that preflight looks for. In the broker's place stands a transport that sends nothing.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import httpx

from services.auth.accounts import Account, Accounts
from services.auth.canaries import Canaries
from services.auth.logins.port import Active, BrokerLogin, LoginStep, NeedsApproval, NeedsSms, NeedsTotp, Secrets
from services.auth.secret import OneTimeCode, Secret
from services.auth.transactions import Readings
from services.auth.vault.vault import Vault
from services.contracts.auth import Broker, CredentialKind

# Preflight looks back fifteen minutes: one rehearsal at least is always in sight.
EVERY_SECONDS: Final = 600.0
_NOWHERE: Final = "https://rehearsal.invalid"

Logins = Callable[[httpx.AsyncClient], Mapping[Broker, BrokerLogin]]


class Rehearsal:
    """Plants what is missing and plays every account's login.

    Args:
        canaries: The planted secrets.
        vault: Nothing is played while it is sealed.
        accounts: Whose logins are played.
        readings: Where they are registered.
        logins: The brokers' adapters, over the client that they are given.
    """

    def __init__(
        self, canaries: Canaries, vault: Vault, accounts: Accounts, readings: Readings, logins: Logins
    ) -> None:
        self._canaries = canaries
        self._vault = vault
        self._accounts = accounts
        self._readings = readings
        self._logins = logins

    def look(self) -> None:
        """Play every login once. Blocks; for a thread without an event loop."""
        if self._vault.sealed:
            return
        self._canaries.plant()
        planted = set(self._canaries.accounts())
        with self._readings.reading() as connection:
            accounts = [account for account in self._accounts.all(connection) if account.name in planted]
        for account in accounts:
            asyncio.run(self._play(replace(account, base_url=_NOWHERE), self._canaries.open(account.name)))

    async def _play(self, account: Account, canary: Secret) -> None:
        async with httpx.AsyncClient(transport=_InTheBrokersPlace(canary), trust_env=False) as client:
            login = self._logins(client)[account.broker]
            secrets = _in_the_place_of(login, account, canary)
            step = await login.begin(account, secrets)
            if isinstance(step, NeedsApproval | NeedsSms | NeedsTotp):
                step = await login.answer(step.pending, canary.use(OneTimeCode))
            await _use(login, step, secrets)


async def _use(login: BrokerLogin, step: LoginStep, secrets: Secrets) -> None:
    if isinstance(step, Active):
        await login.refresh(step.material, secrets)
        await login.probe(step.material)
        login.headers(step.material)


def _in_the_place_of(login: BrokerLogin, account: Account, canary: Secret) -> dict[CredentialKind, Secret]:
    plan = login.plan(account)
    # An API key may be a pair of id and secret: the secret is the planted one.
    key = canary.use(lambda text: Secret(f"rehearsal:{text}"))
    kinds = plan.needs | plan.uses | set(plan.makes)
    return {kind: key if kind is CredentialKind.API_KEY else canary for kind in kinds}


class _InTheBrokersPlace(httpx.AsyncBaseTransport):
    """Sends nothing, and hands the planted secret out as brokers hand out tokens."""

    def __init__(self, canary: Secret) -> None:
        self._canary = canary

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        tokens = self._canary.use(lambda text: {"access_token": text, "refresh_token": text})
        return httpx.Response(200, content=json.dumps({**tokens, "expires_in": 600}), request=request)
