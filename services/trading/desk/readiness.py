"""Whether a venue may be sent new exposure, and if not, why: in words, for people, and as a fact when it changes."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.contracts.orders import TradingState, VenueName
from services.contracts.trading import ReadinessChanged
from services.kit.clock import Clock
from services.trading.brokers.port import VenueClock
from services.trading.desk.holds import Hold
from services.trading.desk.parts import DeskRules, Sessions
from services.trading.desk.state import Standing
from services.trading.desk.views import LeaseStanding
from services.trading.desk.watching import Known, VenueWatch
from services.trading.orders.transactions import Transactions
from services.trading.risk.sight import Market
from services.trading.routing.circuit import allows

_MOST_REASONS: Final = 10

_log = logging.getLogger("services.trading.desk.readiness")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What readiness depends on, at one moment.

    Attributes:
        owner: This process is the one that trades.
        reconciliation_age_seconds: None before the first.
        market_at: What the calendar says of any moment.
        holds: Who holds the venue back.
    """

    at: datetime
    owner: bool
    standing: Standing
    lease: LeaseStanding
    known: Known
    reconciliation_age_seconds: float | None
    market_at: Callable[[datetime], Market]
    holds: tuple[Hold, ...] = ()


def reasons_against(look: Look, rules: DeskRules) -> tuple[str, ...]:
    """What keeps the venue from being ready, in words; empty when it is."""
    return tuple(_reasons(look, rules))


def _reasons(look: Look, rules: DeskRules) -> Iterator[str]:
    known = look.known
    if not look.owner:
        yield "another process trades on this database"
    if look.standing.state is TradingState.HALTED:
        yield f"trading is halted by {look.standing.actor}: {look.standing.reason}"
    for hold in look.holds:
        yield f"held back by {hold.actor}: {hold.reason}"
    if not look.lease.held:
        yield f"not authenticated: {look.lease.detail}"
    if not known.stream_connected:
        yield f"the stream is down: {known.stream_reason}"
    yield from _late(look, rules)
    if not allows(known.circuit, look.at):
        yield f"not used at present: {known.circuit.reason}"
    if known.account is not None and known.account.blocked:
        yield "the venue has blocked the account"
    if known.skew_seconds is not None and abs(known.skew_seconds) >= rules.longest_skew:
        yield f"its clock and ours are {known.skew_seconds:.1f} s apart"
    if known.clock is not None and _disagrees(known.clock, look.market_at, timedelta(seconds=rules.calendar_leeway)):
        yield f"it says that its market is {'open' if known.clock.is_open else 'closed'}, the calendar says otherwise"


def _late(look: Look, rules: DeskRules) -> Iterator[str]:
    age = look.reconciliation_age_seconds
    why = f": {look.known.problem}" if look.known.problem else ""
    if age is None:
        yield f"not reconciled since the start{why}"
    elif age > rules.reconcile_every + rules.reconcile_slack:
        yield f"last reconciled {age:.0f} s ago{why}"


def _disagrees(clock: VenueClock, market_at: Callable[[datetime], Market], leeway: timedelta) -> bool:
    """Whether the calendar knows no moment around the venue's time at which its market is as the venue says."""
    moments = (clock.at - leeway, clock.at, clock.at + leeway)
    return all((market_at(moment) is Market.OPEN) is not clock.is_open for moment in moments)


class ReadinessKeeper:
    """Says how ready each venue is, and states the fact when that changes."""

    def __init__(  # noqa: PLR0913 -- what readiness depends on, each by its name
        self,
        watches: Mapping[VenueName, VenueWatch],
        *,
        owner: Callable[[], bool],
        standing: Callable[[], Standing],
        lease: Callable[[VenueName], LeaseStanding],
        holds: Callable[[VenueName], tuple[Hold, ...]],
        sessions: Sessions,
        rules: DeskRules,
        facts: Transactions,
        clock: Clock,
    ) -> None:
        self._watches = dict(watches)
        self._owner = owner
        self._standing = standing
        self._lease = lease
        self._holds = holds
        self._sessions = sessions
        self._rules = rules
        self._facts = facts
        self._clock = clock
        self._told: dict[VenueName, bool] = {}

    def reasons(self, venue: VenueName) -> tuple[str, ...]:
        """What keeps a venue from being ready now; empty when it is. From memory alone."""
        watch = self._watches[venue]
        look = Look(
            at=self._clock.now(),
            owner=self._owner(),
            standing=self._standing(),
            lease=self._lease(venue),
            known=watch.known,
            reconciliation_age_seconds=watch.reconciliation_age_seconds(),
            market_at=self._sessions.market,
            holds=self._holds(venue),
        )
        return reasons_against(look, self._rules)

    def tell(self, venue: VenueName) -> None:
        """State a fact if the venue became ready, or is no more.

        Raises:
            DatabaseError: It is away; the next call tries again.
        """
        reasons = self.reasons(venue)
        ready = not reasons
        if self._told.get(venue) is ready:
            return
        fact = ReadinessChanged(subject=venue, ready=ready, reasons=reasons[:_MOST_REASONS], at=self._clock.now())
        with self._facts.transaction() as tx:
            tx.record(fact)
        self._told[venue] = ready
