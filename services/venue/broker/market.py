"""All paper venues of the service, put together from its settings."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.contracts.market import Instrument, Symbol
from services.kit.bar_file_errors import BarFileError
from services.kit.bar_times import daily_start
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.errors import StartError
from services.kit.ids import Randomness
from services.kit.market_calendar import MarketCalendar
from services.matching.costs import Costs
from services.matching.rules import Rules
from services.venue.broker import opening
from services.venue.broker.faults import Fault
from services.venue.broker.feed import Feed, RecordedBars, SyntheticBars
from services.venue.broker.hours import FIRST_DAY, AlwaysOpen, Hours, RegularHours
from services.venue.broker.journal import Journal
from services.venue.broker.keeping import watching_the_clock
from services.venue.broker.venue import Customers, PaperVenue, VenueOptions
from services.venue.settings import VenueSettings

Background = Callable[[], AbstractAsyncContextManager[object]]


class PaperFileError(StartError):
    """A file of accounts, faults or bars cannot be used."""

    code = "bad_paper_file"
    title = "The paper venues cannot start"


class StartingAccount(BaseModel):
    """An account that is there from the start."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    venue: str
    name: str
    key_id: Annotated[str, Field(min_length=4, max_length=128)]
    secret_key: Annotated[str, Field(min_length=4, max_length=128, repr=False)]
    cash: Decimal = Decimal(100_000)


_ACCOUNTS: Final = TypeAdapter(list[StartingAccount])
_SCENARIOS: Final = TypeAdapter(dict[str, list[Fault]])


class PaperMarket:
    """The venues, and what has to run for them.

    Attributes:
        venues: By name.
        background: To be entered while the service runs.

    Raises:
        PaperFileError: Accounts, the scenario or bars cannot be read, or name a venue that is none.
        DatabaseError: What is stored cannot be read.
    """

    def __init__(
        self, settings: VenueSettings, database: Database, clock: Clock, randomness: Randomness, customers: Customers
    ) -> None:
        journal = Journal(database)
        hours = _hours(settings, clock)
        self.venues = {
            name: PaperVenue(_options(settings, name, hours), clock, randomness, journal, customers)
            for name in settings.paper_venues
        }
        venues = list(self.venues.values())
        opening.load(database, venues)
        recorded = _recorded(settings)
        for venue in venues:
            for symbol in [*settings.paper_symbols, *(recorded.symbols if recorded else ())]:
                if symbol not in venue.exchange.instruments:
                    venue.exchange.put_instrument(Instrument(symbol=symbol))
        _refuse_other_bars(recorded, venues)
        _open_accounts(settings, self.venues)
        _plan(settings, self.venues)
        self.background: Sequence[Background] = [
            journal.running,
            partial(watching_the_clock, venues),
            *_feeds(settings, recorded, venues, clock),
        ]


def _hours(settings: VenueSettings, clock: Clock) -> Hours:
    if settings.paper_hours == "always":
        return AlwaysOpen()
    return RegularHours(MarketCalendar(clock, first=FIRST_DAY), clock)


def _options(settings: VenueSettings, name: str, hours: Hours) -> VenueOptions:
    return VenueOptions(
        name=name,
        rules=Rules(fill_rule=settings.paper_fill_rule, participation=settings.paper_participation),
        costs=Costs(
            slippage_bps=settings.paper_slippage_bps,
            fee_per_share=settings.paper_fee_per_share,
            fee_bps=settings.paper_fee_bps,
            fee_minimum=settings.paper_fee_minimum,
        ),
        hours=hours,
        time_source=settings.paper_time,
        requests_per_minute=settings.paper_requests_per_minute,
        seed=settings.paper_seed,
    )


def _recorded(settings: VenueSettings) -> RecordedBars | None:
    if settings.paper_feed != "file" or settings.paper_bars is None:
        return None
    try:
        return RecordedBars(settings.paper_bars)
    except BarFileError as error:
        raise PaperFileError(f"SIGHTLINE_PAPER_BARS: {error.detail}.") from error


def _refuse_other_bars(recorded: RecordedBars | None, venues: Sequence[PaperVenue]) -> None:
    """A venue that was fed other bars before would pass over those of a file, one and all."""
    for venue in venues if recorded is not None else ():
        newer = [symbol for symbol in venue.books.prices.symbols if _is_newer(recorded, venue, symbol)]
        if newer:
            raise PaperFileError(
                f"SIGHTLINE_PAPER_BARS: {venue.name} has newer bars of {', '.join(newer)} than the file, so it was fed"
                " others before. Replay the file in a data directory of its own (SIGHTLINE_DATA_DIR)."
            )


def _is_newer(recorded: RecordedBars | None, venue: PaperVenue, symbol: Symbol) -> bool:
    bar = venue.books.prices.newest(symbol)
    return recorded is not None and bar is not None and symbol in recorded.symbols and bar.start > recorded.last(symbol)


def _feeds(
    settings: VenueSettings, recorded: RecordedBars | None, venues: Sequence[PaperVenue], clock: Clock
) -> list[Background]:
    if settings.paper_feed == "none":
        return []
    if recorded is not None:
        start = recorded.start
        if settings.paper_from is not None:
            start = max(start, daily_start(settings.paper_from))
        speed = settings.paper_feed_speed
        return [Feed(recorded, venues, clock, speed=speed, start=start, before=recorded.before).running]
    source = SyntheticBars(settings.paper_symbols, settings.paper_bar_seconds, settings.paper_seed)
    # Two lengths before now lies one whole bar.
    head_start = timedelta(seconds=2 * settings.paper_bar_seconds if settings.paper_feed_speed == 1.0 else 0)
    return [Feed(source, venues, clock, speed=settings.paper_feed_speed, head_start=head_start).running]


def _open_accounts(settings: VenueSettings, venues: Mapping[str, PaperVenue]) -> None:
    if settings.paper_accounts is None:
        return
    try:
        accounts = _ACCOUNTS.validate_json(settings.paper_accounts.get_secret_value())
    except ValidationError as error:
        raise PaperFileError(f"SIGHTLINE_PAPER_ACCOUNTS_FILE: {_places(error)}. docs/venue.md shows one.") from None
    for each in accounts:
        venue = _named(venues, each.venue, "SIGHTLINE_PAPER_ACCOUNTS_FILE")
        venue.open_account(each.name, each.key_id, each.secret_key, cash=each.cash)


def _plan(settings: VenueSettings, venues: Mapping[str, PaperVenue]) -> None:
    path = settings.paper_scenario
    if path is None:
        return
    try:
        scenarios = _SCENARIOS.validate_json(path.read_bytes())
    except OSError as error:
        raise PaperFileError(f"SIGHTLINE_PAPER_SCENARIO: {path} cannot be read ({error.strerror}).") from None
    except ValidationError as error:
        raise PaperFileError(f"SIGHTLINE_PAPER_SCENARIO: {_places(error)}. docs/venue.md shows one.") from None
    for name, faults in scenarios.items():
        _named(venues, name, "SIGHTLINE_PAPER_SCENARIO").plan.add(*faults)


def _named(venues: Mapping[str, PaperVenue], name: str, setting: str) -> PaperVenue:
    if name not in venues:
        raise PaperFileError(f"{setting}: there is no venue {name!r}; there are {', '.join(venues)}.")
    return venues[name]


def _places(error: ValidationError) -> str:
    """Which parts do not fit, without their values."""
    details = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'the file'}: {each['msg']}" for each in details[:5])
