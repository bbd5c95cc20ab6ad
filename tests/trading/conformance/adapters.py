"""The adapters that have to pass."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path

from services.contracts.verdict import Environment
from services.kit.ids import SystemRandomness
from services.kit.market_calendar import MarketCalendar
from services.trading.brokers.alpaca import AlpacaBroker
from services.trading.brokers.alpaca_sites import AlpacaSite
from services.trading.wire.calls import Patience
from services.venue.broker.hours import RegularHours
from tests.trading.brokers.papers import HASTY_STREAM
from tests.trading.conformance.direct import DirectBroker
from tests.trading.conformance.gate import Gate
from tests.trading.conformance.rig import NAME, Build, Rig
from tests.trading.conformance.served_side import ServedSide
from tests.venue.broker.serving import MovableClock, ServedVenue, serving

_PATIENCE = Patience(connect_seconds=2.0, read_seconds=1.0, total_seconds=4.0)


def _venue(directory: Path, at: datetime | None) -> AbstractContextManager[ServedVenue]:
    if at is None:
        return serving(directory)
    clock = MovableClock()
    clock.set_to(at)
    return serving(directory, hours=RegularHours(MarketCalendar(clock), clock), clock=clock)


@contextmanager
def over_the_wire(directory: Path, at: datetime | None = None) -> Iterator[Rig]:
    """The real alpaca-py over HTTP and WebSockets. Calls go through a gate; the stream stands beside it."""
    with _venue(directory, at) as served, Gate(served.base_url) as gate:
        site = AlpacaSite(gate.url, served.stream_url, served.base_url, Environment.PAPER)
        adapter = AlpacaBroker(
            NAME,
            site,
            lambda: served.headers,
            clock=served.clock,
            randomness=SystemRandomness(),
            patience=_PATIENCE,
            stream_patience=HASTY_STREAM,
        )
        yield Rig(ServedSide(served), adapter, gate.cut, gate.mend)
        adapter.close()


@contextmanager
def in_process(directory: Path, at: datetime | None = None) -> Iterator[Rig]:
    """The venue's core, without HTTP."""
    with _venue(directory, at) as served:
        adapter = DirectBroker(NAME, served)

        def reach(reachable: bool) -> None:  # noqa: FBT001 -- one word, set by `cut` and `mend` alone
            adapter.reachable = reachable

        yield Rig(ServedSide(served), adapter, lambda: reach(False), lambda: reach(True))


ADAPTERS: Mapping[str, Build] = {"alpaca": over_the_wire, "direct": in_process}
