"""Positions on disk. A fill is booked here in the transaction that puts it into the ledger: both stand, or neither."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from decimal import Decimal, localcontext
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from services.contracts.market import Symbol
from services.contracts.orders import Fill, VenueName
from services.kit.prepared import Prepared
from services.trading.portfolio import position as arithmetic
from services.trading.portfolio import sessions
from services.trading.portfolio.position import EXACT, Position, plain
from services.trading.portfolio.sessions import PositionKey, SessionLine, session_date
from services.trading.portfolio.tables import POSITIONS, SESSION_LINES, SPLITS

_OF_POSITION: Final = (POSITIONS.c.venue == bindparam("of_venue")) & (POSITIONS.c.symbol == bindparam("of_symbol"))
_OF_LINE: Final = (SESSION_LINES.c.venue == bindparam("of_venue")) & (SESSION_LINES.c.symbol == bindparam("of_symbol"))
_ONE: Final = Prepared(select(POSITIONS).where(_OF_POSITION))
_HELD: Final = Prepared(select(POSITIONS).where(_OF_POSITION).with_for_update())
_KEEP: Final = Prepared(update(POSITIONS).where(_OF_POSITION))
_LINES_FROM: Final = Prepared(
    select(SESSION_LINES)
    .where(_OF_LINE, SESSION_LINES.c.session >= bindparam("of_session"))
    .order_by(SESSION_LINES.c.session)
)
_KEEP_LINE: Final = Prepared(update(SESSION_LINES).where(_OF_LINE, SESSION_LINES.c.session == bindparam("of_session")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a venue says it holds of a symbol: shares, and dollars a share; `market_price` None when not known."""

    quantity: Decimal
    average_price: Decimal
    market_price: Decimal | None = None


def book(connection: Connection, fill: Fill) -> Position:
    """Book a fill once; the caller has made sure that it was not booked before. Returns the position after it.

    A fill counts to the session in which it was executed, however late it comes.
    """
    before = _held(connection, (fill.venue, fill.symbol))
    after = arithmetic.apply(before, fill)
    _keep(connection, after)
    session = session_date(fill.executed_at)
    line, later = _lines_from(connection, after, session)
    if line is None:
        opening = next(iter(later.values())).opening_quantity if later else before.quantity
        line = SessionLine(opening_quantity=opening, opening_price=before.average_price or fill.price)
        _add_line(connection, after, session, line)
    _keep_line(connection, after, session, sessions.traded(line, before, after, fill))
    with localcontext(EXACT):
        for day, old in later.items():
            quantity = plain(old.opening_quantity + fill.side.sign * fill.quantity)
            price = old.opening_price if old.opening_quantity else fill.price
            _keep_line(connection, after, day, replace(old, opening_quantity=quantity, opening_price=price))
    return after


def positions(connection: Connection, venue: VenueName | None = None) -> tuple[Position, ...]:
    """Everything that is or was held, at one venue or at all; what was closed has a quantity of 0."""
    query = select(POSITIONS).order_by(POSITIONS.c.venue, POSITIONS.c.symbol)
    if venue is not None:
        query = query.where(POSITIONS.c.venue == venue)
    return tuple(_position(row) for row in connection.execute(query).mappings())


def position_of(connection: Connection, key: PositionKey) -> Position:
    """What is or was held of one symbol at one venue."""
    for row in _ONE.rows(connection, _named(key)):
        return _position(row)
    return Position(venue=key[0], symbol=key[1])


def open_session(connection: Connection, session: date, marks: Mapping[Symbol, Decimal]) -> None:
    """Note what a session begins with, at prices in dollars by symbol: those of the last close, or the present ones.

    May be called at any time and again: what the session has begun with already stays. Splits of the session are to be
    booked before.
    """
    known = lines(connection, session)
    for position in positions(connection):
        if position.quantity and (position.venue, position.symbol) not in known:
            _add_line(connection, position, session, sessions.opened(position, marks.get(position.symbol)))


def lines(connection: Connection, session: date) -> dict[PositionKey, SessionLine]:
    """What a session began with and what was traded in it, by venue and symbol."""
    rows = connection.execute(select(SESSION_LINES).where(SESSION_LINES.c.session == session)).mappings()
    return {(row["venue"], row["symbol"]): _line(row) for row in rows}


def realised_since(connection: Connection, session: date) -> dict[date, Decimal]:
    """Profit from what was closed, less fees, in dollars, by session from the given one on."""
    query = select(SESSION_LINES).where(SESSION_LINES.c.session >= session).order_by(SESSION_LINES.c.session)
    earned: dict[date, Decimal] = {}
    with localcontext(EXACT):
        for row in connection.execute(query).mappings():
            line = _line(row)
            earned[row["session"]] = plain(earned.get(row["session"], Decimal(0)) + line.realised - line.fees)
    return earned


