"""Plain text from data: aligned columns, durations, sizes, times. Colours only where there is a terminal."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from rich.text import Text

Cell = str | tuple[str, str]
"""A text, or a text and its style."""


def header(*names: str) -> list[Cell]:
    """A first row of names for `columns`."""
    return [(name, "bold") for name in names]


_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
LEVEL_STYLES = {"critical": "bold red", "error": "red", "warning": "yellow", "info": "", "debug": "dim"}


def columns(rows: Sequence[Sequence[Cell]]) -> Text:
    """Rows of cells as left-aligned columns, two blanks between them."""
    widths = [max(len(_text(cell)) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        line = Text()
        for cell, width in zip(row, widths, strict=True):
            line.append(_text(cell).ljust(width + 2), style="" if isinstance(cell, str) else cell[1])
        line.rstrip()
        lines.append(line)
    return Text("\n").join(lines)


def duration(seconds: float | None) -> str:
    """A span of time in its two largest units, "" when it is not known."""
    if seconds is None:
        return ""
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def milliseconds(nanoseconds: int) -> str:
    """A short span of time, in milliseconds with three significant places where it is short."""
    value = nanoseconds / 1e6
    return f"{value:.2f} ms" if value < 10 else f"{value:,.0f} ms"  # noqa: PLR2004 -- below ten, places matter


def mebibytes(size_bytes: int) -> str:
    """A size in MiB, "" for nothing."""
    return f"{size_bytes / 1024**2:,.0f} MiB" if size_bytes else ""


def moment(time_ns: int) -> str:
    """A time, in UTC to the millisecond."""
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S") + (
        f".{time_ns // 1_000_000 % 1000:03d}"
    )


def clock_time(at: datetime) -> str:
    """A moment, in UTC to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def number(value: Decimal) -> str:
    """A number without trailing zeros and without an exponent."""
    return f"{value.normalize():f}"


def dollars(value: Decimal | None) -> str:
    """Money to the cent, "" when it is not known."""
    return "" if value is None else f"{value:,.2f}"


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell[0]
