"""The beginning of an entry, from what is known of a gap."""

from datetime import date

import yaml

from services.content.knowledge.entries import FENCE
from services.contracts.alerting import Severity
from services.contracts.knowledge import EntryId, EntryKind, Gap

_ABOUT = {
    EntryKind.API: "What is asked: ...\n\nWhat is answered, and how errors look: ...\n\nLimits: ...\n",
    EntryKind.BEHAVIOUR: "What one would expect: ...\n\nWhat it does instead, and how that was seen: ...\n",
    EntryKind.POLICY: "The rule: ...\n\nWhom it binds, from when, and where it is written: ...\n",
    EntryKind.KNOWN_ISSUE: "What goes wrong: ...\n\nSince when, under which conditions: ...\n",
    EntryKind.ERROR_SIGNATURE: "What it means: ...\n",
    EntryKind.RUNBOOK: "It means: ...\n\nWhere to look, in this order: ...\n\nIt is over when: ...\n",
}
_TO_DO = "\n**What the platform does.** ...\n\n**What helps.** ...\n"


def draft(  # noqa: PLR0913 -- what a person may say at the start
    entry_id: EntryId, kind: EntryKind, *, title: str, venue: str, gap: Gap | None, today: date
) -> str:
    """A file's text that reads as an entry and answers nothing before its line `draft` is taken out.

    Args:
        entry_id: Of the entry.
        kind: What it will tell.
        title: "" takes the gap's text, or asks for one.
        venue: "" takes the gap's.
        gap: The error that it will answer; None for an entry about something else.
        today: When it was begun.
    """
    front: dict[str, object] = {
        "id": str(entry_id),
        "kind": kind.value,
        "title": title or _title(entry_id, gap),
        "venue": venue or (gap.venue if gap else ""),
        "severity": Severity.WARNING.value,
        "http_status": gap.http_status if gap else None,
        "code": gap.code if gap else "",
        "template": gap.signature if gap else "",
        "regex": "say what to look for" if kind is EntryKind.ERROR_SIGNATURE and gap is None else "",
        "source": "say where it is known from",
        "verified_at": today,
        "draft": True,
    }
    told = yaml.safe_dump(
        {name: value for name, value in front.items() if value not in {"", None}},
        sort_keys=False,
        allow_unicode=True,
        width=1_000,
    )
    return f"{FENCE}\n{told}{FENCE}\n\n{_ABOUT[kind]}{_TO_DO}{_seen(gap)}"


def _title(entry_id: EntryId, gap: Gap | None) -> str:
    text = gap.signature if gap and gap.signature else entry_id.replace("-", " ")
    return text[:110].rstrip(" .") if len(text) >= 5 else f"About {entry_id}"  # noqa: PLR2004 -- the shortest title


def _seen(gap: Gap | None) -> str:
    if gap is None:
        return ""
    times = "once" if gap.sightings == 1 else f"{gap.sightings} times"
    example = gap.example.replace("`", "'")
    return (
        f"\nMet {times} between {gap.first_seen_at:%Y-%m-%d} and {gap.last_seen_at:%Y-%m-%d} by {gap.source},"
        f" the last time as:\n\n```\n{example}\n```\n"
    )
