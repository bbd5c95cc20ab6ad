"""The market's clock and calendar, in New York's time as Alpaca tells it."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.venue.broker.asking import Ask, Reply
from services.venue.broker.errors import InvalidError
from services.venue.broker.exchange import Exchange

_NEW_YORK: Final = ZoneInfo("America/New_York")
_YEAR: Final = timedelta(days=366)
_LONGEST: Final = timedelta(days=20 * 366)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The handlers."""

    exchange: Exchange

    def clock(self, ask: Ask) -> Reply:  # noqa: ARG002 -- the handler's signature
        """`GET /v2/clock`."""
        now, hours = self.exchange.time.told(), self.exchange.hours
        opens = hours.next_open(now)
        closes = hours.next_close(now) or opens
        return Reply(
            {
                "timestamp": now.astimezone(_NEW_YORK).isoformat(),
                "is_open": hours.is_open(now),
                "next_open": opens.astimezone(_NEW_YORK).isoformat(),
                "next_close": closes.astimezone(_NEW_YORK).isoformat(),
            }
        )

    def days(self, ask: Ask) -> Reply:
        """`GET /v2/calendar`: a year from `start` on by default, twenty at most."""
        today = self.exchange.time.told().astimezone(_NEW_YORK).date()
        first = _date(ask, "start", today)
        last = min(_date(ask, "end", first + _YEAR), first + _LONGEST)
        return Reply(
            [
                {
                    "date": each.day.isoformat(),
                    "open": f"{each.opens.astimezone(_NEW_YORK):%H:%M}",
                    "close": f"{each.closes.astimezone(_NEW_YORK):%H:%M}",
                    "session_open": "0400",
                    "session_close": "2000",
                    "settlement_date": (each.day + timedelta(days=1)).isoformat(),
                }
                for each in self.exchange.hours.days(first, last)
            ]
        )


def _date(ask: Ask, name: str, default: date) -> date:
    given = ask.query.get(name)
    try:
        found = date.fromisoformat(given[:10]) if given else default
    except ValueError:
        raise InvalidError(f"invalid {name}") from None
    if not 1990 <= found.year <= 2100:  # noqa: PLR2004 -- as far as calendars reach
        raise InvalidError(f"invalid {name}")
    return found
