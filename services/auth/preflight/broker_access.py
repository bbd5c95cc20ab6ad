"""What an account's broker says, asked without changing anything there and only at an address that is its own."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

import httpx

from services.auth.accounts import Account
from services.auth.errors import AuthError
from services.auth.logins.port import ProbeResult
from services.auth.preflight.endpoints import EndpointTable
from services.auth.totp.clock_offset import ClockOffset, DateSample, estimate
from services.auth.totp.date_source import sample_of
from services.contracts.auth import AccountId, Broker
from services.kit.clock import Clock

LONGEST_CALL_SECONDS: Final = 2.0

Probe = Callable[[AccountId], Awaitable[ProbeResult]]


class VenueAwayError(AuthError):
    """The broker's endpoint cannot be reached."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    code = "venue_away"
    title = "The broker's endpoint does not answer"

    def __init__(self) -> None:
        super().__init__("Look at the broker's status page and at this host's network.")


@dataclass(frozen=True, slots=True)
class _Heard:
    status: int
    sample: DateSample | None


class LiveBroker:
    """Asks brokers over the network. Checks that want the same at the same time share one call.

    Args:
        client: Follows no redirects and trusts no proxy of the environment; the caller's to close.
        endpoints: Nothing is sent to an address that it does not allow.
        probe: Makes a read-only call with the account's session; the session keeper does.
        clock: Against which the broker's clock is held.
        own_clients: Of brokers that need another client, such as one that trusts a gateway's certificate.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        endpoints: EndpointTable,
        probe: Probe,
        clock: Clock,
        *,
        own_clients: Mapping[Broker, httpx.AsyncClient] = MappingProxyType({}),
    ) -> None:
        self._client = client
        self._own_clients = own_clients
        self._endpoints = endpoints
        self._probe = probe
        self._clock = clock
        self._under_way: dict[tuple[str, AccountId], asyncio.Task[Any]] = {}

    async def probe(self, account: Account) -> ProbeResult:
        self._endpoints.require(account)
        found: ProbeResult = await self._shared("probe", account.name, lambda: self._probe(account.name))
        return found

    async def clock_offset(self, account: Account) -> ClockOffset:
        heard = await self._hear(account)
        return estimate([] if heard.sample is None else [heard.sample])

    async def status(self, account: Account) -> int:
        return (await self._hear(account)).status

    async def _hear(self, account: Account) -> _Heard:
        self._endpoints.require(account)
        heard: _Heard = await self._shared("head", account.name, lambda: self._ask(account))
        return heard

    async def _ask(self, account: Account) -> _Heard:
        client = self._own_clients.get(account.broker, self._client)
        sent_at, started = self._clock.now().timestamp(), self._clock.monotonic()
        try:
            answer = await client.head(account.base_url, headers={"cache-control": "no-cache"})
        except httpx.HTTPError:
            # Not chained: the text of a transport's error is nobody's business.
            raise VenueAwayError from None
        elapsed, received_at = self._clock.monotonic() - started, self._clock.now().timestamp()
        sample = sample_of(answer, sent_at=sent_at, received_at=received_at, elapsed_seconds=elapsed)
        return _Heard(answer.status_code, sample)

    async def _shared(self, what: str, account: AccountId, call: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 -- what `call` gives
        key = (what, account)
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(_in_time(call))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        # One of those who wait may be given up without the others losing the answer.
        return await asyncio.shield(task)

    def _forget(self, key: tuple[str, AccountId], done: asyncio.Task[Any]) -> None:
        del self._under_way[key]
        if not done.cancelled():
            done.exception()  # seen, also when nobody waits for it any more


async def _in_time(call: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 -- what `call` gives
    try:
        async with asyncio.timeout(LONGEST_CALL_SECONDS):
            return await call()
    except TimeoutError:
        raise VenueAwayError from None
