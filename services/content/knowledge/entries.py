"""What an entry is: a Markdown file whose front matter says what it is about, checked field by field."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from services.content.knowledge.patterns import UnsafePatternError, compiled
from services.content.knowledge.problems import EntryUnreadableError, Problem
from services.contracts.alerting import Severity
from services.contracts.knowledge import EntryId, EntryKind, EntrySummary, EntryView
from services.kit.yaml_text import YamlUnreadableError, parse

FENCE: Final = "---"
SEVERITIES: Final = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)

_WHERE_IN_YAML = re.compile(r" at line (\d+), column \d+")
_Sentence = Annotated[str, StringConstraints(min_length=5, max_length=120, pattern=r"^[^\n]*[^\n.]$")]
_Words = Annotated[str, StringConstraints(max_length=300, pattern=r"^[^\n]*$")]
_Action = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{1,63}$")]


class FrontMatter(BaseModel):
    """The fields of an entry; what each means stands in docs/knowledge.md."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: EntryId
    kind: EntryKind
    title: _Sentence
    venue: Annotated[str, StringConstraints(max_length=64, pattern=r"^([a-z][a-z0-9_-]*)?$")] = ""
    severity: Severity
    http_status: int | None = Field(default=None, ge=100, le=599)
    code: Annotated[str, StringConstraints(max_length=100, pattern=r"^\S*$")] = ""
    template: _Words = ""
    regex: _Words = ""
    alert: Annotated[str, StringConstraints(max_length=100, pattern=r"^([A-Z][A-Za-z0-9]*)?$")] = ""
    actions: tuple[_Action, ...] = ()
    source: Annotated[str, StringConstraints(min_length=3, max_length=500, pattern=r"^[^\n]*$")]
    verified_at: date
    valid_from: date | None = None
    supersedes: tuple[EntryId, ...] = ()
    draft: bool = False

    @field_validator("severity")
    @classmethod
    def _known_severity(cls, value: Severity) -> Severity:
        if value not in SEVERITIES:
            raise ValueError("write critical, warning or info")
        return value

    @field_validator("regex")
    @classmethod
    def _safe(cls, value: str) -> str:
        if value:
            try:
                compiled(value)
            except UnsafePatternError as error:
                raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.kind is EntryKind.ERROR_SIGNATURE and not (self.template or self.regex or self.code):
            raise ValueError("an error_signature needs code, template or regex, or nothing can match it")
        if (self.kind is EntryKind.RUNBOOK) != bool(self.alert):
            raise ValueError("a runbook names its alert, and nothing else does")
        if self.valid_from is not None and self.valid_from > self.verified_at:
            raise ValueError("valid_from lies after verified_at")
        if self.id in self.supersedes:
            raise ValueError("an entry cannot supersede itself")
        return self


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry.

    Attributes:
        path: As it is told to people: below the documentation's directory or the operator's own.
        body_line: The line of the file that the body begins at, from 1.
    """

    front: FrontMatter
    body: str
    path: str
    body_line: int

    def stale(self, today: date, stale_after: timedelta) -> bool:
        """Whether its statements were not verified for longer than they are trusted."""
        return today - self.front.verified_at > stale_after

    def summary(self, today: date, stale_after: timedelta) -> EntrySummary:
        """It without its text."""
        return EntrySummary(
            id=self.front.id,
            kind=self.front.kind,
            title=self.front.title,
            venue=self.front.venue,
            severity=self.front.severity,
            verified_at=self.front.verified_at,
            stale=self.stale(today, stale_after),
            path=self.path,
        )

    def view(self, today: date, stale_after: timedelta, *, superseded_by: EntryId | None) -> EntryView:
        """It in full."""
        return EntryView(
            **self.summary(today, stale_after).model_dump(),
            **self.front.model_dump(include=_TOLD_IN_FULL),
            body=self.body,
            superseded_by=superseded_by,
        )


_TOLD_IN_FULL: Final = {
    *("source", "actions", "http_status", "code", "template", "regex", "alert", "valid_from", "supersedes"),
}


def read_entry(text: str, *, path: str) -> Entry:
    """An entry from a file's text.

    Raises:
        EntryUnreadableError: It is none; every problem names its line.
    """
    lines = text.split("\n")
    if not lines or lines[0].rstrip() != FENCE:
        raise _unreadable(path, 1, f"begins with no front matter; the first line of an entry is {FENCE}")
    closing = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == FENCE), None)
    if closing is None:
        raise _unreadable(path, 1, f"has front matter that does not end; close it with a line {FENCE}")
    front = _front(lines[1:closing], path)
    body = "\n".join(lines[closing + 1 :]).strip("\n")
    if not body.strip():
        raise _unreadable(path, closing + 1, "says nothing below its front matter; write what it means and what helps")
    blank = next(number for number, line in enumerate(lines[closing + 1 :]) if line.strip())
    return Entry(front, f"{body}\n", path, closing + 2 + blank)


def _front(lines: list[str], path: str) -> FrontMatter:
    try:
        fields = parse("\n".join(lines))
    except YamlUnreadableError as error:
        found = _WHERE_IN_YAML.search(str(error))
        where = int(found.group(1)) + 1 if found else 1
        raise _unreadable(path, where, _WHERE_IN_YAML.sub("", str(error))) from None
    if not isinstance(fields, dict):
        raise _unreadable(path, 1, "has front matter that is no list of `name: value` lines")
    try:
        return FrontMatter.model_validate(fields)
    except ValidationError as error:
        raise EntryUnreadableError(
            tuple(
                _problem(path, lines, detail["loc"], detail["type"], detail["msg"])
                for detail in error.errors(include_url=False, include_context=False, include_input=False)
            )
        ) from None


def _problem(path: str, lines: list[str], place: tuple[int | str, ...], kind: str, said: str) -> Problem:
    name = str(place[0]) if place else ""
    words = said.removeprefix("Value error, ")
    if kind == "missing":
        message = f"{name} is missing; docs/knowledge.md lists the fields"
    elif kind == "extra_forbidden":
        message = f"{name} is no field of an entry; {', '.join(FrontMatter.model_fields)} are"
    else:
        message = f"{name}: {words[0].lower()}{words[1:]}" if name else words
    return Problem(path, _line_of(name, lines), message)


def _line_of(name: str, lines: list[str]) -> int:
    return next((number for number, line in enumerate(lines, 2) if line.startswith(f"{name}:")), 1)


def _unreadable(path: str, line: int, message: str) -> EntryUnreadableError:
    return EntryUnreadableError((Problem(path, line, message),))
