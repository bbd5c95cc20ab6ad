"""What looks wrong in bars that are possible, each by itself: bars that are missing, bars outside of sessions, jumps.

Nothing is mended: whether a jump is a split that nobody adjusted for, a bad tick or news is for a person to say.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from services.contracts.bars import moment_of, nanoseconds_of
from services.contracts.columns import Columns, Floats, Ints
from services.kit.bar_times import daily_start, session_day
from services.kit.market_calendar import MarketCalendar
from services.trading.marketdata.port import Timeframe

_WINDOW: Final = 101  # bars that say what is usual around one
_STEP: Final = 20
_TIMES_USUAL: Final = 12.0
_LEAST_CHANGE: Final = 0.05
_ALWAYS_TOLD: Final = 0.5  # whatever is usual: a split in wild times must not pass for one of many moves
# The median distance of a normal distribution is 0.6745 of its standard deviation.
_TO_DEVIATION: Final = 1 / 0.6745
_SPLITS: Final = (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 50.0)
_LIKE_A_SPLIT: Final = 0.1  # how far the day's own move may carry the ratio from a whole one


@dataclass(frozen=True, slots=True)
class Gap:
    """Bars that the calendar has and the data have not.

    Attributes:
        first, last: Starts of the first and the last one missing, UTC.
        bars: How many.
        after: Place of the bar before them.
    """

    first: datetime
    last: datetime
    bars: int
    after: int


@dataclass(frozen=True, slots=True)
class Outlier:
    """A close that is far from the one before, by what is usual around it.

    Attributes:
        ratio: The close to the one before.
        times_usual: The change to the usual one.
        split: The split that would explain it, as new shares for one old; None where none would.
    """

    start: datetime
    place: int
    ratio: float
    times_usual: float
    split: float | None


@dataclass(frozen=True, slots=True)
class Findings:
    """What looks wrong.

    Attributes:
        outside: Places of bars that lie in no session.
        without_volume: Places of bars in which nothing was traded.
    """

    gaps: list[Gap]
    outliers: list[Outlier]
    outside: list[int]
    without_volume: list[int]

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.gaps or self.outliers or self.outside or self.without_volume)


def check(columns: Columns, timeframe: Timeframe, calendar: MarketCalendar) -> Findings:
    """Look through bars, about 1 s for a million. Raises `OutsideCalendarError` where the calendar does not reach."""
    if not len(columns):
        return Findings([], [], [], [])
    expected = _expected(columns, timeframe, calendar)
    return Findings(
        gaps=list(_gaps(columns, expected)),
        outliers=list(_outliers(columns)),
        outside=np.flatnonzero(~np.isin(columns.time_ns, expected, assume_unique=True)).tolist(),
        without_volume=np.flatnonzero(columns.volume == 0).tolist(),
    )


def missed(after: datetime, until: datetime, timeframe: Timeframe, calendar: MarketCalendar) -> int:
    """How many bars begin after the one that began at `after` and are complete at `until`, by the calendar.

    What a stream owes: with the clock for `until` the bars that are overdue, with the start of the next bar those that
    never came. Raises `OutsideCalendarError`.
    """
    if until <= after:
        return 0
    began = nanoseconds_of(after)
    starts = _starts(after, until, timeframe, calendar, began % _nanoseconds(timeframe))
    starts = starts[starts > began]
    if timeframe is Timeframe.DAY:
        return sum(calendar.close_at(session_day(moment_of(each))) <= until for each in starts.tolist())
    return int(np.count_nonzero(starts + _nanoseconds(timeframe) <= nanoseconds_of(until)))


def complete_before(at: datetime, timeframe: Timeframe, calendar: MarketCalendar) -> datetime:
    """Bars that begin before the moment that is returned are complete at `at`: a running session's day is not.

    Raises `OutsideCalendarError`.
    """
    if timeframe is not Timeframe.DAY:
        return at - timeframe.length + timedelta(microseconds=1)
    running = calendar.session_of(at)
    return at if running is None else daily_start(running)


def _expected(columns: Columns, timeframe: Timeframe, calendar: MarketCalendar) -> Ints:
    first, last = int(columns.time_ns[0]), int(columns.time_ns[-1])
    starts = _starts(moment_of(first), moment_of(last), timeframe, calendar, first % _nanoseconds(timeframe))
    return starts[(starts >= first) & (starts <= last)]


def _starts(first: datetime, last: datetime, timeframe: Timeframe, calendar: MarketCalendar, anchor: int) -> Ints:
    # Within a day they begin at the anchor or whole lengths away from it: hours begin with the clock's at one source
    # and with the session at the other.
    days = calendar.sessions(session_day(first), session_day(last))
    if timeframe is Timeframe.DAY:
        return np.array([nanoseconds_of(daily_start(day)) for day in days], dtype=np.int64)
    length = _nanoseconds(timeframe)
    parts = [np.array([], dtype=np.int64)]
    for day in days:
        opens, closes = nanoseconds_of(calendar.open_at(day)), nanoseconds_of(calendar.close_at(day))
        parts.append(np.arange(opens - (opens - anchor) % length, closes, length))
    return np.concatenate(parts)


def _gaps(columns: Columns, expected: Ints) -> Iterator[Gap]:
    missing = np.flatnonzero(~np.isin(expected, columns.time_ns, assume_unique=True))
    if not len(missing):
        return
    for run in np.split(missing, np.flatnonzero(np.diff(missing) > 1) + 1):
        first, last = int(expected[run[0]]), int(expected[run[-1]])
        after = int(np.searchsorted(columns.time_ns, first)) - 1
        yield Gap(moment_of(first), moment_of(last), len(run), after)


def _outliers(columns: Columns) -> Iterator[Outlier]:
    changes = np.diff(np.log(columns.close))
    if not len(changes):
        return
    times = np.abs(changes) / _usual(changes)
    distant = (times > _TIMES_USUAL) & (np.abs(changes) > _LEAST_CHANGE)
    for at in np.flatnonzero(distant | (np.abs(changes) > _ALWAYS_TOLD)).tolist():
        ratio = float(np.exp(changes[at]))
        start = moment_of(int(columns.time_ns[at + 1]))
        yield Outlier(start, at + 1, ratio, float(times[at]), _split_like(ratio))


def _usual(changes: Floats) -> Floats:
    # The standard deviation around each change, by the median distance from zero: a few jumps do not move a median. One
    # for every so many bars will do, and takes a twentieth of the time.
    window = min(_WINDOW, len(changes))
    windows = np.lib.stride_tricks.sliding_window_view(np.abs(changes), window)[::_STEP]
    medians = np.median(windows, axis=1) * _TO_DEVIATION
    nearest = (np.arange(len(changes)) - window // 2 + _STEP // 2) // _STEP
    usual: Floats = medians[np.clip(nearest, 0, len(medians) - 1)]
    return np.maximum(usual, np.finfo(np.float64).tiny)


def _split_like(ratio: float) -> float | None:
    for shares in _SPLITS:
        if abs(ratio * shares - 1) < _LIKE_A_SPLIT:
            return shares
        if abs(ratio / shares - 1) < _LIKE_A_SPLIT:
            return 1 / shares
    return None


def _nanoseconds(timeframe: Timeframe) -> int:
    return timeframe.length // timedelta(microseconds=1) * 1000
