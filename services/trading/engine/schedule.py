"""Whether a strategy decides at a bar, by the sessions of the calendar."""

from datetime import datetime

from services.trading.engine.config import StrategyConfig
from services.trading.engine.market_time import BarCalendar


def scheduled(config: StrategyConfig, calendar: BarCalendar, at: datetime) -> bool:
    """Whether a strategy decides at the bar that begins at a moment."""
    schedule = config.schedule
    if schedule.hours == "always":
        return True
    session = calendar.session_left(calendar.ended(at))
    if session is None:
        return False
    begun, left = (each.total_seconds() / 60 for each in session)
    return begun >= schedule.after_open_minutes and left >= schedule.before_close_minutes
