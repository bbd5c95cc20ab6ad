"""Puts the desk's modules together. Names no adapter: what they work on is handed in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from services.contracts.orders import TradingState, VenueName
from services.trading.desk import circuit_store
from services.trading.desk.answers import Answers
from services.trading.desk.cancelling import Canceller
from services.trading.desk.holdings import Holdings
from services.trading.desk.holds import VenueHolds
from services.trading.desk.in_flight import InFlight
from services.trading.desk.instrument_cache import InstrumentCache
from services.trading.desk.kill_books import TolerantBooks
from services.trading.desk.kill_switch import KillSwitch
from services.trading.desk.leading import Leader
from services.trading.desk.listening import Listener
from services.trading.desk.money import Money
from services.trading.desk.owner import Fenced
from services.trading.desk.parts import DeskParts, Venue
from services.trading.desk.prices import Prices
from services.trading.desk.readiness import ReadinessKeeper
from services.trading.desk.reconciling import Reconciler
from services.trading.desk.replacing import Replacer
from services.trading.desk.sent import SentLog
from services.trading.desk.sighting import Sighting
from services.trading.desk.state import StateKeeper
from services.trading.desk.submitting import Submitter
from services.trading.desk.tending import VenueTender
from services.trading.desk.tracing import TRACER_NAME
from services.trading.desk.watching import VenueWatch
from services.trading.meter import OrderMeter


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """The desk's modules, each made once."""

    state: StateKeeper
    holds: VenueHolds
    money: Money
    watches: Mapping[VenueName, VenueWatch]
    readiness: ReadinessKeeper
    submitter: Submitter
    canceller: Canceller
    replacer: Replacer
    kill_switch: KillSwitch
    leader: Leader
    reconcilers: Mapping[VenueName, Reconciler]
    tenders: Mapping[VenueName, VenueTender]
    listeners: Mapping[VenueName, Listener]


