"""What the exchange's calendar says of a moment, in the gate's words."""

from datetime import datetime, timedelta
from typing import Final

from services.kit.market_calendar import MarketCalendar, OutsideCalendarError
from services.trading.portfolio.sessions import session_date
from services.trading.risk.sight import Market

# The venues take orders from 4:00 to 20:00 New York time; the regular session is from 9:30 to 16:00.
_BEFORE: Final = timedelta(hours=5, minutes=30)
_AFTER: Final = timedelta(hours=4)


class MarketHours:
    """The sessions of one calendar. Safe to use from any thread."""

    def __init__(self, calendar: MarketCalendar) -> None:
        self._calendar = calendar

    def market(self, at: datetime) -> Market:
        """Whether the market is open at a moment; a moment that the calendar does not reach counts as closed."""
        try:
            if self._calendar.is_open(at):
                return Market.OPEN
            day = session_date(at)
            if not self._calendar.sessions(day, day):
                return Market.CLOSED
            begin, end = self._calendar.open_at(day) - _BEFORE, self._calendar.close_at(day) + _AFTER
        except OutsideCalendarError:
            return Market.CLOSED
        return Market.EXTENDED if begin <= at < end else Market.CLOSED
