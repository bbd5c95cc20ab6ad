"""The front door of the automation service."""

import logging
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from services.automation.alerts import AlertDesk
from services.automation.intake import Notification
from services.contracts.alerting import AlertList, AlertStatus
from services.kit.guards import require_bearer, require_scope
from services.kit.limits import rate_limit

LOCAL_SLACK_PATH = "/local/slack"
WEBHOOK_TOKEN = "alertmanager_token"  # noqa: S105 -- the name of a token, not a token

_log = logging.getLogger("services.automation.local_slack")


class Taken(BaseModel):
    """What a notification changed."""

    model_config = ConfigDict(frozen=True)

    changed: int


class SlackAttachment(BaseModel):
    """The part of Slack's attachment that is shown."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    title: str = Field(default="", max_length=4_000)
    text: str = Field(default="", max_length=40_000)


class SlackMessage(BaseModel):
    """What an incoming webhook of Slack takes; unknown fields are Slack's business."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    text: str = Field(default="", max_length=40_000)
    attachments: tuple[SlackAttachment, ...] = Field(default=(), max_length=20)


def alert_router(desk: AlertDesk) -> APIRouter:
    """Alerts in from Alertmanager, and what fires now out to whoever may read it."""
    router = APIRouter(tags=["alerts"])

    @router.post("/alertmanager", dependencies=[Depends(require_bearer(WEBHOOK_TOKEN))])
    def take(notification: Notification) -> Taken:
        """Take in a notification of Alertmanager, payload version 4. Taking one in twice changes nothing."""
        return Taken(changed=desk.take(notification))

    @router.get("/alerts", dependencies=[Depends(require_scope("alerts:read"))])
    def alerts(
        status: Annotated[AlertStatus | None, Query(description="Only alerts in this state.")] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> AlertList:
        """Alerts as the platform knows them, the newest first."""
        return AlertList(alerts=tuple(desk.listing(status=status, limit=limit)))

    return router


def local_slack_router() -> APIRouter:
    """Stands in for Slack until there is a real webhook: the message appears in the platform's own log."""
    router = APIRouter(tags=["local"])

    @router.post(LOCAL_SLACK_PATH, dependencies=[Depends(rate_limit("local_slack", "60/minute"))])
    def catch(message: SlackMessage) -> str:
        """Log what would have gone to Slack."""
        titles = [part.title or part.text for part in message.attachments]
        _log.warning("would have gone to Slack: %s", " | ".join(filter(None, [message.text, *titles])))
        return "ok"

    return router
