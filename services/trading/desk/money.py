"""What is held and what the day has earned, read off the books at present prices."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from services.contracts.market import Symbol
from services.contracts.orders import VenueName
from services.kit.clock import Clock
from services.trading.desk.prices import Prices
from services.trading.desk.views import Holding
from services.trading.orders.transactions import Readings, Transactions
from services.trading.portfolio import store
from services.trading.portfolio.position import Position
from services.trading.portfolio.sessions import day_result, session_date

if TYPE_CHECKING:
    from datetime import date

_FIVE_SESSIONS: Final = timedelta(days=7)  # with a weekend and a holiday among them


class Money:
    """Positions and the day's result. The result is as of the last `refresh`; everything else is as of the call.

    Args:
        transactions: Where sessions are opened; guarded by the owner's fence.
        readings: The same database, for looking.
        prices: What shares are worth.
        clock: Says which session it is.
    """

    def __init__(self, transactions: Transactions, readings: Readings, prices: Prices, clock: Clock) -> None:
        self._transactions = transactions
        self._readings = readings
        self._prices = prices
        self._clock = clock
        self._opened: date | None = None
        self._day_result = Decimal(0)
        self._day_trades: Mapping[VenueName, int] | None = None

    @property
    def day_result(self) -> Decimal:
        """The session's profit so far, realised and unrealised, after fees, in dollars; negative for a loss."""
        return self._day_result

    def day_trades(self, venue: VenueName) -> int | None:
        """How often a position of this week was opened and closed in one session; None before the first refresh."""
        return None if self._day_trades is None else self._day_trades.get(venue, 0)

    def positions(self, venue: VenueName | None = None) -> tuple[Position, ...]:
        """What is or was held. Raises `DatabaseError`."""
        with self._readings.reading() as connection:
            return store.positions(connection, venue)

    def holdings(self) -> tuple[Holding, ...]:
        """The same with present prices. Raises `DatabaseError`."""
        return tuple(Holding(position, self._mark(position.symbol)) for position in self.positions())

    def refresh(self) -> Decimal:
        """Work the day's result out anew; at the first call of a session, note what it begins with.

        Raises:
            DatabaseError: The database is away.
            NotOwnerError: A session is to be opened, and another process trades.
        """
        session = session_date(self._clock.now())
        positions = self.positions()
        self._prices.refresh(position.symbol for position in positions if position.quantity)
        marks = self._marks(positions)
        if self._opened != session:
            with self._transactions.transaction() as tx:
                store.open_session(tx.connection, session, marks)
            self._opened = session
        with self._readings.reading() as connection:
            lines = store.lines(connection, session)
            self._day_result = day_result(lines, store.positions(connection), marks).total
            self._day_trades = store.day_trades(connection, session - _FIVE_SESSIONS)
        return self._day_result

    def _marks(self, positions: tuple[Position, ...]) -> Mapping[Symbol, Decimal]:
        known = {position.symbol: self._mark(position.symbol) for position in positions if position.quantity}
        return {symbol: mark for symbol, mark in known.items() if mark is not None}

    def _mark(self, symbol: Symbol) -> Decimal | None:
        reference = self._prices.known(symbol)
        return None if reference is None else reference.price
