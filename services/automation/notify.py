"""Telling a person directly, for the one message that must not depend on Alertmanager."""

from typing import Protocol

import httpx
from pydantic import SecretStr

from services.contracts.alerting import AlertingFellSilent, AlertingHeardAgain
from services.contracts.events import Envelope
from services.kit.bus import Consumer
from services.kit.envelopes import opened
from services.kit.errors import UnavailableError
from services.kit.facts import Transaction

_TIMEOUT = httpx.Timeout(5.0, connect=2.0)


class NotificationFailedError(UnavailableError):
    """The message did not reach its channel; delivering it again may help."""

    code = "notification_failed"
    title = "A notification was not delivered"


class Notifier(Protocol):
    """A channel that reaches a person."""

    def send(self, text: str) -> None:
        """Deliver one message. Raises `NotificationFailedError`."""


class SlackNotifier:
    """Posts to a Slack incoming webhook, whose URL is the secret."""

    def __init__(self, url: SecretStr, *, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url
        self._client = httpx.Client(timeout=_TIMEOUT, follow_redirects=False, transport=transport)

    def send(self, text: str) -> None:
        try:
            response = self._client.post(self._url.get_secret_value(), json={"text": text})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Without its cause: the error's text holds the URL.
            raise NotificationFailedError(f"Slack could not be reached ({type(error).__name__}).") from None
        if not response.is_success:
            raise NotificationFailedError(f"Slack answered {response.status_code}; check the file slack_webhook_url.")


def announcing_consumer(notifier: Notifier) -> Consumer:
    """Announces that alerting fell silent, and that it is heard again."""

    def announce(_tx: Transaction, envelope: Envelope) -> None:
        notifier.send(_words(envelope))

    return Consumer(
        name="announce_silence",
        event_types=(AlertingFellSilent.event_type, AlertingHeardAgain.event_type),
        handler=announce,
        max_attempts=20,
    )


def _words(envelope: Envelope) -> str:
    if envelope.event_type == AlertingFellSilent.event_type:
        silence = opened(envelope, AlertingFellSilent)
        return (
            f":rotating_light: Sightline's alerting fell silent: the Watchdog was last heard at "
            f"{silence.last_heard_at:%Y-%m-%d %H:%M:%S} UTC. No other alert can be trusted to arrive. "
            "Run `sightline status`; runbook: docs/runbooks/pipeline.md#watchdogsilent"
        )
    heard = opened(envelope, AlertingHeardAgain)
    return f":white_check_mark: Sightline's alerting is heard again after {heard.silent_for_seconds:.0f} s of silence."
