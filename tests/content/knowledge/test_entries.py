"""A file is an entry, or is refused with its line and what to do."""

from datetime import date

import pytest

from services.content.knowledge.entries import read_entry
from services.content.knowledge.problems import EntryUnreadableError
from services.contracts.knowledge import EntryKind
from tests.content.knowledge.conftest import STALE_AFTER, entry_text, made


def refused(text: str) -> str:
    with pytest.raises(EntryUnreadableError) as caught:
        read_entry(text, path="knowledge/x.md")
    return caught.value.detail


def test_entry_when_read_then_its_fields_and_its_text_are_there() -> None:
    text = entry_text(
        "buying-power",
        "First line.\n\n## More\n",
        kind="error_signature",
        venue="alpaca",
        http_status="403",
        code='"40310000"',
        actions="[reduce, halt]",
    )
    entry = read_entry(text, path="knowledge/buying-power.md")

    assert (entry.front.kind, entry.front.venue, entry.front.http_status) == (
        EntryKind.ERROR_SIGNATURE,
        "alpaca",
        403,
    )
    assert entry.front.code == "40310000"
    assert entry.front.actions == ("reduce", "halt")
    assert entry.body == "First line.\n\n## More\n"
    assert text.split("\n")[entry.body_line - 1] == "First line."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Just words.\n", "knowledge/x.md:1: begins with no front matter"),
        ("---\nid: x-y\n", "knowledge/x.md:1: has front matter that does not end"),
        ("---\n- a list\n---\nwords\n", "knowledge/x.md:1: has front matter that is no list"),
        ("---\nid: [\n---\nwords\n", "knowledge/x.md:2: is not YAML"),
        ("---\nid: x-y\nid: z-z\n---\nwords\n", "id is given twice"),
        (entry_text("x-y", "  \n"), "says nothing below its front matter"),
        (entry_text("x-y", verified_at="soon"), "knowledge/x.md:7: verified_at: "),
        (entry_text("x-y", verified_at=""), "verified_at is missing"),
        (entry_text("x-y", colour="red"), "knowledge/x.md:8: colour is no field of an entry"),
        (entry_text("X Y"), "knowledge/x.md:2: id: "),
        (entry_text("x-y", severity="none"), "knowledge/x.md:5: severity: write critical, warning or info"),
        (entry_text("x-y", kind="error_signature"), "an error_signature needs code, template or regex"),
        (entry_text("x-y", kind="runbook"), "a runbook names its alert"),
        (entry_text("x-y", alert="TargetDown"), "a runbook names its alert"),
        (entry_text("x-y", regex="'(a+)+ is evil'"), "knowledge/x.md:8: regex: repeats, with +"),
        (entry_text("x-y", valid_from="2026-03-02"), "valid_from lies after verified_at"),
        (entry_text("x-y", supersedes="[x-y]"), "cannot supersede itself"),
        (entry_text("x-y", title="Ends with a full stop."), "knowledge/x.md:4: title: "),
    ],
)
def test_entry_when_something_is_wrong_then_file_line_and_remedy_are_named(text: str, said: str) -> None:
    assert said in refused(text)


def test_entry_when_several_fields_are_wrong_then_each_is_named() -> None:
    said = refused(entry_text("x-y", severity="grave", verified_at="soon", http_status="7"))
    assert [line.split(":")[1] for line in said.split("\n")] == ["5", "8", "7"]


def test_entry_when_unverified_for_more_than_ninety_days_then_it_is_stale() -> None:
    days = (date(2026, 5, 30), date(2026, 5, 31))
    assert [made("x-y").stale(today, STALE_AFTER) for today in days] == [False, True]
