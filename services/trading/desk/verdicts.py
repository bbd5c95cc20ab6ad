"""Keeps auth's word on every venue's account at hand, renewed well before it ends and checked here."""

import base64
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.contracts.auth import AccountId
from services.contracts.auth_views import VerdictKeys
from services.contracts.orders import VenueName
from services.contracts.preflight import PreflightView
from services.contracts.verdict import (
    Environment,
    SettingsDigest,
    Verdict,
    VerdictError,
    VerdictForgedError,
    VerdictVerifier,
)
from services.kit.clock import Clock
from services.kit.errors import SightlineError
from services.trading.desk.keeping import keeping
from services.trading.desk.views import VerdictStanding, VerdictState

_SHARE_OF_LIFE: Final = 0.5
_SHORTEST_PAUSE_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = 5.0  # auth is away or says no: a preflight costs the broker one read
_NOT_ASKED = VerdictStanding(VerdictState.MISSING, "auth has not been asked for a preflight yet")

_log = logging.getLogger("services.trading.desk.verdicts")


class Vouching(Protocol):
    """What of auth is needed here; `services.clients.auth.AuthClient` has it."""

    async def preflight(
        self, account: AccountId, environment: Environment, settings_digest: SettingsDigest
    ) -> PreflightView: ...

    async def verdict_keys(self) -> VerdictKeys: ...


@dataclass(frozen=True, slots=True)
class Vouched:
    """What is to be vouched for: an account, and which money it moves."""

    account: AccountId
    environment: Environment


@dataclass(frozen=True, slots=True)
class _Word:
    """What auth said last: a verdict that was found right, or why there is none."""

    verdict: Verdict | None
    standing: VerdictStanding


class VerdictKeeper:
    """Asks for a preflight of each account at half the life of its verdict. `standing` may be called from any thread.

    A revocation is noticed when auth is asked next: at most half a verdict's life later, so within a minute.

    Args:
        auth: Makes preflights and publishes its keys.
        accounts: What each venue needs vouched for.
        digest: Digest of the settings in force; a verdict about others does not count.
        clock: Says what has run out.
    """

    def __init__(
        self,
        auth: Vouching,
        accounts: Mapping[VenueName, Vouched],
        digest: Callable[[], SettingsDigest],
        clock: Clock,
    ) -> None:
        self._auth = auth
        self._accounts = dict(accounts)
        self._digest = digest
        self._clock = clock
        self._verifier = VerdictVerifier({})
        self._words: dict[VenueName, _Word] = {}
        self._away: set[VenueName] = set()

    def standing(self, venue: VenueName) -> VerdictStanding:
        """How the verdict about a venue's account stands now."""
        word = self._words.get(venue)
        if word is None:
            return _NOT_ASKED
        if word.verdict is None:
            return word.standing
        return self._at(word.verdict, word.standing, self._clock.now())

    async def renew(self, venue: VenueName) -> float:
        """Ask auth once; returns after how many seconds to ask again. What is away leaves the last word in force."""
        vouched = self._accounts[venue]
        try:
            told = await self._auth.preflight(vouched.account, vouched.environment, self._digest())
            word = await self._word(vouched, told)
        except (SightlineError, ValueError) as error:
            self._note_away(venue, error)
            return _AGAIN_SECONDS
        self._away.discard(venue)
        self._words[venue] = word
        if word.verdict is None:
            return _AGAIN_SECONDS
        left_seconds = (word.verdict.expires_at - self._clock.now()).total_seconds()
        return max(_SHORTEST_PAUSE_SECONDS, left_seconds * _SHARE_OF_LIFE)

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        """Renew every verdict in time, as long as the block runs."""
        async with keeping([partial(self.renew, venue) for venue in self._accounts]):
            yield

    async def _word(self, vouched: Vouched, told: PreflightView) -> _Word:
        if told.verdict is None:
            failed = ", ".join(check.check_id for check in told.checks if check.outcome == "fail")
            why = f"preflight failed at {failed}; `sightline preflight {vouched.account}` says what to do"
            return _Word(None, VerdictStanding(VerdictState.MISSING, why))
        try:
            verdict = await self._verified(vouched, told.verdict)
        except VerdictError as error:
            return _Word(None, VerdictStanding(VerdictState.INVALID, str(error)))
        return _Word(verdict, VerdictStanding(VerdictState.VALID, expires_at=verdict.expires_at))

    async def _verified(self, vouched: Vouched, token: str) -> Verdict:
        try:
            return self._verify(vouched, token)
        except VerdictForgedError:
            # Auth may have a new key since we asked for its keys, and at the start we have none.
            self._verifier = VerdictVerifier(_public_keys(await self._auth.verdict_keys()))
            return self._verify(vouched, token)

    def _verify(self, vouched: Vouched, token: str) -> Verdict:
        return self._verifier.verify(
            token,
            account=vouched.account,
            environment=vouched.environment,
            settings_digest=self._digest(),
            now=self._clock.now(),
        )

    def _at(self, verdict: Verdict, standing: VerdictStanding, now: datetime) -> VerdictStanding:
        if now >= verdict.expires_at:
            why = "the verdict has run out and auth gave no new one; `sightline preflight` says why"
            return VerdictStanding(VerdictState.EXPIRED, why, verdict.expires_at)
        if verdict.settings_digest != self._digest():
            why = "the trading settings have changed since the verdict; a new one is being asked for"
            return VerdictStanding(VerdictState.INVALID, why, verdict.expires_at)
        return standing

    def _note_away(self, venue: VenueName, error: Exception) -> None:
        if venue not in self._away:  # said once, not at every turn; what it leads to has an alert
            _log.warning("no new verdict for %s: %s", venue, error)
        self._away.add(venue)
        if venue not in self._words:
            self._words[venue] = _Word(None, VerdictStanding(VerdictState.MISSING, f"auth gives none: {error}"))


def _public_keys(published: VerdictKeys) -> dict[str, Ed25519PublicKey]:
    """Raises ValueError for what is no key."""
    return {key_id: Ed25519PublicKey.from_public_bytes(_decoded(text)) for key_id, text in published.keys.items()}


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
