"""Keeps a lease on every venue's session: the headers that calls carry, in memory and nowhere else."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, Protocol

from services.contracts.auth import AccountId
from services.contracts.orders import VenueName
from services.contracts.sessions import LeaseGrant
from services.kit.clock import Clock
from services.kit.errors import SightlineError
from services.trading.desk.keeping import keeping
from services.trading.desk.views import LeaseStanding

_SHARE_OF_LIFE: Final = 0.5
_SHORTEST_PAUSE_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = 2.0

_log = logging.getLogger("services.trading.desk.leases")


class Leasing(Protocol):
    """What of auth is needed here; `services.clients.auth.AuthClient` has it."""

    async def lease(self, account: AccountId) -> LeaseGrant: ...


class LeaseKeeper:
    """Takes a new lease at half the life of the last. `headers` and `standing` may be called from any thread.

    The last lease stays in use after its end: whether a session still carries a cancel is for the venue to say, and
    with auth away it is the only way to get out of a position. New exposure needs a lease that has not run out.

    Args:
        auth: Gives the leases.
        accounts: The account of each venue.
        clock: Says what has run out.
    """

    def __init__(self, auth: Leasing, accounts: Mapping[VenueName, AccountId], clock: Clock) -> None:
        self._auth = auth
        self._accounts = dict(accounts)
        self._clock = clock
        self._grants: dict[VenueName, LeaseGrant] = {}
        self._problems: dict[VenueName, str] = {}

    def headers(self, venue: VenueName) -> Mapping[str, str] | None:
        """The headers of the last lease, also when it has run out; None before the first. Not for any log."""
        grant = self._grants.get(venue)
        return None if grant is None else grant.headers

    def standing(self, venue: VenueName) -> LeaseStanding:
        """How the lease stands now; tells nothing secret."""
        grant = self._grants.get(venue)
        problem = self._problems.get(venue, "")
        if grant is None:
            return LeaseStanding(held=False, detail=problem or "auth has not been asked for a session yet")
        if self._clock.now() >= grant.expires_at:
            return LeaseStanding(held=False, detail=f"the session's lease has run out. {problem}".rstrip())
        return LeaseStanding(held=True, expires_at=grant.expires_at)

    async def renew(self, venue: VenueName) -> float:
        """Ask auth once; returns after how many seconds to ask again."""
        try:
            grant = await self._auth.lease(self._accounts[venue])
        except (SightlineError, ValueError) as error:
            self._note(venue, str(error) if isinstance(error, SightlineError) else "auth's answer is not a lease")
            return _AGAIN_SECONDS
        self._problems.pop(venue, None)
        self._grants[venue] = grant
        left_seconds = (grant.expires_at - self._clock.now()).total_seconds()
        return max(_SHORTEST_PAUSE_SECONDS, left_seconds * _SHARE_OF_LIFE)

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        """Renew every lease in time, as long as the block runs."""
        async with keeping([partial(self.renew, venue) for venue in self._accounts]):
            yield

    def _note(self, venue: VenueName, problem: str) -> None:
        if venue not in self._problems:  # said once, not at every turn; what it leads to has an alert
            _log.warning("no new session for %s: %s", venue, problem)
        self._problems[venue] = problem
