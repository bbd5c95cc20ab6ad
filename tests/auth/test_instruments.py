"""The table of auth's facts."""

import re

import pytest

from services.auth.instruments import TABLE
from services.contracts import auth
from services.contracts.auth import Flow, LoginFailed, LoginFailure, LoginMethod
from services.contracts.events import Event
from services.kit.instruments import Instruments
from telemetry.catalogue import AUTH_ATTEMPTS, AUTH_FLOW_DURATION
from tests.stack.stackfiles import LOG_RULE_FILES, alert_rules


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


@pytest.mark.parametrize(("flow", "counts"), [(Flow.LOGIN, True), (Flow.REFRESH, False)])
def test_failure_when_stated_then_the_burst_alert_counts_it_if_it_is_a_login(flow: Flow, *, counts: bool) -> None:
    event = LoginFailed(
        subject="a",
        broker=auth.Broker.SCHWAB,
        flow=flow,
        method=LoginMethod.OAUTH,
        attempt="1",
        reason=LoginFailure.BROKER_UNREACHABLE,
        duration_seconds=0.5,
    )
    (rule,) = [rule for rule in alert_rules(LOG_RULE_FILES) if rule.name == "LoginFailureBurst"]
    wanted = dict(re.findall(r'\| (\w+)="([^"]+)"', rule.expression))
    told = {**dict(Instruments(TABLE).statement(event).fields), "event_type": event.event_type}
    assert {name: str(told[name]) for name in wanted if name != "flow"} == {"event_type": "auth.login_failed"}
    assert (str(told["flow"]) == wanted["flow"]) is counts
