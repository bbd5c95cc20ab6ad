"""Reads and writes of what the engine keeps, always inside the caller's transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from services.contracts.market import Symbol
from services.contracts.orders import IntentId, OrderTicket, intent_id
from services.contracts.strategies import StrategyState
from services.kit.moments import microseconds, moment
from services.kit.prepared import Prepared
from services.trading.engine.account import Account, Open
from services.trading.engine.deciding import Wish
from services.trading.engine.tables import STRATEGIES, STRATEGY_SIGNALS

_WORDS = 400
_ATTEMPT = "-"
_ADD_UNLESS_THERE = {
    dialect: Prepared(made(STRATEGY_SIGNALS).on_conflict_do_nothing())
    for dialect, made in (("postgresql", postgresql.insert), ("sqlite", sqlite.insert))
}


class Outcome(StrEnum):
    """What became of a signal."""

    PLANNED = "planned"  # not known yet: it may have been sent
    SENT = "sent"
    DENIED = "denied"
    EXPIRED = "expired"
    DROPPED = "dropped"  # there was nothing left to do when its turn came


@dataclass(slots=True)
class Kept:
    """How a strategy stands, as it is written down.

    Attributes:
        state: RUNNING, PAUSED or STOPPED: what it is to do.
        detail: Why, in words; "" while it runs.
        decided: Start of the last bar that it decided at; None before the first.
        signal_at: When it last wanted something.
    """

    name: str
    kind: str
    state: StrategyState = StrategyState.RUNNING
    detail: str = ""
    decided: datetime | None = None
    signal_at: datetime | None = None
    account: Account = field(default_factory=Account)


@dataclass(frozen=True, slots=True)
class Signal:
    """An order that a strategy wants.

    Attributes:
        leg: What it is for, "entry"; from the second attempt on with its number, "entry-2".
        number: Its place among those of one bar.
        bar_at: Start of the bar that it was decided at; decided_at, when that was.
        last: The last close then, in dollars.
    """

    strategy: str
    leg: str
    number: int
    bar_at: datetime
    decided_at: datetime
    ticket: OrderTicket
    last: Decimal

    @property
    def symbol(self) -> Symbol:
        return self.ticket.symbol

    @property
    def intent_id(self) -> IntentId:
        """Follows from strategy, symbol, bar and leg alone: deciding again makes no second order."""
        return intent_id(self.strategy, self.symbol, self.bar_at, self.leg)

    @property
    def opened(self) -> Open:
        """As the account notes it while it is not over."""
        return Open(symbol=self.symbol, leg=self.wish.leg, bar_at=self.bar_at)

    @property
    def wish(self) -> Wish:
        return Wish(base_leg(self.leg), self.ticket)

    @property
    def attempt(self) -> int:
        """Counts the names under which it was sent, from 1."""
        _, _, number = self.leg.partition(_ATTEMPT)
        return int(number or 1)

    def again(self) -> "Signal":
        """The same under its next name."""
        return replace(self, leg=f"{self.wish.leg}{_ATTEMPT}{self.attempt + 1}")


def base_leg(leg: str) -> str:
    """What an order is for, whichever attempt it is: "entry" of "entry-2"."""
    return leg.partition(_ATTEMPT)[0]


def load(connection: Connection, name: str) -> Kept | None:
    """How a strategy stands; None for one that never ran."""
    row = connection.execute(select(STRATEGIES).where(STRATEGIES.c.name == name)).one_or_none()
    if row is None:
        return None
    return Kept(
        name=row.name,
        kind=row.kind,
        state=StrategyState(row.state),
        detail=row.detail,
        decided=_moment(row.decided_us),
        signal_at=_moment(row.signal_at_us),
        account=Account.model_validate_json(row.account),
    )


def keep(connection: Connection, kept: Kept) -> None:
    """Write down how a strategy stands."""
    values = {
        "kind": kept.kind,
        "state": kept.state,
        "detail": kept.detail[:_WORDS],
        "decided_us": _us(kept.decided),
        "signal_at_us": _us(kept.signal_at),
        "account": kept.account.model_dump_json(),
    }
    changed = connection.execute(update(STRATEGIES).where(STRATEGIES.c.name == kept.name).values(values))
    if changed.rowcount == 0:
        connection.execute(insert(STRATEGIES).values(values | {"name": kept.name}))


def names(connection: Connection) -> list[str]:
    """Every strategy that ever ran."""
    return list(connection.execute(select(STRATEGIES.c.name).order_by(STRATEGIES.c.name)).scalars())


def unstopped(connection: Connection) -> list[str]:
    """Every strategy that was not stopped when it was last written down, named by the trading file or not."""
    query = select(STRATEGIES.c.name).where(STRATEGIES.c.state != StrategyState.STOPPED)
    return list(connection.execute(query.order_by(STRATEGIES.c.name)).scalars())


def add(connection: Connection, signal: Signal, outcome: Outcome, detail: str = "") -> None:
    """Write a signal down; nothing happens when it is there."""
    row = {
        "intent_id": signal.intent_id,
        "strategy": signal.strategy,
        "symbol": signal.symbol,
        "leg": signal.leg,
        "number": signal.number,
        "bar_at_us": microseconds(signal.bar_at),
        "decided_at_us": microseconds(signal.decided_at),
        "ticket": signal.ticket.model_dump_json(),
        "last": str(signal.last),
        "outcome": outcome,
        "detail": detail[:_WORDS],
    }
    _ADD_UNLESS_THERE[connection.dialect.name].run(connection, row)


def conclude(connection: Connection, signal: Signal, outcome: Outcome, detail: str = "") -> None:
    """Write down what became of a signal."""
    this = STRATEGY_SIGNALS.c.intent_id == signal.intent_id
    connection.execute(update(STRATEGY_SIGNALS).where(this).values(outcome=outcome, detail=detail[:_WORDS]))


def planned(connection: Connection, strategy: str) -> list[Signal]:
    """The signals of which nobody knows yet what became of them, in their order."""
    columns = STRATEGY_SIGNALS.c
    query = select(STRATEGY_SIGNALS).where(columns.strategy == strategy, columns.outcome == Outcome.PLANNED)
    return [_signal(row) for row in connection.execute(query.order_by(columns.bar_at_us, columns.number)).mappings()]


def _signal(row: Mapping[Any, Any]) -> Signal:
    return Signal(
        strategy=row["strategy"],
        leg=row["leg"],
        number=row["number"],
        bar_at=moment(row["bar_at_us"]),
        decided_at=moment(row["decided_at_us"]),
        ticket=OrderTicket.model_validate_json(row["ticket"]),
        last=Decimal(row["last"]),
    )


def _us(at: datetime | None) -> int | None:
    return None if at is None else microseconds(at)


def _moment(count: int | None) -> datetime | None:
    return None if count is None else moment(count)
