"""What the venues say of symbols, kept at hand so that an order does not wait for it."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.contracts.market import Instrument, Symbol
from services.contracts.orders import VenueName
from services.kit.clock import Clock
from services.trading.brokers.port import Broker, VenueUnavailableError

_FRESH_SECONDS: Final = 60.0
_STALE_SECONDS: Final = 900.0
_MOST: Final = 10_000  # symbols and venues, so that a caller cannot fill the memory with names
_PER_TURN: Final = 5  # a refresh must not use up what the venue takes in a minute


@dataclass(frozen=True, slots=True)
class _Told:
    instrument: Instrument | None
    at: float


class InstrumentCache:
    """Asks a venue about a symbol the first time, and again in the background.

    What is older than a minute is used and renewed by `refresh`; what is older than 15 minutes is asked for first.
    """

    def __init__(self, brokers: Mapping[VenueName, Broker], clock: Clock) -> None:
        self._brokers = dict(brokers)
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[tuple[VenueName, Symbol], _Told] = {}
        self._wanted: dict[VenueName, dict[Symbol, None]] = {}

    def get(self, venue: VenueName, symbol: Symbol) -> Instrument | None:
        """What the venue says of a symbol, None when it does not know it.

        Raises:
            VenueUnavailableError: It does not answer, and has never told.
        """
        with self._lock:
            told = self._told.get((venue, symbol))
            age = None if told is None else self._clock.monotonic() - told.at
            if told is not None and age is not None and age <= _STALE_SECONDS:
                if age > _FRESH_SECONDS:
                    self._wanted.setdefault(venue, {})[symbol] = None
                return told.instrument
        try:
            return self._ask(venue, symbol)
        except VenueUnavailableError:
            if told is None:
                raise
            return told.instrument

    def refresh(self, venue: VenueName) -> None:
        """Ask anew for what was used and had become old; a few at a time.

        Raises:
            VenueUnavailableError: The venue does not answer.
        """
        with self._lock:
            wanted = list(self._wanted.get(venue, {}))[:_PER_TURN]
        for symbol in wanted:
            self._ask(venue, symbol)

    def _ask(self, venue: VenueName, symbol: Symbol) -> Instrument | None:
        instrument = self._brokers[venue].instrument(symbol)
        with self._lock:
            if len(self._told) >= _MOST:
                self._told.pop(next(iter(self._told)))
            self._told[venue, symbol] = _Told(instrument, self._clock.monotonic())
            self._wanted.get(venue, {}).pop(symbol, None)
        return instrument
