"""What the desk tells of itself."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.contracts.orders import DenyReason, OrderIntent, TradingState, VenueName
from services.contracts.trading import CircuitState
from services.contracts.verdict import Environment
from services.trading.brokers.port import VenueAccount
from services.trading.desk.holds import Hold
from services.trading.orders.order import Order
from services.trading.portfolio.position import Position
from services.trading.risk.sight import VerdictState as VerdictState  # noqa: PLC0414 -- part of what is told here


@dataclass(frozen=True, slots=True)
class Denial:
    """Why nothing was sent, and what to change."""

    reason: DenyReason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What became of a wish.

    Attributes:
        denial: Set when the gate refused it: then there are no orders.
        orders: One for each venue that was tried, in the order of the routes.
        known: The wish had been told before; nothing was done this time.
    """

    intent: OrderIntent
    denial: Denial | None = None
    orders: tuple[Order, ...] = ()
    known: bool = False


@dataclass(frozen=True, slots=True)
class VerdictStanding:
    """How a venue's verdict stands; `detail` says why it is not valid, `expires_at` is None without one."""

    state: VerdictState
    detail: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LeaseStanding:
    """Whether calls can be made with a venue's session; an expired lease stays in use for cancels."""

    held: bool
    detail: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueState:
    """How one venue stands.

    Attributes:
        ready: New exposure may go there.
        reasons: What keeps it from that, in words; empty when it is ready.
        score: Its health, from 0 to 1.
        stream_age_seconds: Since the stream was last heard; None while it is down.
        reconciled_at: When the last comparison succeeded; None before the first.
        skew_seconds: How far the venue's clock is ahead of ours; None before the first reconciliation.
        rate_limit_left: Calls that it takes in the present minute; None when not known.
        working: Orders that work there.
        unknown: Orders of which nobody knows whether they are there.
        holds: Who holds it back; empty when nobody does.
    """

    venue: VenueName
    environment: Environment
    ready: bool
    reasons: tuple[str, ...]
    circuit: CircuitState
    score: float
    stream_connected: bool
    stream_age_seconds: float | None
    reconciled_at: datetime | None
    skew_seconds: float | None
    verdict: VerdictStanding
    lease: LeaseStanding
    rate_limit_left: int | None
    working: int
    unknown: int
    holds: tuple[Hold, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskState:
    """How trading stands.

    Attributes:
        state: What trading may do, `reason` and `actor` say why and by whom, `changed_at` since when.
        owner: This process is the one that trades; another one only shows.
        halt_under_way: The kill switch was pulled and is not done.
    """

    state: TradingState
    reason: str
    actor: str
    changed_at: datetime
    owner: bool
    halt_under_way: bool
    venues: tuple[VenueState, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueKill:
    """What the kill switch did at one venue. `left` says in words what it could not do, "" when nothing."""

    venue: VenueName
    canceled: int
    flattened: int
    flat: bool
    left: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KillReport:
    """What the kill switch did.

    Attributes:
        halt_id: Names this pull; its flattening orders carry it.
        flat: Every venue confirmed that nothing works there, and when it was to flatten, that nothing is held.
        left: What could not be done, in words; "" when all was.
        seconds: From the pull to the end, restarts included.
    """

    halt_id: str
    actor: str
    reason: str
    flatten: bool
    pulled_at: datetime
    seconds: float
    venues: tuple[VenueKill, ...]

    @property
    def canceled(self) -> int:
        return sum(venue.canceled for venue in self.venues)

    @property
    def flattened(self) -> int:
        return sum(venue.flattened for venue in self.venues)

    @property
    def flat(self) -> bool:
        return all(venue.flat for venue in self.venues)

    @property
    def left(self) -> str:
        return "; ".join(f"{venue.venue}: {venue.left}" for venue in self.venues if venue.left)


@dataclass(frozen=True, slots=True)
class Holding:
    """A position with its present price in dollars, None when none is known."""

    position: Position
    mark: Decimal | None


@dataclass(frozen=True, slots=True)
class AccountStanding:
    """A venue's account as it was told at the last reconciliation; both None before the first."""

    venue: VenueName
    account: VenueAccount | None
    as_of: datetime | None
