"""What is asked is counted and stated; files that change count at the next look."""

import pytest

from services.content.knowledge import gaps
from services.content.knowledge.problems import NoSuchEntryError
from services.contracts.knowledge import EntryKind, MatchedBy, MatchQuery
from tests.content.knowledge.conftest import House

STRANGE = MatchQuery(text="valve 7 is stuck", venue="alpha", source="trading.order_rejected", service_name="trading")


def test_match_when_an_entry_answers_then_a_fact_and_a_hit_say_so(house: House) -> None:
    house.shelf.put("stuck-valve", kind="error_signature", regex="valve .{1,5} is stuck", actions="[reduce]")
    answer = house.opened().match(STRANGE)

    (match,) = answer.matches
    assert (match.entry_id, match.how, match.actions) == ("stuck-valve", MatchedBy.PATTERN, ("reduce",))
    assert (answer.signature, answer.gap_id) == ("valve <n> is stuck", None)
    (fact,) = house.stated("content.knowledge_matched")
    assert (fact.subject, fact.payload["source"]) == ("stuck-valve", "trading.order_rejected")
    assert house.telemetry.value("sightline_knowledge_hits_total", how="pattern") == 1


def test_match_when_nothing_answers_then_the_gap_is_listed_and_counted(house: House) -> None:
    base = house.opened()
    first, second = base.match(STRANGE), base.match(STRANGE.model_copy(update={"text": "valve 8 is stuck"}))

    assert first.matches == ()
    assert first.gap_id == second.gap_id
    (gap,) = base.gaps(limit=10).gaps
    assert (gap.id, gap.sightings, gap.signature, gap.example) == (
        first.gap_id,
        2,
        "valve <n> is stuck",
        "valve 8 is stuck",
    )
    assert [fact.payload["first"] for fact in house.stated("content.knowledge_missed")] == [True, False]
    assert house.telemetry.value("sightline_knowledge_misses_total") == 2


def test_gaps_when_listed_then_the_one_met_most_often_comes_first(house: House) -> None:
    base = house.opened()
    base.match(MatchQuery(text="rare thing"))
    base.match(MatchQuery(text="frequent thing"))
    base.match(MatchQuery(text="frequent thing"))
    assert [gap.signature for gap in base.gaps(limit=1).gaps] == ["frequent thing"]


def test_gap_when_an_entry_answers_it_by_now_then_it_goes(house: House) -> None:
    base = house.opened()
    base.match(STRANGE)
    base.match(MatchQuery(text="another fault entirely"))
    house.shelf.put_own("stuck-valve", kind="error_signature", regex="valve .{1,5} is stuck")

    assert base.refresh()
    assert [gap.signature for gap in base.gaps(limit=10).gaps] == ["another fault entirely"]
    base.refresh()
    assert house.telemetry.value("sightline_knowledge_gaps") == 1


def test_gaps_when_there_is_a_flood_then_what_was_met_longest_ago_goes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gaps, "MOST_GAPS", 3)
    base = house.opened()
    for word in ("first", "second", "third", "fourth"):
        base.match(MatchQuery(text=f"the {word} strange fault"))
        house.clock.advance(1)
    assert {gap.signature.split()[1] for gap in base.gaps(limit=10).gaps} == {"second", "third", "fourth"}


def test_refresh_when_no_file_changed_then_nothing_is_read(house: House) -> None:
    base = house.opened()
    assert not base.refresh()
    assert len(house.stated("content.knowledge_refreshed")) == 1


def test_refresh_when_a_file_is_no_entry_then_the_rest_counts_and_that_one_is_refused(house: House) -> None:
    base = house.opened()
    house.shelf.put("x-y", venue="nats")
    house.shelf.write("own/broken.md", "words\n")
    base.refresh()

    (known,) = base.entries().entries
    assert (known.id, known.path, known.venue) == ("x-y", "knowledge/x-y.md", "nats")
    assert house.telemetry.value("sightline_knowledge_refused_files") == 1
    assert house.telemetry.value("sightline_knowledge_entries", kind=EntryKind.BEHAVIOUR.value) == 1


def test_refresh_when_a_day_went_by_then_entries_grow_stale(house: House) -> None:
    house.shelf.put("x-y", verified_at="2026-03-02")
    base = house.opened()
    house.clock.advance(91 * 86_400)

    assert base.refresh()
    assert house.telemetry.value("sightline_knowledge_stale_entries") == 1
    assert base.entry("x-y").stale


def test_search_when_asked_then_hits_carry_their_entry(house: House) -> None:
    house.shelf.put("x-y", "The outbox waits.", title="An outbox")
    base = house.opened()
    (hit,) = base.search("outbox", limit=5).hits
    assert (hit.entry.id, "**outbox**" in hit.snippet.lower()) == ("x-y", True)
    assert house.telemetry.value("sightline_knowledge_query_seconds_count", operation="search") == 1


def test_entry_when_superseded_then_it_is_told_and_search_finds_its_heir_alone(house: House) -> None:
    house.shelf.put("old-one", "About the outbox.")
    house.shelf.put("new-one", "About the outbox, anew.", supersedes="[old-one]")
    base = house.opened()
    assert base.entry("old-one").superseded_by == "new-one"
    assert [hit.entry.id for hit in base.search("outbox", limit=5).hits] == ["new-one"]


def test_entry_when_its_file_is_gone_then_so_is_it(house: House) -> None:
    path = house.shelf.put("x-y")
    base = house.opened()
    assert base.entry("x-y").body
    path.unlink()
    base.refresh()
    with pytest.raises(NoSuchEntryError):
        base.entry("x-y")


def test_text_when_it_comes_from_outside_then_no_secret_of_it_is_stored(house: House) -> None:
    house.opened().match(MatchQuery(text="refused: password=canary-4711-x", source="token=canary-4712-x"))
    (fact,) = house.stated("content.knowledge_missed")
    with house.database.reading() as connection:
        stored = gaps.all_of(connection)[0].model_dump_json() + fact.model_dump_json()
    assert "canary" not in stored
