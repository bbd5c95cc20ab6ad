"""Digests, weekly reviews and audit reports: what is counted and listed, and what is said where it is not known."""

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from services.auth.instruments import TABLE as AUTH
from services.automation.instruments import TABLE as AUTOMATION
from services.content.writing import periods
from services.content.writing.gathering import AUDIT_BROKEN, EQUITY
from services.content.writing.parts import PARTS
from services.content.writing.problems import SETTLED_SECONDS, NotOverError
from services.contracts.documents import DocumentKind, DocumentRequest, DocumentView
from services.trading.instruments import TABLE as TRADING
from telemetry.query.open import ReadersOptions, open_readers
from telemetry.records import LogEntry, Outcome, Sample
from telemetry.sinks.embedded import EmbeddedStore
from tests.content.writing.conftest import BEGAN, HOSTILE, INCIDENT, ORDERS, House, after, incident, line
from tests.telemetry.query_backs import StoppedClock

if TYPE_CHECKING:
    from services.contracts.events import Event

START, END = BEGAN - timedelta(hours=6), BEGAN + timedelta(hours=1)


def fact(seconds: float, event_type: str, text: str, **fields: str) -> LogEntry:
    entry = line(seconds, text, event_type=event_type, event_id=f"{event_type}-{seconds}")
    return entry._replace(fields=tuple(sorted((*entry.fields, *fields.items()))))


def written(house: House, kind: DocumentKind, end: datetime = END) -> DocumentView:
    house.clock.advance((END - after(300)).total_seconds() + SETTLED_SECONDS)
    return house.desk.write(DocumentRequest(kind=kind, period_start=START, period_end=end))


def numbers(view: DocumentView) -> dict[str, float | None]:
    return {number.name: number.value for number in view.numbers}


def measured(house: House, *samples: tuple[float, str, dict[str, str], float]) -> None:
    store = EmbeddedStore(house.store, service_name="trading", env="test", clock=StoppedClock())
    sink = store.metric_sink()
    batch = [
        Sample(name, tuple(sorted(labels.items())), value, int(after(seconds).timestamp()) * 10**9)
        for seconds, name, labels, value in samples
    ]
    assert sink.write(batch) is Outcome.DELIVERED
    sink.close()


def test_digest_when_written_then_incidents_and_orders_of_its_period_are_counted(house: House) -> None:
    house.log(*ORDERS)
    house.hear(*incident())
    view = written(house, DocumentKind.DIGEST)

    told = numbers(view)
    assert [told[name] for name in ("incidents resolved", "incidents escalated", "orders filled")] == [1, 0, 1]
    assert told["orders submitted"] == 2  # one of its lines reached the log twice
    assert "alpha is slow (resolved)" in view.markdown
    again = house.desk.again(view.id)
    assert (again.markdown, again.html) == (view.markdown, house.desk.html(view.id))


def test_text_when_asked_for_again_then_it_is_the_one_that_there_is(house: House) -> None:
    first = written(house, DocumentKind.DIGEST)
    house.log(*ORDERS)
    assert house.desk.write(DocumentRequest(kind=DocumentKind.DIGEST, period_start=START, period_end=END)) == first
    assert len(house.stated("content.document_written")) == 1


def test_audit_report_when_written_then_it_tells_who_did_what_in_each_subject(house: House) -> None:
    house.log(
        fact(1, "auth.login_failed", "login of a1 failed", reason="code_late"),
        fact(2, "auth.login_failed", "login of a1 failed", reason="code_late"),
        fact(3, "auth.login_failed", "login of a2 failed", reason="refused"),
        fact(4, "auth.secret_stored", "olga stored the seed of a1"),
        service_name="auth",
    )
    house.log(*ORDERS, fact(20, "trading.state_changed", "trading was active and is halted, by olga: news"))
    house.log(
        fact(30, "pipelines.approval_granted", "olga allowed resume"),
        fact(31, "alerting.alert_fired", "alert BrokerDown fires", alert_name="BrokerDown"),
        service_name="automation",
    )
    measured(house, (10, AUDIT_BROKEN, {"service_name": "auth"}, 0.0))
    view = written(house, DocumentKind.AUDIT_REPORT)

    told = numbers(view)
    assert told["logins that failed"] == 3
    assert [told[f"logins that failed: {reason}"] for reason in ("code_late", "refused")] == [2, 1]
    assert told["approvals granted"] == told["alerts fired: BrokerDown"] == told["changes of the trading state"] == 1
    assert told["looks that found it broken"] == 0
    assert (told["looks that found the audit trail whole"] or 0) >= 1
    for listed in ("olga stored the seed of a1", "olga allowed resume", "is halted, by olga: news"):
        assert listed in view.markdown
    assert "login of a1 failed" not in view.markdown  # counted, not listed
    assert view.missing == ()
    assert all(number.query for number in view.numbers)


