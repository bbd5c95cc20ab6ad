"""Shipped entries, runbooks and the operator's own make one library."""

import os
from datetime import UTC, date, datetime

import pytest

from services.content.knowledge.library import LARGEST_FILE_BYTES, Library, read_library
from services.content.knowledge.problems import NoSuchEntryError
from services.contracts.knowledge import EntryKind
from tests.content.knowledge.conftest import STALE_AFTER, Shelf, entry_text

TODAY = date(2026, 3, 2)
RUNBOOK = """# Runbook: things

Words before the first alert.

## ThingBroken

**It means** the `thing` is broken. More words.

**Look** here.

### preflight-thing_whole

- Look: at the thing.

## OtherThing

**It means** something else.
"""


def read(shelf: Shelf) -> Library:
    return read_library(shelf.places, today=TODAY)


def said(shelf: Shelf) -> list[str]:
    return [str(problem) for problem in read(shelf).problems]


def test_library_when_the_operator_has_an_entry_of_the_same_id_then_that_one_counts(shelf: Shelf) -> None:
    shelf.put("x-y", title="As it was shipped")
    shelf.put_own("x-y", title="As we see it")
    library = read(shelf)
    assert library.get("x-y").front.title == "As we see it"
    assert library.problems == ()


def test_library_when_a_file_is_no_entry_then_the_others_are_there_all_the_same(shelf: Shelf) -> None:
    shelf.put("x-y")
    shelf.write("own/notes.md", "My notes.\n")
    library = read(shelf)
    assert list(library.entries) == ["x-y"]
    assert [problem.path for problem in library.problems] == ["own/notes.md"]


def test_library_when_the_documentation_is_elsewhere_then_the_setting_is_named(shelf: Shelf) -> None:
    (shelf.directory / "docs" / "knowledge").rmdir()
    (problem,) = said(shelf)
    assert "SIGHTLINE_DOCS_DIR says where it lies" in problem


def test_library_when_a_file_is_named_otherwise_then_its_right_name_is_said(shelf: Shelf) -> None:
    shelf.write("docs/knowledge/other.md", entry_text("x-y"))
    assert said(shelf) == ["knowledge/other.md:2: holds the entry x-y; name the file x-y.md"]


def test_library_when_an_entry_takes_a_runbooks_id_then_it_is_refused(shelf: Shelf) -> None:
    shelf.write("docs/runbooks/things.md", RUNBOOK)
    shelf.put("alert-thingbroken")
    there = "knowledge/alert-thingbroken.md"
    assert said(shelf) == [f"runbooks/things.md:2: has the id alert-thingbroken, which {there} has already"]


def test_library_when_a_file_is_too_large_or_no_text_then_that_is_said(shelf: Shelf) -> None:
    shelf.write("own/large.md", "x" * (LARGEST_FILE_BYTES + 1))
    (shelf.directory / "own" / "bytes.md").write_bytes(b"\xff\xfe")
    assert [line.partition(": ")[0] for line in said(shelf)] == ["own/bytes.md", "own/large.md"]


def test_library_when_an_entry_is_verified_in_the_future_then_that_is_said(shelf: Shelf) -> None:
    shelf.put("x-y", verified_at="2026-03-03")
    assert said(shelf) == ["knowledge/x-y.md: is verified on 2026-03-03, which is to come"]


def test_runbook_when_read_then_each_alert_and_check_is_an_entry(shelf: Shelf) -> None:
    shelf.write("docs/runbooks/things.md", RUNBOOK)
    entries = read(shelf).entries
    assert list(entries) == ["alert-otherthing", "alert-thingbroken", "preflight-thing-whole"]
    alert, check = entries["alert-thingbroken"], entries["preflight-thing-whole"]
    assert (alert.front.kind, alert.front.alert) == (EntryKind.RUNBOOK, "ThingBroken")
    assert alert.front.title == "ThingBroken: the thing is broken"
    assert alert.front.source == "docs/runbooks/things.md#thingbroken"
    assert "### preflight-thing_whole" in alert.body
    assert (check.front.code, check.body) == ("thing_whole", "- Look: at the thing.\n")


def test_runbook_when_it_says_when_it_was_verified_then_that_counts_and_not_the_files_date(shelf: Shelf) -> None:
    path = shelf.write("docs/runbooks/things.md", RUNBOOK)
    changed = datetime(2026, 2, 1, tzinfo=UTC).timestamp()
    os.utime(path, (changed, changed))
    assert read(shelf).get("alert-otherthing").front.verified_at == date(2026, 2, 1)
    shelf.write("docs/runbooks/things.md", "<!-- verified: 2025-11-25 -->\n" + RUNBOOK)
    library = read(shelf)
    assert library.get("alert-otherthing").front.verified_at == date(2025, 11, 25)
    assert len(library.stale(TODAY, STALE_AFTER)) == 3


def test_runbook_when_its_date_is_none_then_that_is_said(shelf: Shelf) -> None:
    shelf.write("docs/runbooks/things.md", "<!-- verified: today -->\n" + RUNBOOK)
    assert said(shelf) == ["runbooks/things.md:1: verified is no date such as 2026-11-25"]


def test_entry_when_superseded_then_it_is_kept_and_answers_no_more(shelf: Shelf) -> None:
    shelf.put("old-one")
    shelf.put("new-one", supersedes="[old-one]")
    library = read(shelf)
    assert [entry.front.id for entry in library.current()] == ["new-one"]
    assert library.superseded_by == {"old-one": "new-one"}
    assert library.get("old-one").front.id == "old-one"


@pytest.mark.parametrize(
    ("supersedes", "problem"),
    [
        ({"a-1": "[gone]"}, "supersedes gone, which does not exist"),
        ({"b-1": "[a-1]", "c-1": "[a-1]"}, "is superseded by b-1 and c-1"),
        ({"a-1": "[c-1]", "b-1": "[a-1]", "c-1": "[b-1]"}, "supersede each other"),
    ],
)
def test_chain_when_it_leads_nowhere_or_round_then_that_is_said(
    shelf: Shelf, supersedes: dict[str, str], problem: str
) -> None:
    for entry_id in ("a-1", "b-1", "c-1"):
        shelf.put(entry_id, supersedes=supersedes.get(entry_id, ""))
    assert any(problem in line for line in said(shelf))


def test_get_when_there_is_no_such_entry_then_it_says_how_to_find_one(shelf: Shelf) -> None:
    with pytest.raises(NoSuchEntryError, match="sightline kb search"):
        read(shelf).get("gone")


def test_fingerprint_when_a_file_comes_changes_or_goes_then_it_differs(shelf: Shelf) -> None:
    seen = [shelf.places.fingerprint()]
    path = shelf.put("x-y")
    seen.append(shelf.places.fingerprint())
    path.write_text(entry_text("x-y", "Longer words than before, to be sure."))
    seen.append(shelf.places.fingerprint())
    path.unlink()
    assert len(set(seen)) == 3
    assert shelf.places.fingerprint() == seen[0]
