"""Every entry that there is: the platform's, the runbooks of its alerts, and the operator's own on top."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final

from services.content.knowledge.entries import Entry, read_entry
from services.content.knowledge.problems import EntryUnreadableError, NoSuchEntryError, Problem
from services.content.knowledge.runbooks import read_runbook
from services.contracts.knowledge import EntryId

LARGEST_FILE_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Places:
    """Where entries lie.

    Attributes:
        docs: The documentation, whose `knowledge` holds entries and whose `runbooks` hold the alerts' sections.
        own: The operator's own entries; one with the id of a shipped one takes its place. Need not be there.
    """

    docs: Path
    own: Path

    def fingerprint(self) -> frozenset[tuple[str, int, int]]:
        """Changes when a file is added, changed or taken away: path, time of change and size of each."""
        found = set()
        for path, _ in (*self.entry_files(), *self.runbook_files()):
            try:
                state = path.stat()
            except OSError:  # it went, or cannot be read; reading it tells which
                found.add((str(path), 0, 0))
            else:
                found.add((str(path), state.st_mtime_ns, state.st_size))
        return frozenset(found)

    def entry_files(self) -> list[tuple[Path, str]]:
        """Files of entries with the paths that people are told; the operator's own last."""
        shipped = [(path, f"knowledge/{path.name}") for path in sorted((self.docs / "knowledge").glob("*.md"))]
        return [*shipped, *((path, f"own/{path.name}") for path in sorted(self.own.glob("*.md")))]

    def runbook_files(self) -> list[tuple[Path, str]]:
        """Files of runbooks with the paths that people are told."""
        return [(path, f"runbooks/{path.name}") for path in sorted((self.docs / "runbooks").glob("*.md"))]


@dataclass(frozen=True, slots=True)
class Library:
    """Entries by id, and what was wrong with the files that hold none.

    Attributes:
        superseded_by: From an entry to the one that took its place.
        files: The file that each entry was read from.
    """

    entries: Mapping[EntryId, Entry]
    problems: tuple[Problem, ...]
    superseded_by: Mapping[EntryId, EntryId]
    files: Mapping[EntryId, Path]

    def get(self, entry_id: str) -> Entry:
        """One entry. Raises `NoSuchEntryError`."""
        found = self.entries.get(entry_id)
        if found is None:
            raise NoSuchEntryError("No entry has this id; `sightline kb search WORDS` looks for it by its words.")
        return found

    def current(self) -> tuple[Entry, ...]:
        """Every entry that answers, in order of ids: no draft, and none that another took the place of."""
        return tuple(
            entry
            for entry_id, entry in self.entries.items()
            if entry_id not in self.superseded_by and not entry.front.draft
        )

    def drafts(self) -> tuple[Entry, ...]:
        """Entries that somebody has begun to write."""
        return tuple(entry for entry in self.entries.values() if entry.front.draft)

    def stale(self, today: date, stale_after: timedelta) -> tuple[Entry, ...]:
        """Current entries whose statements were not verified for longer than they are trusted."""
        return tuple(entry for entry in self.current() if entry.stale(today, stale_after))


def read_library(places: Places, *, today: date) -> Library:
    """Read every file. What cannot be read becomes a problem, and the rest is there all the same."""
    read: list[tuple[Entry, Path]] = []
    problems: list[Problem] = []
    if not (places.docs / "knowledge").is_dir():
        problems.append(Problem("knowledge", 0, f"is not in {places.docs}; SIGHTLINE_DOCS_DIR says where it lies"))
    for path, told in places.entry_files():
        try:
            read.append((_entry(path, told), path))
        except EntryUnreadableError as error:
            problems += error.problems
    for path, told in places.runbook_files():
        try:
            changed_on = min(datetime.fromtimestamp(path.stat().st_mtime, UTC).date(), today)
            read += [(entry, path) for entry in read_runbook(_text(path, told), path=told, changed_on=changed_on)]
        except EntryUnreadableError as error:
            problems += error.problems
    return _assembled(read, problems, today)


def _entry(path: Path, told: str) -> Entry:
    entry = read_entry(_text(path, told), path=told)
    if path.stem != entry.front.id:
        problem = Problem(told, 2, f"holds the entry {entry.front.id}; name the file {entry.front.id}.md")
        raise EntryUnreadableError((problem,))
    return entry


def _text(path: Path, told: str) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            message = f"is larger than {LARGEST_FILE_BYTES} bytes; split it into several entries"
            raise EntryUnreadableError((Problem(told, 0, message),))
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise EntryUnreadableError((Problem(told, 0, f"cannot be read: {error.strerror}"),)) from None
    except UnicodeDecodeError:
        raise EntryUnreadableError((Problem(told, 0, "is not UTF-8 text"),)) from None


def _assembled(read: Iterable[tuple[Entry, Path]], problems: list[Problem], today: date) -> Library:
    entries: dict[EntryId, Entry] = {}
    files: dict[EntryId, Path] = {}
    for entry, path in read:
        there = entries.get(entry.front.id)
        if there is not None and not _may_replace(entry, there):
            problems.append(Problem(entry.path, 2, f"has the id {entry.front.id}, which {there.path} has already"))
            continue
        if entry.front.verified_at > today:
            problems.append(Problem(entry.path, 0, f"is verified on {entry.front.verified_at}, which is to come"))
        entries[entry.front.id], files[entry.front.id] = entry, path
    ordered = dict(sorted(entries.items()))
    superseded_by = _chain(ordered, problems)
    return Library(
        MappingProxyType(ordered), tuple(sorted(problems)), MappingProxyType(superseded_by), MappingProxyType(files)
    )


def _may_replace(entry: Entry, there: Entry) -> bool:
    return entry.path.startswith("own/") and not there.path.startswith("own/")


def _chain(entries: Mapping[EntryId, Entry], problems: list[Problem]) -> dict[EntryId, EntryId]:
    """Who took whose place; each may be superseded once, by what is there, and never in a circle."""
    claims: dict[EntryId, list[EntryId]] = defaultdict(list)
    for entry_id, entry in entries.items():
        for old in entry.front.supersedes:
            claims[old].append(entry_id)
    superseded_by = {}
    for old, heirs in claims.items():
        if old not in entries:
            message = f"supersedes {old}, which does not exist; keep superseded entries, or drop the line"
            problems.extend(Problem(entries[heir].path, 0, message) for heir in heirs)
        elif len(heirs) > 1:
            problems.append(Problem(entries[old].path, 0, f"is superseded by {' and '.join(heirs)}; one may"))
        elif _leads_back(old, heirs[0], claims):
            problems.append(Problem(entries[old].path, 0, f"and {heirs[0]} supersede each other"))
        else:
            superseded_by[old] = heirs[0]
    return superseded_by


def _leads_back(old: EntryId, heir: EntryId, claims: Mapping[EntryId, Sequence[EntryId]]) -> bool:
    seen = {heir}
    waiting = list(claims.get(heir, ()))
    while waiting:
        above = waiting.pop()
        if above == old:
            return True
        if above not in seen:
            seen.add(above)
            waiting += claims.get(above, ())
    return False
