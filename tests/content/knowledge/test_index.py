"""The index finds entries by their words, the most telling first."""

import pytest

from services.content.knowledge.index import KnowledgeIndex
from tests.content.knowledge.conftest import made

ENTRIES = (
    made("buying-power", "Orders fail when the account has too little money.", title="Insufficient buying power"),
    made(
        "wash-trade",
        "Selling what was just bought, with too little interest in buying.",
        title="A wash trade",
    ),
    made("rate-limit", "Two hundred requests a minute; 429 beyond. See buying power.", title="The limit of requests"),
    made("session-lost", "The broker ended the session: session_lost.", title="A session is lost", venue="ibkr"),
)


@pytest.fixture(scope="module")
def index() -> KnowledgeIndex:
    return KnowledgeIndex(ENTRIES)


def found(index: KnowledgeIndex, words: str) -> list[str]:
    return [each.entry_id for each in index.search(words, limit=10)]


def test_search_when_words_stand_in_a_title_then_that_entry_comes_first(index: KnowledgeIndex) -> None:
    assert found(index, "buying power") == ["buying-power", "rate-limit"]


def test_search_when_thousands_have_the_words_then_those_with_them_in_the_title_come_first() -> None:
    many = [made(f"e-{number}", "An order failed.") for number in range(1_200)]
    titled = [made(f"t-{number}", "Words.", title="An order failed twice") for number in range(3)]
    index = KnowledgeIndex([*many, *titled])
    assert {each.entry_id for each in index.search("order failed", limit=3)} == {"t-0", "t-1", "t-2"}
    assert len(index.search("order failed", limit=50)) == 50


def test_search_when_a_word_is_cut_short_then_it_is_found(index: KnowledgeIndex) -> None:
    assert found(index, "insuff") == ["buying-power"]


def test_search_when_a_word_is_inflected_then_it_is_found(index: KnowledgeIndex) -> None:
    assert found(index, "limits requesting") == ["rate-limit"]


def test_search_when_no_entry_has_every_word_then_those_with_any_come(index: KnowledgeIndex) -> None:
    assert set(found(index, "wash session")) == {"wash-trade", "session-lost"}


def test_search_when_a_venue_is_named_then_its_entries_are_found(index: KnowledgeIndex) -> None:
    assert found(index, "ibkr") == ["session-lost"]


@pytest.mark.parametrize("words", ['"', "buying AND", "NEAR(", "title:x", "* *", "a-b OR", "session_lost", "'"])
def test_search_when_words_look_like_operators_then_they_are_words(index: KnowledgeIndex, words: str) -> None:
    index.search(words, limit=5)


@pytest.mark.parametrize("words", ["", "   ", "?!", "nowhere"])
def test_search_when_nothing_is_there_to_be_found_then_nothing_comes(index: KnowledgeIndex, words: str) -> None:
    assert found(index, words) == []


def test_snippet_when_shown_then_the_words_are_marked(index: KnowledgeIndex) -> None:
    (hit,) = index.search("429", limit=5)
    assert "**429**" in hit.snippet


def test_nearest_when_an_entry_holds_what_is_said_then_its_share_is_high(index: KnowledgeIndex) -> None:
    (best, share, words), *_ = index.nearest("the account has insufficient buying power", limit=3)
    assert (best.entry_id, share > 0.9, words >= 4) == ("buying-power", True, True)


def test_nearest_when_most_words_are_strange_then_the_share_is_low(index: KnowledgeIndex) -> None:
    answers = index.nearest("turbine flange session overheated by plasma", limit=3)
    assert [share < 0.2 for _, share, _ in answers] == [True]


def test_nearest_when_there_is_one_entry_then_its_words_count_all_the_same() -> None:
    ((found, share, words),) = KnowledgeIndex(ENTRIES[:1]).nearest("insufficient buying power", limit=3)
    assert (found.entry_id, share, words) == ("buying-power", 1.0, 3)


def test_index_when_there_are_no_entries_then_it_answers_nothing() -> None:
    index = KnowledgeIndex(())
    assert index.search("anything", limit=5) == []
    assert index.nearest("anything at all", limit=5) == []
