"""Incidents over a real database: opened once, joined, changed, ended, and measured."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from services.automation.incidents.desk import IncidentDesk, UnknownIncidentError
from services.automation.incidents.trouble import Trouble
from services.contracts.incidents import IncidentSeverity, IncidentStatus
from tests.automation.conftest import Desk


def trouble(desk: Desk, cause_id: str = "c1", **more: Any) -> Trouble:  # noqa: ANN401 -- fields of a trouble
    fields: dict[str, Any] = {
        "cause_id": cause_id,
        "cause_kind": "alert",
        "cause_name": "BrokerDown",
        "title": "alpha does not work",
        "severity": IncidentSeverity.WARNING,
        "target": "alpha",
        "started_at": desk.clock.now() - timedelta(seconds=30),
    }
    return Trouble(**(fields | more))


@pytest.fixture
def incidents(desk: Desk) -> IncidentDesk:
    return IncidentDesk(desk.facts, desk.clock)


def facts(desk: Desk) -> list[str]:
    return [fact.event_type.removeprefix("incidents.incident_") for fact in desk.stated()]


def test_cause_when_told_twice_then_it_opens_one_incident_also_after_a_restart(
    desk: Desk, incidents: IncidentDesk
) -> None:
    first = incidents.open(trouble(desk), "run-1")
    again = IncidentDesk(desk.facts, desk.clock).open(trouble(desk), "run-1")
    assert again == first
    assert not first.joined
    assert facts(desk) == ["opened"]


def test_causes_when_told_at_once_about_one_target_then_one_incident_takes_all_in(
    desk: Desk, incidents: IncidentDesk
) -> None:
    together, opened = threading.Barrier(6), []

    def tell(number: int) -> None:
        together.wait()
        opened.append(incidents.open(trouble(desk, f"c{number // 2}"), f"run-{number}"))

    threads = [threading.Thread(target=tell, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.incident_id for each in opened}) == 1
    assert facts(desk) == ["opened", "joined", "joined"]


def test_cause_when_about_the_same_target_within_five_minutes_then_it_joins(
    desk: Desk, incidents: IncidentDesk
) -> None:
    first = incidents.open(trouble(desk), "run-1")
    desk.clock.advance(299)
    second = incidents.open(trouble(desk, "c2", cause_name="StreamStale"), "run-2")
    assert (second.incident_id, second.joined) == (first.incident_id, True)
    view = incidents.one(first.incident_id)
    assert view.run_ids == ("run-1", "run-2")
    assert view.changes[-1].detail == "also StreamStale"
    assert incidents.open(trouble(desk, "c2"), "run-2").joined
    assert facts(desk) == ["opened", "joined"]


def test_cause_when_later_or_about_something_else_or_nothing_then_it_is_an_incident_of_its_own(
    desk: Desk, incidents: IncidentDesk
) -> None:
    incidents.open(trouble(desk), "run-1")
    assert not incidents.open(trouble(desk, "c2", target="beta"), "run-2").joined
    assert not incidents.open(trouble(desk, "c3", target=""), "run-3").joined
    assert not incidents.open(trouble(desk, "c4", target=""), "run-4").joined
    desk.clock.advance(300)
    assert not incidents.open(trouble(desk, "c5"), "run-5").joined


def test_cause_when_the_incident_about_its_target_is_over_then_it_opens_another(
    desk: Desk, incidents: IncidentDesk
) -> None:
    first = incidents.open(trouble(desk), "run-1")
    incidents.resolve(first.incident_id, "well again")
    assert not incidents.open(trouble(desk, "c2"), "run-2").joined


def test_incident_when_it_goes_its_way_then_each_change_is_a_fact_and_times_are_measured(
    desk: Desk, incidents: IncidentDesk
) -> None:
    incident_id = incidents.open(trouble(desk), "run-1").incident_id
    incidents.diagnosed(incident_id, ["venue_down", "venue_slow"], 0.9, ["alpaca-403"])
    desk.clock.advance(10)
    incidents.acted(incident_id, "hold_venue", "done", "")
    desk.clock.advance(20)
    incidents.verifying(incident_id, "waits until alpha is well")
    incidents.resolve(incident_id, "alpha is well")
    assert [change.status for change in incidents.one(incident_id).changes] == [
        IncidentStatus.OPENED,
        IncidentStatus.DIAGNOSING,
        IncidentStatus.ACTING,
        IncidentStatus.VERIFYING,
        IncidentStatus.RESOLVED,
    ]
    assert facts(desk) == ["opened", "diagnosed", "acted", "resolved"]
    resolved = desk.stated()[-1].payload
    assert (resolved["seconds_to_detect"], resolved["seconds_to_mitigate"], resolved["seconds_to_resolve"]) == (
        30,
        40,
        60,
    )
    assert resolved["causes"] == ["venue_down", "venue_slow"]


def test_incident_when_no_action_was_done_then_there_is_no_time_to_mitigate(
    desk: Desk, incidents: IncidentDesk
) -> None:
    incident_id = incidents.open(trouble(desk), "run-1").incident_id
    incidents.acted(incident_id, "hold_venue", "failed", "refused")
    incidents.resolve(incident_id, "alpha is well")
    assert desk.stated()[-1].payload["seconds_to_mitigate"] is None


def test_incident_when_it_is_over_then_nothing_but_its_postmortem_changes_it(
    desk: Desk, incidents: IncidentDesk
) -> None:
    incident_id = incidents.open(trouble(desk), "run-1").incident_id
    incidents.escalate(incident_id, "stays down")
    incidents.acted(incident_id, "hold_venue", "done", "")
    incidents.verifying(incident_id, "waits")
    incidents.resolve(incident_id, "well")
    incidents.escalate(incident_id, "again")
    assert facts(desk) == ["opened", "escalated"]
    incidents.written_up(incident_id, "doc-1")
    incidents.written_up(incident_id, "doc-1")
    view = incidents.one(incident_id)
    assert (view.status, view.document_id, len(view.changes)) == (IncidentStatus.WRITTEN_UP, "doc-1", 3)


def test_postmortem_when_the_incident_is_not_over_then_it_is_not_noted(desk: Desk, incidents: IncidentDesk) -> None:
    incident_id = incidents.open(trouble(desk), "run-1").incident_id
    incidents.written_up(incident_id, "doc-1")
    assert incidents.one(incident_id).document_id is None


def test_incident_when_its_cause_lies_in_the_future_then_it_began_when_it_was_noticed(
    desk: Desk, incidents: IncidentDesk
) -> None:
    future = desk.clock.now() + timedelta(seconds=45)  # a clock that is off
    incident_id = incidents.open(trouble(desk, started_at=future), "run-1").incident_id
    assert incidents.one(incident_id).started_at == desk.clock.now()


def test_incident_when_unknown_then_that_is_said_with_what_to_do(incidents: IncidentDesk) -> None:
    with pytest.raises(UnknownIncidentError, match="sightline incidents"):
        incidents.one("nosuch")


def test_standing_when_incidents_are_open_then_their_number_and_age_are_known(
    desk: Desk, incidents: IncidentDesk
) -> None:
    incidents.open(trouble(desk), "run-1")
    over = incidents.open(trouble(desk, "c2", target="beta"), "run-2").incident_id
    incidents.resolve(over, "well")
    desk.clock.advance(60)
    assert incidents.standing() == ({"opened": 1, "resolved": 1}, 60.0)
    assert [each.target for each in incidents.listing(open_only=True, limit=10).incidents] == ["alpha"]
