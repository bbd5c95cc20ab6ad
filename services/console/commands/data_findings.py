"""What looks wrong in bars, in words."""

from collections.abc import Callable, Iterator
from datetime import datetime

from services.contracts.bars import moment_of
from services.contracts.columns import Columns
from services.kit.bar_times import session_day
from services.trading.marketdata.checks import Findings, Gap, Outlier
from services.trading.marketdata.port import Timeframe

Where = Callable[[int], str]
"""Where the bar at a place stands, such as "line 12"; "" when there is nothing to say."""


def words_for(findings: Findings, columns: Columns, timeframe: Timeframe, where: Where) -> Iterator[str]:
    """A line for each thing that was found."""
    for gap in findings.gaps:
        yield _gap(gap, timeframe, where)
    for outlier in findings.outliers:
        yield _jump(outlier, timeframe, where)
    for places, problem in (
        (findings.outside, "outside of every session"),
        (findings.without_volume, "without any volume"),
    ):
        for place in places:
            at = when(moment_of(int(columns.time_ns[place])), timeframe)
            yield f"{at}{_place(where(place))}: a bar {problem}"


def when(at: datetime, timeframe: Timeframe) -> str:
    """The day of a daily bar, else its start in UTC."""
    return str(session_day(at)) if timeframe is Timeframe.DAY else f"{at:%Y-%m-%d %H:%M} UTC"


def _gap(gap: Gap, timeframe: Timeframe, where: Where) -> str:
    first, last = when(gap.first, timeframe), when(gap.last, timeframe)
    after = where(gap.after)
    behind = f" (after {after})" if after else ""
    if gap.bars == 1:
        return f"{first}{behind}: a bar is missing"
    return f"{first}{behind}: {gap.bars} bars are missing, the last of {last}"


def _jump(outlier: Outlier, timeframe: Timeframe, where: Where) -> str:
    at = f"{when(outlier.start, timeframe)}{_place(where(outlier.place))}"
    text = (
        f"{at}: the close is {outlier.ratio:.3f} times the one before, a change {outlier.times_usual:.0f} times the"
        " usual one"
    )
    if outlier.split is None:
        return text
    new, old = (outlier.split, 1.0) if outlier.split >= 1 else (1.0, 1 / outlier.split)
    return f"{text}; a split of {new:g} for {old:g} would explain it"


def _place(place: str) -> str:
    return f" ({place})" if place else ""
