"""What the desk is made of, handed in by whoever wires it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from services.contracts.auth import AccountId
from services.contracts.orders import VenueName
from services.contracts.verdict import Environment
from services.kit.clock import Clock
from services.kit.ids import Randomness
from services.kit.observing import Telemetry
from services.trading.brokers.port import Broker, Streaming
from services.trading.desk.leases import LeaseKeeper
from services.trading.desk.owner import Owner
from services.trading.desk.verdicts import VerdictKeeper
from services.trading.marketdata.latest import PriceSource
from services.trading.orders.book import OrderBook
from services.trading.orders.transactions import Readings, Transactions
from services.trading.risk.limits import Limits
from services.trading.risk.sight import Market
from services.trading.routing.circuit import CircuitRules
from services.trading.routing.health import HealthRules


class Sessions(Protocol):
    """What the calendar says of the market that the venues trade on."""

    def market(self, at: datetime) -> Market:
        """Whether it is open at a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """An account that orders can go to."""

    broker: Broker
    streaming: Streaming
    account: AccountId
    environment: Environment

    @property
    def name(self) -> VenueName:
        return self.broker.name


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskRules:
    """How long things may take, in seconds unless said otherwise.

    Attributes:
        reconcile_every: Pause between two comparisons with a venue.
        reconcile_slack: How much older than that the last one may be before the venue is no longer ready.
        longest_skew: How far the venue's clock and ours may be apart.
        calendar_leeway: How close to an opening or closing the calendar and the venue's clock may disagree.
        mute_after: A stream that was silent for so long while something was missed is built up anew.
        reduce_after: Comparisons that fail for so long reduce trading.
        drift_rounds: Comparisons in a row in which a position is not explained, until trading is reduced.
        kill_deadline: After that the kill switch ends with what it has.
    """

    reconcile_every: float = 30.0
    reconcile_slack: float = 15.0
    longest_skew: float = 2.0
    calendar_leeway: float = 120.0
    mute_after: float = 10.0
    reduce_after: float = 600.0
    drift_rounds: int = 3
    kill_deadline: float = 60.0
    circuit: CircuitRules = field(default_factory=CircuitRules)
    health: HealthRules = field(default_factory=HealthRules)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskParts:
    """Everything that the desk stands on.

    Attributes:
        facts: For the desk's own rows; the book has transactions that `Fenced` guards.
        verdicts, leases: Started by the desk's background.
        pause: Lets so many seconds pass on the calling thread.
    """

    facts: Transactions
    database: Readings
    clock: Clock
    randomness: Randomness
    telemetry: Telemetry
    owner: Owner
    book: OrderBook
    venues: Sequence[Venue]
    limits: Limits
    prices: PriceSource
    sessions: Sessions
    verdicts: VerdictKeeper
    leases: LeaseKeeper
    pause: Callable[[float], object] = time.sleep
    rules: DeskRules = field(default_factory=DeskRules)