def day_trades(connection: Connection, since: date) -> dict[VenueName, int]:
    """How often what was opened in a session was closed in it, by venue, from the session `since` on."""
    counted = func.sum(SESSION_LINES.c.day_trades)
    query = select(SESSION_LINES.c.venue, counted).where(SESSION_LINES.c.session >= since)
    return {venue: int(number) for venue, number in connection.execute(query.group_by(SESSION_LINES.c.venue))}


def split(connection: Connection, key: PositionKey, session: date, ratio: Decimal) -> bool:
    """Book a split of `ratio` new shares for an old one, effective with a session; False when it was booked before.

    Raises:
        ValueError: The ratio is not above zero.
    """
    venue, symbol = key
    held = _held(connection, key)
    after = arithmetic.split(held, ratio)
    mine = (SPLITS.c.venue == venue) & (SPLITS.c.symbol == symbol) & (SPLITS.c.session == session)
    if connection.execute(select(SPLITS.c.ratio).where(mine)).first() is not None:
        return False
    connection.execute(insert(SPLITS).values(venue=venue, symbol=symbol, session=session, ratio=str(ratio)))
    _keep(connection, after)
    line, later = _lines_from(connection, held, session)
    affected = later if line is None else {session: line, **later}
    with localcontext(EXACT):
        for day, old in affected.items():
            quantity, price = plain(old.opening_quantity * ratio), plain(old.opening_price / ratio)
            _keep_line(connection, held, day, replace(old, opening_quantity=quantity, opening_price=price))
    return True


def adopt(connection: Connection, key: PositionKey, session: date, told: Told) -> Position:
    """Take over what the venue says it holds, where our fills do not explain it: shares from before our time.

    No profit comes of it, neither of the position nor of the session: what comes in or goes is worth its present price,
    or where the venue tells none, what it cost.
    """
    before = _held(connection, key)
    after = arithmetic.adopt(before, told.quantity, told.average_price)
    _keep(connection, after)
    line, _ = _lines_from(connection, after, session)
    known = told.average_price if told.quantity else before.average_price
    price = known if told.market_price is None else told.market_price
    if line is None:
        _add_line(connection, after, session, sessions.opened(after, price))
        return after
    with localcontext(EXACT):
        worth = (after.quantity - before.quantity) * price
        _keep_line(connection, after, session, replace(line, flow=plain(line.flow - worth)))
    return after


def _held(connection: Connection, key: PositionKey) -> Position:
    """The position, its row locked: whoever else books into it waits for the end of this transaction."""
    named = _named(key)
    for row in _HELD.rows(connection, named):
        return _position(row)
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    nothing = _as_text(asdict(Position(venue=key[0], symbol=key[1])))
    connection.execute(dialect.insert(POSITIONS).values(nothing).on_conflict_do_nothing())
    (row,) = _HELD.rows(connection, named)
    return _position(row)


def _keep(connection: Connection, position: Position) -> None:
    values = _as_text(asdict(position))
    _KEEP.run(connection, {**_named((values.pop("venue"), values.pop("symbol"))), **values})


def _lines_from(
    connection: Connection, position: Position, session: date
) -> tuple[SessionLine | None, dict[date, SessionLine]]:
    """The session's own line, and those of later sessions in their order."""
    rows = _LINES_FROM.rows(connection, _named((position.venue, position.symbol), session))
    found = {row["session"]: _line(row) for row in rows}
    return found.pop(session, None), found


def _add_line(connection: Connection, position: Position, session: date, line: SessionLine) -> None:
    key = {"session": session, "venue": position.venue, "symbol": position.symbol}
    connection.execute(insert(SESSION_LINES).values(**key, **_as_text(asdict(line))))


def _keep_line(connection: Connection, position: Position, session: date, line: SessionLine) -> None:
    named = _named((position.venue, position.symbol), session)
    _KEEP_LINE.run(connection, {**named, **_as_text(asdict(line))})


def _named(key: PositionKey, session: date | None = None) -> dict[str, Any]:
    named: dict[str, Any] = {"of_venue": key[0], "of_symbol": key[1]}
    return named if session is None else {**named, "of_session": session}


def _position(row: Mapping[Any, Any]) -> Position:
    numbers = {name: Decimal(row[name]) for name in ("quantity", "cost", "realised", "fees", "adopted")}
    return Position(venue=row["venue"], symbol=row["symbol"], **numbers)


def _line(row: Mapping[Any, Any]) -> SessionLine:
    numbers = {name: Decimal(row[name]) for name in ("opening_quantity", "opening_price", "flow", "realised", "fees")}
    return SessionLine(**numbers, day_trades=row["day_trades"], opened_last=row["opened_last"])


def _as_text(values: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in values.items()}
