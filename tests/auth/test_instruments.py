"""The table of auth's facts."""

from services.auth.instruments import TABLE
from services.contracts import auth
from services.contracts.auth import Flow, LoginFailed, LoginFailure, LoginMethod
from services.contracts.events import Event
from services.kit.instruments import Instruments
from telemetry.catalogue import AUTH_ATTEMPTS, AUTH_FLOW_DURATION


def facts_of_auth() -> set[type[Event]]:
    found = {value for value in vars(auth).values() if isinstance(value, type) and issubclass(value, Event)}
    return {event for event in found if hasattr(event, "event_type")}


def test_table_when_checked_then_every_fact_of_auth_has_its_row_and_no_other_has() -> None:
    Instruments(TABLE)
    assert {row.event for row in TABLE} == facts_of_auth()


def test_failed_refresh_when_stated_then_it_counts_as_one_with_its_reason() -> None:
    event = LoginFailed(
        subject="a",
        broker=auth.Broker.SCHWAB,
        flow=Flow.REFRESH,
        method=LoginMethod.OAUTH,
        attempt="1",
        reason=LoginFailure.REFRESH_REFUSED,
        duration_seconds=0.5,
    )
    statement = Instruments(TABLE).statement(event)
    seen = {each.metric.name: (dict(each.labels), each.value) for each in statement.observations}
    assert seen[AUTH_ATTEMPTS.name] == ({"flow": "refresh", "method": "oauth", "outcome": "refresh_refused"}, 1.0)
    assert seen[AUTH_FLOW_DURATION.name] == ({"method": "oauth", "outcome": "failed"}, 0.5)
