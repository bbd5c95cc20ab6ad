"""The notifications' part of the automation service, put together."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from services.automation.notifications.channels import AppriseChannel, SlackChannel, mail_channel, other_channels
from services.automation.notifications.desk import NotificationDesk, Pace, notifying_consumer
from services.automation.settings import AutomationSettings
from services.kit.bus import Consumer
from services.kit.chassis import Background, Chassis
from services.kit.repeating import repeating
from telemetry.catalogue import METRICS, NOTIFICATION_CHANNEL, NOTIFICATIONS_OLDEST, NOTIFICATIONS_WAITING
from telemetry.emit.metrics import Metrics
from telemetry.emit.redaction import Redactor

_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class NotificationSide:
    """What notifications add to the service."""

    desk: NotificationDesk
    consumers: list[Consumer]
    background: list[Background]


def notification_side(chassis: Chassis[AutomationSettings]) -> NotificationSide:
    """Put channels, queue and sender together. Raises `BadChannelError`."""
    settings, metrics = chassis.settings, chassis.telemetry.metrics
    pace = Pace(timedelta(seconds=settings.notify_group_seconds), settings.notify_per_minute)
    desk = NotificationDesk(channels(settings), chassis.facts, chassis.clock, Redactor(), pace)
    for metric in METRICS:
        if NOTIFICATION_CHANNEL in metric.labels:
            metrics.declare(metric, NOTIFICATION_CHANNEL.name, desk.channels)
    metrics.before_collecting(partial(_show, desk, metrics))
    send = partial(repeating, desk.send_due, every_seconds=_LOOK_SECONDS, purpose="send messages to people")
    return NotificationSide(desk, [notifying_consumer(desk)], [send])


def channels(settings: AutomationSettings) -> list[AppriseChannel]:
    """Slack, e-mail unless nobody gets any, and what else there is an address for. Raises `BadChannelError`."""
    found: list[AppriseChannel] = [SlackChannel(settings.slack_webhook_url)]
    if settings.notify_to:
        found.append(mail_channel(settings.mail_server, sender=settings.notify_from, recipients=settings.notify_to))
    return [*found, *other_channels(settings.notify_urls)]


def _show(desk: NotificationDesk, metrics: Metrics) -> None:
    for channel, (count, oldest) in desk.waiting().items():
        metrics.gauge(NOTIFICATIONS_WAITING, channel=channel).set(count)
        metrics.gauge(NOTIFICATIONS_OLDEST, channel=channel).set(oldest)
