"""Whether what an entry points to is there."""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from services.content.knowledge.entries import Entry
from services.content.knowledge.library import Library, Places
from services.content.knowledge.problems import Problem

_LINK = re.compile(r"\[[^\]\n]{0,300}\]\(([^)\s]{1,500})\)")
_Anchors = Callable[[Path], frozenset[str]]
_REPOSITORY_PATH = re.compile(r"^(docs|prometheus|loki|services|tests)/[\w./#-]{1,200}$")


def link_problems(library: Library, places: Places) -> list[Problem]:
    """Links that lead nowhere: in the text of entries, and sources that are files of this repository.

    Runbooks are documents like others and looked at with those.
    """
    anchors = lru_cache(maxsize=512)(_anchors)
    found: list[Problem] = []
    for entry_id, entry in library.entries.items():
        if not entry.path.startswith("runbooks/"):
            found += _of(entry, library.files[entry_id], places, anchors)
    return sorted(found)


def _of(entry: Entry, file: Path, places: Places, anchors: _Anchors) -> Iterator[Problem]:
    if _REPOSITORY_PATH.match(entry.front.source) and not _leads_somewhere(
        entry.front.source, [places.docs.parent], anchors
    ):
        yield Problem(entry.path, 0, f"names the source {entry.front.source}, which does not exist")
    for number, line in enumerate(entry.body.split("\n"), entry.body_line):
        for target in _LINK.findall(line):
            if "://" in target or target.startswith("mailto:"):
                continue
            # An entry of the operator's is read as if it lay among the shipped ones.
            if not _leads_somewhere(target, [file.parent, places.docs / "knowledge"], anchors):
                yield Problem(entry.path, number, f"links to {target}, which leads nowhere")


def _leads_somewhere(target: str, bases: list[Path], anchors: _Anchors) -> bool:
    name, _, anchor = target.partition("#")
    for base in bases:
        path = (base / name).resolve()
        if path.is_file() and (not anchor or path.suffix != ".md" or anchor in anchors(path)):
            return True
    return False


def _anchors(path: Path) -> frozenset[str]:
    headings = (line.lstrip("#") for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#"))
    return frozenset(_anchor(heading) for heading in headings)


def _anchor(heading: str) -> str:
    """As GitHub makes anchors of headings."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
