"""A postmortem is written by itself, from what was recorded and nothing else."""

import re
from html.parser import HTMLParser

import pytest

from services.content.writing import desk as desks
from services.content.writing.problems import SETTLED_SECONDS, NoSuchDocumentError, NotOverError, ReviewOrderError
from services.content.writing.rendering import JUDGEMENT, markdown_text
from services.contracts.documents import DocumentRequest, DocumentStatus, DocumentView
from services.contracts.incidents import IncidentEscalated, IncidentSeverity
from tests.content.writing.conftest import BEGAN, HOSTILE, INCIDENT, ORDERS, TRACE, House, after, incident

DOCUMENT = f"postmortem-{INCIDENT}"


def written(house: House, title: str = "alpha is slow", detail: str = "nothing new goes there") -> DocumentView:
    house.log(*ORDERS)
    house.hear(*incident(title, detail))
    house.clock.advance(SETTLED_SECONDS)
    assert house.desk.write_due() == 1
    return house.desk.one(DOCUMENT)


def number(view: DocumentView, name: str) -> float | None:
    (found,) = [each for each in view.numbers if each.name == name]
    return found.value


def test_incident_when_it_is_over_then_it_is_written_up_once_its_lines_have_settled(house: House) -> None:
    house.log(*ORDERS)
    house.hear(*incident())
    assert house.desk.write_due() == 0
    house.clock.advance(SETTLED_SECONDS)
    assert (house.desk.write_due(), house.desk.write_due()) == (1, 0)
    (fact,) = house.stated("content.document_written")
    assert (fact.payload["incident_id"], fact.payload["document_id"]) == (INCIDENT, DOCUMENT)


def test_numbers_when_facts_are_in_the_log_then_each_counts_once_and_carries_its_query(house: House) -> None:
    view = written(house)
    names = ("orders submitted", "orders unknown", "fills", "orders filled", "time to detect", "time to resolve")
    assert [number(view, name) for name in names] == [2.0, 1.0, 1.0, 0.0, 20.0, 300.0]
    (submitted,) = [each for each in view.numbers if each.name == "orders submitted"]
    assert 'event_type="trading.order_submitting"' in submitted.query
    assert all(f"`{each.query.replace('|', chr(92) + '|')}`" in view.markdown for each in view.numbers)


def test_text_when_read_then_it_tells_trigger_deeds_causes_traces_and_leaves_judgement_blank(house: House) -> None:
    text = written(house).markdown
    for part in (
        "Alert BrokerDown of trading",
        "hold\\_venue, done",
        "1. venue\\_slow",
        "80 %",
        f"- {TRACE}",
        "- slow",
    ):
        assert part in text
    assert text.count(JUDGEMENT) == 4
    rows = [row for row in text.splitlines() if "alpha answers slowly" in row or "was opened" in row]
    assert [row.split(" | ")[1] for row in rows] == ["log", "incident"]


def test_document_when_written_again_from_its_inputs_then_it_is_the_same_byte_for_byte(house: House) -> None:
    view = written(house)
    again = house.desk.again(DOCUMENT)
    assert (again.markdown, again.html) == (view.markdown, house.desk.html(DOCUMENT))


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = {"src", "href", "xlink:href", "action", "data"}
        self.loads += [value or "" for name, value in attrs if name in named and not (value or "").startswith("#")]


def test_page_when_others_wrote_markup_then_it_is_shown_and_nothing_is_loaded(house: House) -> None:
    written(house, title=HOSTILE, detail=HOSTILE)
    html = house.desk.html(DOCUMENT)
    page = _Page()
    page.feed(html)
    assert (page.tags.count("svg"), page.tags.count("script"), page.loads) == (1, 0, [])
    assert "default-src 'none'" in html
    assert "&lt;script&gt;" in html
    assert "url(http" not in html


def test_markdown_when_others_wrote_markup_then_it_stays_text(house: House) -> None:
    text = written(house, title=HOSTILE, detail=HOSTILE).markdown
    assert "<script>" not in text
    assert re.search(r"(?<!\\)\]\(", text) is None
    assert "https://" not in text
    assert [row for row in text.splitlines() if row.startswith("# ")] == [text.splitlines()[0]]


