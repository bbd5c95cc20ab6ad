"""What the platform does when Alertmanager speaks: keep the state, state what changed, notice a silence."""

from collections.abc import Collection
from datetime import datetime, timedelta

from services.automation import store
from services.automation.intake import WATCHDOG, Notification, fact
from services.contracts.alerting import (
    Alert,
    AlertingFellSilent,
    AlertingHeardAgain,
    AlertStatus,
    Severity,
)
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.facts import Facts, Transaction
from telemetry.catalogue import ALERTS_FIRING, WATCHDOG_LAST_SEEN, WATCHDOG_SILENT
from telemetry.emit.metrics import Metrics

FORGOTTEN_AFTER = timedelta(minutes=5)

_SUBJECT = "alerting"
_MANY = 1_000


class AlertDesk:
    """Takes notifications in and answers what fires now. Its methods block on the database.

    Args:
        silence_limit: How long the Watchdog may be unheard before alerting counts as silent.
    """

    def __init__(
        self, facts: Facts, database: Database, metrics: Metrics, clock: Clock, *, silence_limit: timedelta
    ) -> None:
        self._facts = facts
        self._database = database
        self._metrics = metrics
        self._clock = clock
        self._silence_limit = silence_limit
        self._listening_since = clock.now()

    def open(self) -> None:
        """Begin, or go on where the last run ended.

        A silence counts from here at the earliest: while this service was stopped, nobody could speak to it.
        """
        now = self._listening_since = self._clock.now()
        with self._facts.transaction() as tx:
            known = store.heartbeat(tx.connection)
            if known is None:
                store.set_heartbeat(tx.connection, now, None)
            firing = store.firing_by_severity(tx.connection)
        heard_at, silent_since = known or (now, None)
        self._metrics.gauge(WATCHDOG_LAST_SEEN).set(heard_at.timestamp() if known else 0.0)
        self._metrics.gauge(WATCHDOG_SILENT).set(0.0 if silent_since is None else 1.0)
        self._show(firing)

    def take(self, notification: Notification) -> int:
        """Store a notification and state what it changed; the number of occurrences that changed.

        The transaction is durable: Alertmanager counts the notification as delivered once this returns.
        """
        now = self._clock.now()
        changed = 0
        with self._facts.transaction(durable=True) as tx:
            for received in notification.alerts:
                if received.name == WATCHDOG:
                    if received.status is AlertStatus.FIRING:
                        self._hear(tx, now)
                    continue
                alert = received.to_alert()
                if store.apply(tx.connection, alert):
                    tx.record(fact(alert, received_at=now, target=received.target))
                    changed += 1
            firing = store.firing_by_severity(tx.connection)
        if any(received.name == WATCHDOG for received in notification.alerts):
            self._metrics.gauge(WATCHDOG_LAST_SEEN).set(now.timestamp())
        self._show(firing)
        return changed

    def listen(self) -> bool:
        """Notice a silence that began; True while alerting is silent."""
        now = self._clock.now()
        with self._facts.transaction() as tx:
            heard_at, silent_since = store.heartbeat(tx.connection) or (now, None)
            if silent_since is None and now - max(heard_at, self._listening_since) > self._silence_limit:
                store.set_heartbeat(tx.connection, heard_at, now)
                tx.record(
                    AlertingFellSilent(
                        subject=_SUBJECT,
                        last_heard_at=heard_at,
                        silence_limit_seconds=self._silence_limit.total_seconds(),
                    )
                )
                return True
        return silent_since is not None

    def reconcile(self, active: Collection[str]) -> int:
        """Resolve what Alertmanager, which knows of `active` fingerprints alone, has forgotten; how many that were.

        A restarted Alertmanager sends no resolution for what it no longer knows. Prometheus tells it of every alert
        that still fires within a minute, so what is missing for `FORGOTTEN_AFTER` has ended.
        """
        now = self._clock.now()
        with self._facts.transaction() as tx:
            gone = store.vanished(tx.connection, active, now=now, grace=FORGOTTEN_AFTER)
            for alert in gone:
                resolved = alert.model_copy(update={"status": AlertStatus.RESOLVED, "ends_at": now})
                store.apply(tx.connection, resolved)
                tx.record(fact(resolved, received_at=now))
            firing = store.firing_by_severity(tx.connection)
        self._show(firing)
        return len(gone)

    def listing(self, *, status: AlertStatus | None, limit: int) -> list[Alert]:
        """Occurrences, the newest first, of one `status` or of both."""
        with self._database.reading() as connection:
            return store.listing(connection, status=status, limit=limit)

    def fires(self, name: str) -> bool:
        """Whether an alert of this rule fires now."""
        return any(alert.name == name for alert in self._firing())

    def lasts(self, fingerprint: str) -> bool:
        """Whether the alert with this fingerprint fires now."""
        return any(alert.fingerprint == fingerprint for alert in self._firing())

    def _firing(self) -> list[Alert]:
        with self._database.reading() as connection:
            return store.listing(connection, status=AlertStatus.FIRING, limit=_MANY)

    def _hear(self, tx: Transaction, now: datetime) -> None:
        known = store.heartbeat(tx.connection)
        store.set_heartbeat(tx.connection, now, None)
        if known is not None and known[1] is not None:
            silent_for = (now - known[0]).total_seconds()
            tx.record(AlertingHeardAgain(subject=_SUBJECT, silent_for_seconds=silent_for))

    def _show(self, firing: dict[Severity, int]) -> None:
        for severity, count in firing.items():
            self._metrics.gauge(ALERTS_FIRING, severity=severity.value).set(count)