def test_audit_report_when_the_audit_trail_was_never_looked_at_then_it_says_so(house: House) -> None:
    view = written(house, DocumentKind.AUDIT_REPORT)
    assert numbers(view)["looks that found the audit trail whole"] is None
    assert any(AUDIT_BROKEN in each for each in view.missing)


def test_weekly_review_when_written_then_it_shows_what_each_account_was_worth(house: House) -> None:
    at_alpha = {"venue": "alpha"}
    measured(house, (-60, EQUITY, at_alpha, 0.0), (0, EQUITY, at_alpha, 1_000.0), (3_000, EQUITY, at_alpha, 1_012.5))
    view = written(house, DocumentKind.WEEKLY_REVIEW)

    told = numbers(view)
    assert told["alpha: worth at the beginning"] == 1_000
    assert told["alpha: worth at the end"] == 1_012.5
    assert "| alpha: result | 12.50 dollars |" in view.markdown
    html = house.desk.html(view.id)
    assert html.count("<svg") == 1
    assert house.desk.again(view.id).html == html


def test_facts_when_there_are_more_than_a_page_then_each_counts_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(periods, "PAGE", 3)
    house.log(*(fact(second // 2, "trading.fill_booked", f"fill {second}", order=str(second)) for second in range(11)))
    # Two facts a second share an id here, so each pair is one fact.
    assert numbers(written(house, DocumentKind.DIGEST))["fills"] == 6


def test_facts_when_there_are_too_many_then_the_number_is_said_to_be_the_least(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(periods, "PAGE", 2)
    monkeypatch.setattr(periods, "MOST_PAGES", 2)
    house.log(*(fact(second, "trading.fill_booked", "a fill") for second in range(9)))
    assert "| fills | at least 3 |" in written(house, DocumentKind.DIGEST).markdown


def test_lines_when_there_are_too_many_then_that_is_said(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(periods, "MOST_LINES", 2)
    house.log(*(fact(second, "trading.venue_held", f"hold {second}") for second in range(5)))
    text = written(house, DocumentKind.DIGEST).markdown
    assert ("hold 1" in text, "hold 2" in text) == (True, False)
    assert "There was more" in text


def test_text_when_others_wrote_markup_into_facts_then_it_stays_text(house: House) -> None:
    house.log(
        fact(1, "alerting.alert_fired", HOSTILE, alert_name=HOSTILE),
        fact(2, "pipelines.approval_granted", HOSTILE),
        service_name="automation",
    )
    view = written(house, DocumentKind.AUDIT_REPORT)
    outside_code = re.sub(r"`[^`]*`", "", view.markdown)
    assert "<script>" not in outside_code
    assert re.search(r"(?<!\\)\]\(", outside_code) is None
    assert "<script>alert" not in house.desk.html(view.id)
    assert [row for row in view.markdown.splitlines() if row.startswith("# ")] == [view.markdown.splitlines()[0]]


def test_text_when_the_log_is_away_then_numbers_are_not_known_and_the_reason_is_told(house: House) -> None:
    house.readers.close()
    house.desk._gatherer._readers = open_readers(
        ReadersOptions(loki_url="http://127.0.0.1:9", embedded_path=house.store)
    )
    view = written(house, DocumentKind.DIGEST)
    assert numbers(view)["fills"] is None
    assert "| fills | not known |" in view.markdown
    assert {each.split(",")[0] for each in view.missing} == {"facts of trading", "facts of automation"}


def test_period_when_it_is_not_over_or_fresh_then_nothing_is_written(house: House) -> None:
    with pytest.raises(NotOverError, match="Ask again"):
        written(house, DocumentKind.DIGEST, END + timedelta(seconds=1))
    assert house.stated("content.document_written") == []


@pytest.mark.parametrize("kind", PARTS)
def test_parts_when_they_name_facts_and_fields_then_services_state_them(kind: DocumentKind) -> None:
    stated: dict[str, tuple[type[Event], tuple[str, ...]]] = {
        row.event.event_type: (row.event, row.fields) for table in (AUTH, AUTOMATION, TRADING) for row in table
    }
    for part in PARTS[kind]:
        assert part.counted.keys() <= stated.keys()
        assert part.listed <= part.counted.keys()
        assert all(name in stated[event_type][1] for event_type, name in part.by.items()), part.title


def test_incident_that_ended_outside_the_period_is_not_told(house: House) -> None:
    house.hear(*incident())
    view = written(house, DocumentKind.DIGEST, BEGAN)
    assert INCIDENT not in view.markdown
