"""Asks servers on the internet what time they think it is."""

from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from services.auth.totp.clock_offset import LONGEST_ROUND_TRIP_SECONDS, DateSample
from services.kit.clock import Clock

_LONGEST_DATE: Final = 64  # characters


class HttpDates:
    """Reads the Date header of each address's answer, whatever the answer is otherwise.

    Use HTTPS addresses of several operators, the brokers' own among them: theirs is the clock that judges codes. The
    client should not follow redirects; it is the caller's to close.
    """

    def __init__(self, client: httpx.Client, urls: Sequence[str], clock: Clock) -> None:
        self._client = client
        self._urls = tuple(urls)
        self._clock = clock

    def samples(self) -> list[DateSample]:
        """One sample for each address that answered in time with a Date; the others are left out."""
        asked = (self._ask(url) for url in self._urls)
        return [sample for sample in asked if sample is not None]

    def _ask(self, url: str) -> DateSample | None:
        sent_at, started = self._clock.now().timestamp(), self._clock.monotonic()
        try:
            # HEAD may be answered from a cache with an old Date; so may GET, but not when it is told not to.
            answer = self._client.head(url, headers={"cache-control": "no-cache"}, timeout=LONGEST_ROUND_TRIP_SECONDS)
        except httpx.HTTPError:
            return None  # away: one voice fewer, which `ClockOffset.answers` shows
        elapsed, received_at = self._clock.monotonic() - started, self._clock.now().timestamp()
        return sample_of(answer, sent_at=sent_at, received_at=received_at, elapsed_seconds=elapsed)


def sample_of(
    answer: httpx.Response, *, sent_at: float, received_at: float, elapsed_seconds: float
) -> DateSample | None:
    """What an answer tells of its server's clock; None when it tells nothing."""
    if "age" in answer.headers:
        return None  # a cache's answer tells when it was stored
    date = _unix_seconds(answer.headers.get("date", ""))
    return None if date is None else DateSample(date, sent_at, received_at, elapsed_seconds)


def _unix_seconds(header: str) -> int | None:
    try:
        # RFC 9110 has the date in GMT; without a zone the parser gives a naive one.
        parsed = parsedate_to_datetime(header[:_LONGEST_DATE])
        return int(parsed.replace(tzinfo=parsed.tzinfo or UTC).timestamp())
    except (ValueError, OverflowError):
        return None
