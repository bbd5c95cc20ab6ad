"""Keeps an eye on how far this machine's clock is off from those that judge its codes."""

from collections.abc import Sequence
from typing import Final

import httpx

from services.auth.accounts import Accounts
from services.auth.preflight.endpoints import EndpointTable
from services.auth.totp.clock_offset import ClockStatus, ClockWatch, estimate
from services.auth.totp.date_source import HttpDates
from services.auth.transactions import Readings
from services.kit.clock import Clock
from telemetry.catalogue import AUTH_CLOCK_OFFSET
from telemetry.emit.metrics import Metrics

EVERY_SECONDS: Final = 300.0


class ClockKeeping:
    """Asks the accounts' brokers, and whom else the settings name, for the time. `look` blocks for some seconds.

    Args:
        watch: Takes over what was found.
        client: Follows no redirects; the caller's to close.
        urls: Addresses beside those of the accounts' brokers.
    """

    def __init__(  # noqa: PLR0913 -- the service's parts, each by its name
        self,
        *,
        watch: ClockWatch,
        client: httpx.Client,
        urls: Sequence[str],
        accounts: Accounts,
        endpoints: EndpointTable,
        readings: Readings,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._watch = watch
        self._client = client
        self._urls = tuple(urls)
        self._accounts = accounts
        self._endpoints = endpoints
        self._readings = readings
        self._gauge = metrics.gauge(AUTH_CLOCK_OFFSET)
        self._clock = clock

    def look(self) -> None:
        """Ask everybody once. Without any answer the last estimate stays."""
        with self._readings.reading() as connection:
            accounts = self._accounts.all(connection)
        brokers = {account.base_url for account in accounts if self._endpoints.allows(account)}
        offset = estimate(HttpDates(self._client, sorted({*brokers, *self._urls}), self._clock).samples())
        self._watch.note(offset)
        if offset.status is not ClockStatus.UNKNOWN:
            self._gauge.set(offset.seconds)
