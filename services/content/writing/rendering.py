"""Writes documents as Markdown and as one HTML page that loads nothing. Whatever others wrote is escaped."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from services.content.writing.chart import equity_chart, timeline_chart
from services.content.writing.inputs import PeriodInputs, PostmortemInputs
from services.contracts.documents import SourcedNumber

JUDGEMENT: Final = "(a person's judgement: left blank)"
_TEMPLATES: Final = Path(__file__).parent / "templates"
_MARKS: Final = re.compile(r"([\\`*_{}\[\]<>#|~$&@!])")
_LINKED: Final = re.compile(r"(://|\bwww\.)", re.IGNORECASE)  # what some readers make a link of by itself
_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]+")


@dataclass(frozen=True, slots=True)
class Written:
    """A document in its two forms."""

    markdown: str
    html: str


def render_postmortem(inputs: PostmortemInputs) -> Written:
    """A postmortem; the same inputs make the same bytes."""
    account = inputs.account
    marks = [("began", account.started_at), ("detected", account.detected_at)]
    if account.mitigated_at is not None:
        marks.append(("mitigated", account.mitigated_at))
    marks.append((account.outcome, account.ended_at))
    words = {"account": account, "gathered": inputs.gathered, "lines": inputs.lines, "trace_ids": inputs.trace_ids}
    svg = _inline(timeline_chart(inputs.lines, marks))
    return _written("postmortem", {**words, "numbers": inputs.numbers, "title": title_of(inputs)}, svg)


def render_period(inputs: PeriodInputs) -> Written:
    """A text about a period; the same inputs make the same bytes."""
    words = {"title": inputs.title, "incidents": inputs.incidents, "gathered": inputs.gathered}
    svg = _inline(equity_chart(inputs.equity)) if inputs.equity else Markup()
    return _written("period", {**words, "numbers": inputs.overview, "sections": inputs.sections}, svg)


def title_of(inputs: PostmortemInputs) -> str:
    """What a postmortem is called."""
    return f"Postmortem: {inputs.account.title}"


def markdown_text(value: object) -> str:
    """A text as Markdown shows it letter by letter, on one line; what the template's author marked stays as it is."""
    if isinstance(value, Markup):
        return str(value)
    seen = _UNSEEN.sub(" ", str(value)).strip()
    escaped = _MARKS.sub(r"\\\1", seen)
    if escaped[:1] in {"-", "+", "="}:
        escaped = f"\\{escaped}"
    return _LINKED.sub(lambda found: found.group(0)[:-1] + "\\" + found.group(0)[-1], escaped)


def _written(name: str, words: dict[str, object], svg: Markup) -> Written:
    words |= {"judgement": JUDGEMENT}
    markdown = _environment(autoescape=False).get_template(f"{name}.md.j2").render(words)
    html = _environment(autoescape=True).get_template(f"{name}.html.j2").render({**words, "svg": svg})
    return Written(markdown.rstrip() + "\n", html.rstrip() + "\n")


def _environment(*, autoescape: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=autoescape,  # noqa: S701 -- Markdown has an escaping of its own, below
        finalize=None if autoescape else markdown_text,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["amount"] = _amount
    environment.filters["code"] = _code
    environment.filters["moment"] = "{:%Y-%m-%d %H:%M:%S} UTC".format
    environment.filters["clock"] = "{:%H:%M:%S}".format
    return environment


def _amount(number: SourcedNumber) -> str:
    if number.value is None:
        return "not known"
    digits = {"": 0, "dollars": 2}.get(number.unit, 1)
    told = f"{number.value:,.{digits}f}"
    return f"{'at least ' if number.at_least else ''}{told}{f' {number.unit}' if number.unit else ''}"


def _code(value: str) -> Markup:
    """A query as code in Markdown; a backtick cannot end it, a bar cannot end its cell."""
    text = _UNSEEN.sub(" ", value).replace("`", "'").replace("|", "\\|")
    return Markup(f"`{text}`")  # noqa: S704 -- inside code Markdown marks nothing


def _inline(svg: bytes) -> Markup:
    text = svg.decode()
    # Drawn by us from moments and fixed words; the prologue is for files of their own.
    return Markup(text[text.index("<svg") :])  # noqa: S704
