"""Pictures in documents: what was seen when, in lanes, and what accounts were worth. The same input, the same bytes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from threading import Lock
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from services.content.writing.inputs import Curve, Line

_LANES: Final = ("metric", "span", "log", "fact", "action", "incident")  # from the bottom
_COLOURS: Final = {"error": "#b3261e", "critical": "#b3261e", "warning": "#b26a00"}
_BLUE, _GREY = "#1f5fa8", "#6b7280"
# Text as outlines looks alike everywhere; the salt makes ids from what they name instead of from chance.
_STYLE: Final[dict[Any, Any]] = {
    "svg.hashsalt": "sightline",
    "svg.fonttype": "path",
    "font.size": 9,
    "date.converter": "concise",
}
_drawing = Lock()  # matplotlib's settings are the process's


def timeline_chart(lines: Sequence[Line], marks: Sequence[tuple[str, datetime]]) -> bytes:
    """An SVG of the lines by source, with a dashed line at each of the named moments."""
    with _drawing, mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 3.0), layout="constrained")
        axes = figure.subplots()
        moments: list[Any] = [line.at for line in lines]
        colours = [_COLOURS.get(line.level, _BLUE) for line in lines]
        axes.scatter(moments, [_LANES.index(line.source) for line in lines], c=colours, s=22, zorder=3)
        axes.set_yticks(range(len(_LANES)), _LANES)
        axes.set_ylim(-0.6, len(_LANES) - 0.1)
        for name, moment in marks:
            place: Any = moment
            axes.axvline(place, color=_GREY, linewidth=0.8, linestyle="--")
            axes.annotate(name, (place, len(_LANES) - 0.4), fontsize=8, color=_GREY, rotation=20)
        axes.grid(visible=True, axis="y", linewidth=0.4)
        return _written(figure)


def equity_chart(curves: Sequence[Curve]) -> bytes:
    """An SVG with one line for each account; the same curves make the same bytes."""
    with _drawing, mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 3.0), layout="constrained")
        axes = figure.subplots()
        for curve in curves:
            moments: list[Any] = [datetime.fromtimestamp(seconds, UTC) for seconds, _ in curve.points]
            axes.plot(
                moments, [value for _, value in curve.points], linewidth=1.2, label=curve.name.replace("$", r"\$")
            )
        axes.set_ylabel("dollars")
        axes.legend(loc="best", fontsize=8, frameon=False)
        axes.grid(visible=True, axis="y", linewidth=0.4)
        return _written(figure)


def _written(figure: Figure) -> bytes:
    out = BytesIO()
    # No date, no program's version: they would make other bytes of the same document.
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(out, format="svg", metadata=metadata)
    return out.getvalue()
