"""An error finds the entry that answers it: by codes, then by text, then by words, or not at all."""

from collections.abc import Sequence

import pytest
from pydantic import ValidationError

from services.content.knowledge.entries import Entry
from services.content.knowledge.index import KnowledgeIndex
from services.content.knowledge.matching import MOST_MATCHES, Candidate, Matcher
from services.content.knowledge.normalising import Normaliser
from services.contracts.knowledge import MatchedBy, MatchQuery
from tests.content.knowledge.conftest import FAMILIES, made

ENTRIES = (
    made("by-code", kind="error_signature", venue="alpaca", code='"40310000"'),
    made("by-code-and-words", kind="error_signature", venue="alpaca", code='"40310000"', regex="insufficient buying"),
    made("by-template", kind="error_signature", template="order <id> not found"),
    made("by-status", venue="schwab", http_status="401"),
    made("by-pattern", kind="error_signature", venue="ibkr", regex="not connected to (tws|gateway)"),
    made("alert-targetdown", kind="runbook", alert="TargetDown"),
    made("by-words", "The outbox holds facts while the bus is away.", title="Facts wait in the outbox for the bus"),
)  # fmt: skip


def matcher(entries: Sequence[Entry] = ENTRIES) -> Matcher:
    return Matcher(entries, KnowledgeIndex(entries), FAMILIES)


def asked(*, entries: Sequence[Entry] = ENTRIES, **fields: object) -> list[Candidate]:
    query = MatchQuery.model_validate(fields)
    return matcher(entries).match(Normaliser().signature(query), alert_name=query.alert_name)


def ids(candidates: Sequence[Candidate]) -> list[tuple[str, MatchedBy, float]]:
    return [(each.entry.front.id, each.how, each.confidence) for each in candidates]


def test_match_when_venue_and_code_agree_then_it_is_exact() -> None:
    found = asked(text="forbidden", venue="alpaca", code="40310000", http_status=403)
    assert ids(found) == [("by-code", MatchedBy.EXACT, 1.0)]


def test_match_when_words_tell_refusals_of_one_code_apart_then_the_entry_that_names_more_comes_first() -> None:
    found = asked(text="insufficient buying power", venue="alpaca", code="40310000")
    assert [each.entry.front.id for each in found] == ["by-code-and-words", "by-code"]


def test_match_when_the_venue_is_another_then_its_code_means_nothing() -> None:
    assert asked(text="forbidden entirely", venue="schwab", code="40310000") == []


@pytest.mark.parametrize("venue", ["alpha", "alpaca-paper", "ALPACA"])
def test_match_when_a_venue_speaks_the_protocol_then_entries_about_it_answer(venue: str) -> None:
    found = asked(text="forbidden", venue=venue, code="40310000")
    assert ids(found)[0] == ("by-code", MatchedBy.EXACT, 1.0)


def test_match_when_a_venue_is_known_to_nobody_then_it_counts_as_not_told() -> None:
    assert ids(asked(venue="gamma", code="40310000"))[0][2] == 0.8


def test_match_when_no_venue_is_told_then_a_code_is_less_sure() -> None:
    assert ids(asked(code="40310000"))[0] == ("by-code", MatchedBy.EXACT, 0.8)


def test_match_when_the_text_is_as_the_entry_states_it_then_it_is_exact() -> None:
    found = asked(text="Order 61e69015-8549-4bfd-b9c3-01e75843f47d not found")
    assert ids(found) == [("by-template", MatchedBy.EXACT, 1.0)]


def test_match_when_an_entry_is_about_a_status_of_a_venue_then_both_must_agree() -> None:
    assert ids(asked(venue="schwab", http_status=401)) == [("by-status", MatchedBy.EXACT, 0.8)]
    assert asked(venue="alpaca", http_status=401) == []


@pytest.mark.parametrize(("venue", "confidence"), [("ibkr", 0.9), ("", 0.7)])
def test_match_when_a_pattern_is_found_then_it_is_surer_at_its_venue(venue: str, confidence: float) -> None:
    found = asked(text="error 504: Not connected to TWS", venue=venue)
    assert ids(found) == [("by-pattern", MatchedBy.PATTERN, confidence)]


def test_match_when_an_alert_is_named_then_its_runbook_answers() -> None:
    assert ids(asked(alert_name="TargetDown")) == [("alert-targetdown", MatchedBy.EXACT, 1.0)]


def test_match_when_words_are_in_common_then_the_entry_answers_and_is_not_sure() -> None:
    ((entry_id, how, confidence),) = ids(asked(text="facts wait in the outbox, the bus is away"))
    assert (entry_id, how) == ("by-words", MatchedBy.TEXT)
    assert 0.3 <= confidence <= 0.6


@pytest.mark.parametrize(
    "text",
    [
        "turbine 7 lost its flange",
        "the bus driver waits at the corner for nobody in particular today",
        "fact",
        "<id> <n>",
        "connection reset by peer",
    ],
)
def test_match_when_an_error_is_strange_then_nothing_answers(text: str) -> None:
    assert asked(text=text) == []


def test_match_when_many_answer_then_the_surest_come_first_and_no_more_than_five() -> None:
    many = [made(f"p-{number}", kind="error_signature", regex="strange fault") for number in range(9)]
    sure = made("z-sure", kind="error_signature", code="odd")
    found = asked(entries=[*many, sure], text="a strange fault", code="odd")
    assert len(found) == MOST_MATCHES
    assert found[0].entry.front.id == "z-sure"


def test_query_when_it_says_nothing_then_it_is_refused() -> None:
    with pytest.raises(ValidationError, match="give text, code, http_status or alert_name"):
        MatchQuery(text="  ", venue="alpaca")
