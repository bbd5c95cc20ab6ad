"""The runbooks as entries, read from the sections of docs/runbooks: told once, found by both.

A section is about an alert, and a subsection `preflight-...` about a check of the preflight.
"""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import PurePosixPath

from services.content.knowledge.entries import Entry, FrontMatter
from services.content.knowledge.problems import EntryUnreadableError, Problem
from services.contracts.alerting import Severity
from services.contracts.knowledge import EntryKind

_HEADING = re.compile(r"^(## |### preflight-)(\S+)\s*$")
_ANY_HEADING = re.compile(r"^#{1,3} ")
_ALERT = "## "
_VERIFIED = re.compile(r"^<!-- verified: (\S+) -->\s*$")
_MEANING = re.compile(r"\*\*It means\*\*\s+(.+?)[.:](?:\s|$)", re.DOTALL)
_LONGEST_MEANING = 110


def entry_id_of(alert: str) -> str:
    """The id of the entry about an alert."""
    return f"alert-{alert.lower()}"


def read_runbook(text: str, *, path: str, changed_on: date) -> list[Entry]:
    """One entry for each alert's and each check's section of a runbook file.

    Args:
        text: The file's text.
        path: As it is told to people.
        changed_on: When the file was last changed; a line `<!-- verified: 2026-11-25 -->` above the first section
            says when it was last held against the platform, and goes before.

    Raises:
        EntryUnreadableError: That line holds no date, or a section says nothing.
    """
    lines = text.split("\n")
    verified_on = _verified_on(lines, path) or changed_on
    return [
        (_alert if mark == _ALERT else _check)(name, body, path, line, verified_on)
        for mark, name, body, line in _sections(lines)
    ]


def _verified_on(lines: list[str], path: str) -> date | None:
    for number, line in enumerate(lines, 1):
        if found := _VERIFIED.match(line):
            try:
                return date.fromisoformat(found.group(1))
            except ValueError:
                problem = Problem(path, number, "verified is no date such as 2026-11-25")
                raise EntryUnreadableError((problem,)) from None
    return None


def _sections(lines: list[str]) -> Iterator[tuple[str, str, str, int]]:
    for start, line in enumerate(lines):
        if found := _HEADING.match(line):
            ends = (number for number in range(start + 1, len(lines)) if _ends(found.group(1), lines[number]))
            body = "\n".join(lines[start + 1 : next(ends, len(lines))]).strip("\n")
            yield found.group(1), found.group(2), body, start + 1


def _ends(mark: str, line: str) -> bool:
    return line.startswith("## ") if mark == _ALERT else _ANY_HEADING.match(line) is not None


def _alert(name: str, body: str, path: str, line: int, verified_on: date) -> Entry:
    front = FrontMatter(
        id=entry_id_of(name),
        kind=EntryKind.RUNBOOK,
        title=_title(name, body),
        severity=Severity.WARNING,
        alert=name,
        source=_source(path, name.lower()),
        verified_at=verified_on,
    )
    return _entry(front, body, path, line)


def _check(name: str, body: str, path: str, line: int, verified_on: date) -> Entry:
    front = FrontMatter(
        id=f"preflight-{name.replace('_', '-')}",
        kind=EntryKind.ERROR_SIGNATURE,
        title=f"The preflight check {name} failed",
        severity=Severity.WARNING,
        code=name,
        source=_source(path, f"preflight-{name}"),
        verified_at=verified_on,
    )
    return _entry(front, body, path, line)


def _source(path: str, anchor: str) -> str:
    return f"docs/runbooks/{PurePosixPath(path).name}#{anchor}"


def _entry(front: FrontMatter, body: str, path: str, line: int) -> Entry:
    if not body.strip():
        message = "the section says nothing; write what it means and what to do"
        raise EntryUnreadableError((Problem(path, line, message),))
    return Entry(front, f"{body}\n", path, line + 1)


def _title(name: str, body: str) -> str:
    found = _MEANING.search(body)
    meaning = re.sub(r"[`*_]", "", " ".join(found.group(1).split())) if found else ""
    title = f"{name}: {meaning}" if meaning else f"Runbook of {name}"
    return title if len(title) <= _LONGEST_MEANING else f"{title[:_LONGEST_MEANING].rsplit(' ', 1)[0].rstrip(',;')} …"