class _Maker:
    """Makes the modules in the order in which they need each other."""

    def __init__(self, parts: DeskParts) -> None:
        self.parts = parts
        self.tracer = parts.telemetry.tracer(TRACER_NAME)
        self.brokers = {venue.name: venue.broker for venue in parts.venues}
        self.fenced = Fenced(parts.facts, parts.owner)
        self.state = StateKeeper(parts.facts, parts.database, parts.clock)
        self.holds = VenueHolds(self.fenced, parts.database, parts.clock)
        self.prices = Prices(parts.prices)
        self.money = Money(self.fenced, parts.database, self.prices, parts.clock)
        self.holdings = Holdings(parts.database)
        parts.book.after_booking(self.holdings.changed)
        self.watches = {name: self._watch(name) for name in self.brokers}
        self.instruments = InstrumentCache(self.brokers, parts.clock)
        self.sent = SentLog(timedelta(seconds=parts.limits.rate_window_seconds))
        self.in_flight = InFlight(lambda: self.state.now.state is not TradingState.HALTED)
        self.answers = Answers(parts.book)
        self.kill_switch = self._kill_switch()
        self.leader = self._leader()
        self.readiness = self._readiness()
        self.sighting = self._sighting()
        self.reconcilers = {venue.name: self._reconciler(venue) for venue in parts.venues}
        self.canceller = Canceller(
            parts.book,
            self.brokers,
            parts.clock,
            ended=lambda order: self.tenders[order.venue].look_at(order.client_order_id),
        )
        self.submitter = self._submitter()
        self.tenders = {venue.name: self._tender(venue) for venue in parts.venues}

    def assembled(self) -> Assembled:
        return Assembled(
            state=self.state,
            holds=self.holds,
            money=self.money,
            watches=self.watches,
            readiness=self.readiness,
            submitter=self.submitter,
            canceller=self.canceller,
            replacer=self._replacer(),
            kill_switch=self.kill_switch,
            leader=self.leader,
            reconcilers=self.reconcilers,
            tenders=self.tenders,
            listeners={venue.name: self._listener(venue) for venue in self.parts.venues},
        )

    def _watch(self, name: VenueName) -> VenueWatch:
        parts = self.parts
        return VenueWatch(self.brokers[name], parts.facts, parts.clock, parts.rules.circuit, parts.rules.health)

    def _kill_switch(self) -> KillSwitch:
        parts = self.parts
        return KillSwitch(
            tuple(self.brokers.values()),
            self.state,
            self.in_flight,
            transactions=parts.facts,
            readings=parts.database,
            books=TolerantBooks(parts.book, parts.clock),
            clock=parts.clock,
            randomness=parts.randomness,
            pause=parts.pause,
            deadline_seconds=parts.rules.kill_deadline,
        )

    def _leader(self) -> Leader:
        parts = self.parts
        return Leader(
            parts.owner,
            parts.book,
            self.state,
            self.kill_switch,
            recall=self._recall_circuits,
            holds=self.holds,
            money=self.money,
            holdings=self.holdings,
            sent=self.sent,
            limits=parts.limits,
            clock=parts.clock,
        )

    def _recall_circuits(self) -> None:
        with self.parts.database.reading() as connection:
            circuits = circuit_store.kept(connection, self.watches)
        for venue, circuit in circuits.items():
            self.watches[venue].recalled(circuit)

    def _readiness(self) -> ReadinessKeeper:
        parts = self.parts
        return ReadinessKeeper(
            self.watches,
            owner=lambda: self.leader.turn is not None and parts.owner.sure,
            standing=lambda: self.state.now,
            lease=parts.leases.standing,
            holds=self.holds.of,
            sessions=parts.sessions,
            rules=parts.rules,
            facts=parts.facts,
            clock=parts.clock,
        )

    def _sighting(self) -> Sighting:
        parts = self.parts
        return Sighting(
            book=parts.book,
            brokers=self.brokers,
            watches=self.watches,
            readiness=self.readiness,
            verdicts=parts.verdicts,
            state=self.state,
            money=self.money,
            holdings=self.holdings,
            sent=self.sent,
            instruments=self.instruments,
            prices=self.prices,
            sessions=parts.sessions,
            clock=parts.clock,
        )

    def _reconciler(self, venue: Venue) -> Reconciler:
        parts = self.parts
        return Reconciler(
            venue.broker,
            parts.book,
            self.watches[venue.name],
            holdings=self.holdings,
            transactions=self.fenced,
            readings=parts.database,
            clock=parts.clock,
        )

    def _submitter(self) -> Submitter:
        parts = self.parts
        return Submitter(
            self.sighting,
            parts.book,
            parts.limits,
            answers=self.answers,
            owner=parts.owner,
            in_flight=self.in_flight,
            facts=self.fenced,
            meter=OrderMeter(parts.telemetry.metrics, self.brokers),
            tracer=self.tracer,
            clock=parts.clock,
        )

    def _replacer(self) -> Replacer:
        parts = self.parts
        return Replacer(
            self.sighting,
            parts.book,
            parts.limits,
            gate=self.submitter.gate,
            answers=self.answers,
            owner=parts.owner,
            in_flight=self.in_flight,
            clock=parts.clock,
        )

    def _tender(self, venue: Venue) -> VenueTender:
        parts = self.parts
        return VenueTender(
            self.reconcilers[venue.name],
            venue.streaming,
            self.watches[venue.name],
            book=parts.book,
            answers=self.answers,
            canceller=self.canceller,
            instruments=self.instruments,
            readiness=self.readiness,
            state=self.state,
            leases=parts.leases,
            turn=lambda: self.leader.turn,
            rules=parts.rules,
            clock=parts.clock,
        )

    def _listener(self, venue: Venue) -> Listener:
        watch, tender = self.watches[venue.name], self.tenders[venue.name]
        return Listener(self.parts.book, watch, self.parts.facts, self.tracer, reconcile=tender.ask)


def assemble(parts: DeskParts) -> Assembled:
    """Make everything that the desk consists of; nothing runs yet."""
    return _Maker(parts).assembled()
