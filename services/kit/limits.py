"""Rate limits: how often a caller may use a route, counted across restarts and processes."""

import asyncio
import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from fastapi.routing import iter_route_contexts
from limits import RateLimitItem, parse
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from services.kit.authentication import CALLER_KEY
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.errors import RequestRefusedError
from services.kit.guards import dependencies_of
from services.kit.identity import Caller
from services.kit.limit_storage import DatabaseLimitStorage
from telemetry.catalogue import RATE_LIMIT_HITS
from telemetry.emit.metrics import Metrics

_MAX_KEY_CHARACTERS: Final = 100
LimitKey = Callable[[Request], str]


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a limit.

    Attributes:
        allowed: Whether this call may go on.
        limit: Calls per window.
        window_seconds: Length of the window.
        remaining: Calls that are left now.
        retry_after_seconds: How long until another call would be let in; 0 while calls are left.
    """

    allowed: bool
    limit: int
    window_seconds: int
    remaining: int
    retry_after_seconds: int


class TooManyRequestsError(RequestRefusedError):
    """The limit named `name` is used up for this caller."""

    status_code = HTTPStatus.TOO_MANY_REQUESTS
    code = "rate_limited"
    title = "Too many requests"
    reason = "rate_limited"

    def __init__(self, name: str, allowance: Allowance) -> None:
        super().__init__(
            f"At most {allowance.limit} calls in {allowance.window_seconds} s are allowed here; "
            f"try again in {allowance.retry_after_seconds} s."
        )
        self._name = name
        self._allowance = allowance

    @property
    def headers(self) -> Mapping[str, str]:
        retry_after = {"retry-after": str(self._allowance.retry_after_seconds)}
        return limit_headers(self._name, self._allowance) | retry_after


class RateLimiter:
    """Counts calls in the service's database, in sliding windows."""

    def __init__(self, database: Database, clock: Clock, metrics: Metrics) -> None:
        self._storage = DatabaseLimitStorage(database, clock)
        self._strategy = SlidingWindowCounterRateLimiter(self._storage)
        self._clock = clock
        self._metrics = metrics

    def declare(self, names: Iterable[str]) -> None:
        """Make the names of limits known to the metrics."""
        self._metrics.declare(RATE_LIMIT_HITS, "limit", names)

    def hit(self, name: str, item: RateLimitItem, key: str) -> Allowance:
        """Count one call. Writes to the database: call it off the event loop."""
        short = key if len(key) <= _MAX_KEY_CHARACTERS else hashlib.sha256(key.encode()).hexdigest()
        allowed = self._strategy.hit(item, name, short)
        self._metrics.counter(RATE_LIMIT_HITS, limit=name, outcome="allowed" if allowed else "limited").inc()
        return self._allowance(item, item.key_for(name, short), allowed=allowed)

    def _allowance(self, item: RateLimitItem, key: str, *, allowed: bool) -> Allowance:
        window = item.get_expiry()
        previous, _, current, _ = self._storage.get_sliding_window(key, window)
        elapsed = self._clock.now().timestamp() % window
        used = math.floor(previous * (window - elapsed) / window) + current
        remaining = max(0, item.amount - used)
        # The next whole second after that moment: at the moment itself the limit is still just used up.
        wait = 0 if remaining else math.floor(_wait_seconds(item.amount, window, elapsed, previous, current)) + 1
        return Allowance(allowed, item.amount, window, remaining, wait)


class RateLimit:
    """See `rate_limit`."""

    def __init__(self, name: str, limit: str, key: LimitKey) -> None:
        self.name = name
        self.item = parse(limit)
        self.key = key

    async def __call__(self, request: Request, response: Response) -> None:
        limiter: RateLimiter = request.app.state.limiter
        allowance = await asyncio.to_thread(limiter.hit, self.name, self.item, self.key(request))
        if not allowance.allowed:
            raise TooManyRequestsError(self.name, allowance)
        response.headers.update(limit_headers(self.name, allowance))


def caller_key(request: Request) -> str:
    """Counts each caller by itself; requests to open paths count together."""
    caller = request.scope.get(CALLER_KEY)
    return str(caller.name) if isinstance(caller, Caller) else "anyone"


def rate_limit(name: str, limit: str, key: LimitKey = caller_key) -> RateLimit:
    """A dependency that lets in so many calls: `Depends(rate_limit("proposals", "10/minute"))`.

    Args:
        name: Names the limit in metrics and headers; lower case with underscores.
        limit: As the `limits` library writes it: "10/minute", "5 per 30 seconds".
        key: What is counted by itself; the caller by default.

    Raises:
        ValueError: The limit cannot be read.
    """
    return RateLimit(name, limit, key)


def limits_of(routes: Iterable[BaseRoute]) -> frozenset[str]:
    """The names of all limits that routes declare."""
    return frozenset(
        limit.name
        for context in iter_route_contexts(list(routes))
        for limit in dependencies_of(getattr(context, "dependant", None), RateLimit)
    )


def limit_headers(name: str, allowance: Allowance) -> dict[str, str]:
    """RateLimit and RateLimit-Policy as in the IETF draft "RateLimit header fields for HTTP"."""
    return {
        "ratelimit-policy": f'"{name}";q={allowance.limit};w={allowance.window_seconds}',
        "ratelimit": f'"{name}";r={allowance.remaining};t={allowance.retry_after_seconds}',
    }


def _wait_seconds(limit: int, window: int, elapsed: float, previous: int, current: int) -> float:
    """Seconds until floor(previous * rest / window) + current is below the limit, if nobody calls meanwhile."""
    if current < limit:
        # The previous window's weight has to fall below what is left in this one.
        return window - elapsed - window * (limit - current) / max(previous, 1)
    # This window is full: it has to become the previous one and to fade.
    return window - elapsed + window * (1 - limit / current)
