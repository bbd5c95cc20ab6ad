import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from services.automation.tables import METADATA
from services.contracts.alerting import AlertStatus
from telemetry.catalogue import ALERTS_FIRING
from tests.automation.conftest import Desk
from tests.automation.webhooks import alert, notification


def test_take_when_an_alert_fires_then_the_state_and_the_fact_are_there(desk: Desk) -> None:
    assert desk.desk.take(notification(alert())) == 1

    (stored,) = desk.desk.listing(status=AlertStatus.FIRING, limit=10)
    assert (stored.name, stored.severity, stored.service_name) == ("TargetDown", "critical", "venue")
    assert stored.starts_at.isoformat() == "2026-03-02T11:59:30.123456+00:00"
    assert stored.ends_at is None
    assert [fact.event_type for fact in desk.stated()] == ["alerting.alert_fired"]
    assert desk.telemetry.value("sightline_alerts_firing", severity="critical") == 1
    assert desk.telemetry.value("sightline_alerts_received_total", severity="critical", status="firing") == 1


def test_take_when_the_same_notification_comes_again_then_nothing_changes(desk: Desk) -> None:
    desk.desk.take(notification(alert()))

    assert desk.desk.take(notification(alert())) == 0
    assert len(desk.stated()) == 1


def test_take_when_an_alert_is_resolved_then_it_no_longer_fires(desk: Desk) -> None:
    desk.desk.take(notification(alert()))
    desk.desk.take(notification(alert(status="resolved")))

    assert desk.desk.listing(status=AlertStatus.FIRING, limit=10) == []
    assert [fact.event_type for fact in desk.stated()] == ["alerting.alert_fired", "alerting.alert_resolved"]
    assert desk.telemetry.value("sightline_alerts_firing", severity="critical") == 0


def test_take_when_a_firing_notification_arrives_after_its_resolution_then_it_stays_resolved(desk: Desk) -> None:
    desk.desk.take(notification(alert(status="resolved")))

    assert desk.desk.take(notification(alert())) == 0
    assert [each.status for each in desk.desk.listing(status=None, limit=10)] == [AlertStatus.RESOLVED]


def test_take_when_an_alert_fires_a_second_time_then_it_is_an_occurrence_of_its_own(desk: Desk) -> None:
    desk.desk.take(notification(alert()))
    desk.desk.take(notification(alert(status="resolved")))
    desk.desk.take(notification(alert(starts_at="2026-03-02T13:00:00Z")))

    assert [each.status for each in desk.desk.listing(status=None, limit=10)] == ["firing", "resolved"]


def test_take_when_a_severity_is_unknown_then_the_alert_is_kept_as_other(desk: Desk) -> None:
    desk.desk.take(notification(alert(severity="apocalyptic")))

    assert desk.telemetry.value("sightline_alerts_firing", severity="other") == 1


def test_take_when_the_database_refuses_then_nothing_is_stated(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> bool:
        raise RuntimeError("the second alert cannot be stored")

    desk.desk.take(notification(alert()))
    monkeypatch.setattr("services.automation.store.apply", refuse)
    with pytest.raises(RuntimeError):
        desk.desk.take(notification(alert(starts_at="2026-03-02T13:00:00Z")))

    assert len(desk.stated()) == 1
    assert desk.telemetry.value("sightline_alerts_firing", severity="critical") == 1


def test_listen_when_the_watchdog_was_never_heard_then_silence_begins_after_the_limit(desk: Desk) -> None:
    desk.clock.advance(300)
    assert not desk.desk.listen()
    desk.clock.advance(1)
    assert desk.desk.listen()

    assert [fact.event_type for fact in desk.stated()] == ["alerting.alerting_fell_silent"]
    assert desk.telemetry.value("sightline_watchdog_silent") == 1


def test_listen_when_the_silence_goes_on_then_it_is_stated_once(desk: Desk) -> None:
    desk.clock.advance(301)
    for _ in range(3):
        assert desk.desk.listen()
        desk.clock.advance(60)

    assert len(desk.stated()) == 1


def test_take_when_the_watchdog_speaks_then_it_is_a_heartbeat_and_no_alert(desk: Desk) -> None:
    desk.clock.advance(200)
    assert desk.desk.take(notification(alert("Watchdog", severity="none"))) == 0
    desk.clock.advance(200)

    assert not desk.desk.listen()
    assert desk.desk.listing(status=None, limit=10) == []
    assert desk.telemetry.value("sightline_watchdog_last_seen_timestamp_seconds") == desk.clock.now().timestamp() - 200


def test_take_when_the_watchdog_speaks_after_a_silence_then_the_end_of_it_is_stated(desk: Desk) -> None:
    desk.clock.advance(400)
    desk.desk.listen()
    desk.desk.take(notification(alert("Watchdog", severity="none")))

    assert [fact.payload for fact in desk.stated()][-1] == {"silent_for_seconds": 400.0}
    assert desk.telemetry.value("sightline_watchdog_silent") == 0


def test_open_when_the_service_was_stopped_for_long_then_silence_counts_from_its_start(desk: Desk) -> None:
    desk.desk.take(notification(alert("Watchdog", severity="none")))
    desk.clock.advance(3600)
    again = desk.opened()
    desk.clock.advance(300)
    assert not again.listen()
    desk.clock.advance(1)
    assert again.listen()


def test_reconcile_when_alertmanager_forgot_an_alert_then_it_is_resolved_after_a_while(desk: Desk) -> None:
    desk.desk.take(notification(alert()))
    assert desk.desk.reconcile(frozenset()) == 0
    desk.clock.advance(299)
    assert desk.desk.reconcile(frozenset()) == 0
    desk.clock.advance(1)
    assert desk.desk.reconcile(frozenset()) == 1

    assert [fact.event_type for fact in desk.stated()] == ["alerting.alert_fired", "alerting.alert_resolved"]
    assert desk.telemetry.value("sightline_alerts_firing", severity="critical") == 0


def test_reconcile_when_alertmanager_lists_it_again_then_the_wait_begins_anew(desk: Desk) -> None:
    desk.desk.take(notification(alert()))
    desk.desk.reconcile(frozenset())
    desk.clock.advance(299)
    desk.desk.reconcile({"00c0ffee00c0ffee"})
    desk.clock.advance(299)

    assert desk.desk.reconcile(frozenset()) == 0
    assert len(desk.desk.listing(status=AlertStatus.FIRING, limit=10)) == 1


def test_open_when_the_service_restarts_then_alerts_and_silence_are_still_known(desk: Desk) -> None:
    desk.desk.take(notification(alert()))
    desk.clock.advance(301)
    desk.desk.listen()

    desk.telemetry.metrics.gauge(ALERTS_FIRING, severity="critical").set(0)  # as in a new process
    again = desk.opened()

    assert again.listen()
    assert len([fact for fact in desk.stated() if fact.event_type == "alerting.alerting_fell_silent"]) == 1
    assert desk.telemetry.value("sightline_alerts_firing", severity="critical") == 1


def test_migrations_when_run_then_they_make_the_tables_that_the_code_uses(desk: Desk) -> None:
    with desk.database.reading() as connection:
        ours = set(METADATA.tables)
        context = MigrationContext.configure(
            connection, opts={"include_object": lambda _item, name, kind, *_: kind != "table" or name in ours}
        )
        assert compare_metadata(context, METADATA) == []
