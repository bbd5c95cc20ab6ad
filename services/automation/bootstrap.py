"""Where the automation service is put together."""

from functools import partial
from pathlib import Path

from services.automation.actions.peers import Peers
from services.automation.alerts import AlertDesk
from services.automation.api import LOCAL_SLACK_PATH, WEBHOOK_TOKEN, alert_router, local_slack_router
from services.automation.approvals.policy import POLICY
from services.automation.incidents.api import incident_router
from services.automation.incidents.desk import IncidentDesk
from services.automation.incidents.documents import written_consumer
from services.automation.instruments import TABLE
from services.automation.notifications.assembling import notification_side
from services.automation.pipelines.assembling import pipeline_side
from services.automation.pipelines.bridge import Bridge
from services.automation.reconcile import AlertmanagerSource, AlertSource
from services.automation.routines.handling import House
from services.automation.routines.table import every
from services.automation.settings import AutomationSettings
from services.contracts.incidents import IncidentStatus
from services.kit.app import ServiceApp
from services.kit.chassis import Background, Chassis
from services.kit.clock import Clock
from services.kit.repeating import repeating
from telemetry.catalogue import INCIDENT_ACTIONS, INCIDENT_OLDEST, INCIDENTS
from telemetry.emit.metrics import Metrics

_MIGRATIONS = Path(__file__).parent / "migrations" / "versions"
_RECONCILE_SECONDS = 60.0
_LISTENINGS_PER_LIMIT = 20  # a silence is noticed at most a twentieth of the limit late


def build(settings: AutomationSettings, *, clock: Clock | None = None) -> ServiceApp:
    """Make the application. Raises `StartError` or `DatabaseError`."""
    chassis = Chassis.open(settings, migrations=[_MIGRATIONS], instruments=TABLE, clock=clock)
    desk = AlertDesk(
        chassis.facts,
        chassis.database,
        chassis.telemetry.metrics,
        chassis.clock,
        silence_limit=settings.silence_limit,
    )
    desk.open()
    bridge, incidents = Bridge(), IncidentDesk(chassis.facts, chassis.clock)
    peers = Peers.of(chassis)
    house = House(peers.outside(bridge), incidents, chassis.clock, desk.fires, desk.lasts)
    _show_incidents(incidents, chassis.telemetry.metrics)
    pipelines = pipeline_side(chassis, every(house, peers.office(bridge, settings)), peers.auth.step_up)
    notifications = notification_side(chassis)
    return chassis.create_app(
        "Sightline automation",
        routers=[alert_router(desk), local_slack_router(), incident_router(incidents), *pipelines.routers],
        consumers=[*notifications.consumers, *pipelines.consumers, written_consumer(incidents)],
        fixed_tokens={WEBHOOK_TOKEN: settings.alertmanager_token},
        open_paths=frozenset({LOCAL_SLACK_PATH}),
        background=[bridge.standing, *_background(desk, settings), *notifications.background, *pipelines.background],
    )


def _show_incidents(incidents: IncidentDesk, metrics: Metrics) -> None:
    metrics.declare(INCIDENT_ACTIONS, "action", POLICY)

    def refresh() -> None:
        by_status, oldest = incidents.standing()
        for status in IncidentStatus:
            if not status.over:
                metrics.gauge(INCIDENTS, status=status.value).set(by_status.get(status.value, 0))
        metrics.gauge(INCIDENT_OLDEST).set(oldest)

    metrics.before_collecting(refresh)


def _background(desk: AlertDesk, settings: AutomationSettings) -> list[Background]:
    every_seconds = settings.watchdog_silence_seconds / _LISTENINGS_PER_LIMIT
    purpose = "tell whether alerting is silent"
    tasks = [partial(repeating, desk.listen, every_seconds=every_seconds, purpose=purpose)]
    if settings.alertmanager_url is not None:
        look = partial(_reconcile, desk, AlertmanagerSource(settings.alertmanager_url))
        purpose = "compare alerts with Alertmanager's"
        tasks.append(partial(repeating, look, every_seconds=_RECONCILE_SECONDS, purpose=purpose))
    return [*tasks]


def _reconcile(desk: AlertDesk, source: AlertSource) -> int:
    return desk.reconcile(source.active())