@pytest.mark.parametrize(
    ("given", "shown"), [("a\nb", "a b"), ("- a", "\\- a"), ("**a**", "\\*\\*a\\*\\*"), ("www.a.b", "www\\.a.b")]
)
def test_markdown_text_when_it_would_mark_something_then_it_does_not(given: str, shown: str) -> None:
    assert markdown_text(given) == shown


def test_document_when_telemetry_is_away_then_it_says_so_and_numbers_are_not_known(house: House) -> None:
    house.hear(*incident())  # no store was ever made
    house.clock.advance(SETTLED_SECONDS)
    assert house.desk.write_due() == 1
    view = house.desk.one(DOCUMENT)
    assert (number(view, "fills"), number(view, "time to detect")) == (None, 20.0)
    assert any("logs" in each for each in view.missing)
    assert "not known" in view.markdown
    assert "## What could not be read" in view.markdown


def test_document_when_it_fails_then_that_is_told_and_it_is_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.log(*ORDERS)
    house.hear(*incident())
    house.clock.advance(SETTLED_SECONDS)

    def broken(_inputs: object) -> None:
        raise RuntimeError("no ink")

    with monkeypatch.context() as patch:
        patch.setattr(desks, "render_postmortem", broken)
        assert house.desk.write_due() == 0
    (fact,) = house.stated("content.document_not_written")
    assert (fact.payload["attempts"], fact.payload["reason"]) == (1, "RuntimeError: no ink")
    house.clock.advance(10)
    assert house.desk.write_due() == 1


def test_incident_when_a_person_was_called_then_it_is_written_up_though_its_beginning_was_not_heard(
    house: House,
) -> None:
    house.log(*ORDERS)
    escalated = IncidentEscalated(
        subject=INCIDENT,
        incident_id=INCIDENT,
        title="alpha is slow",
        target="alpha",
        severity=IncidentSeverity.CRITICAL,
        reason="it did not help; code 123456 was asked for",
        started_at=BEGAN,
        detected_at=after(20),
        actions=(),
        causes=(),
        knowledge_ids=(),
    )
    house.hear((200, escalated))
    house.clock.advance(SETTLED_SECONDS)
    assert house.desk.write_due() == 1
    text = house.desk.one(DOCUMENT).markdown
    assert "A person was called: it did not help" in text
    assert "the opening of the incident was not heard" in text
    assert "The analyst made no finding" in text


def test_request_when_the_incident_is_not_over_or_fresh_then_it_is_to_come_again(house: House) -> None:
    request = DocumentRequest(incident_id=INCIDENT)
    with pytest.raises(NotOverError, match="No end"):
        house.desk.write(request)
    house.log(*ORDERS)
    house.hear(*incident())
    with pytest.raises(NotOverError, match="on their way"):
        house.desk.write(request)
    house.clock.advance(SETTLED_SECONDS)
    assert house.desk.write(request) == house.desk.write(request)
    assert len(house.stated("content.document_written")) == 1


def test_review_when_taken_in_order_then_it_is_published_and_stays(house: House) -> None:
    written(house)
    with pytest.raises(ReviewOrderError):
        house.desk.review(DOCUMENT, DocumentStatus.PUBLISHED, "ann")
    house.desk.review(DOCUMENT, DocumentStatus.IN_REVIEW, "ann")
    assert house.desk.review(DOCUMENT, DocumentStatus.PUBLISHED, "ann").reviewer == "ann"
    with pytest.raises(ReviewOrderError, match="stays as it was published"):
        house.desk.review(DOCUMENT, DocumentStatus.DRAFT, "ann")
    assert len(house.stated("content.document_reviewed")) == 2


def test_document_when_there_is_none_then_the_way_to_the_others_is_told(house: House) -> None:
    with pytest.raises(NoSuchDocumentError, match="sightline documents list"):
        house.desk.html("postmortem-gone")
