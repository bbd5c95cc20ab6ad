"""What messages say, for a phone's screen: what, since when, what the platform did, and what a person has to do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from services.contracts.alerting import AlertingFellSilent, AlertingHeardAgain
from services.contracts.documents import DocumentKind, DocumentWritten
from services.contracts.events import Envelope
from services.contracts.incidents import IncidentEscalated, IncidentResolved
from services.contracts.pipelines import ApprovalExpired, ApprovalRequested
from services.contracts.trading import KillSwitchDone, KillSwitchPulled
from services.kit.envelopes import opened

_LONGEST = 1_500  # letters of one message; a phone's screen shows a third of it


@dataclass(frozen=True, slots=True)
class Message:
    """What a person is told.

    Attributes:
        urgent: Goes at once; the rest waits a little for others to go with.
    """

    title: str
    body: str
    urgent: bool = False


def message_of(envelope: Envelope) -> Message:
    """What the event is to a person; of one of `EVENT_TYPES`."""
    message = _WORDS[envelope.event_type](envelope)
    body = message.body if len(message.body) <= _LONGEST else f"{message.body[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
    return Message(message.title[:200], body, message.urgent)


def together(messages: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Titles and bodies as one message."""
    if len(messages) == 1:
        return messages[0]
    titles = "; ".join(title for title, _ in messages[:2])
    more = f" and {len(messages) - 2} more" if len(messages) > 2 else ""  # noqa: PLR2004 -- the two that are named
    return f"{titles}{more}"[:200], "\n\n".join(f"{title}\n{body}" for title, body in messages)


def _approval_requested(envelope: Envelope) -> Message:
    asked = opened(envelope, ApprovalRequested)
    exactly = ", ".join(f"{name} = {value}" for name, value in sorted(asked.parameters.items()))
    lines = [
        asked.reason,
        f"Exactly: {asked.action}{f' ({exactly})' if exactly else ''}",
        f"Until: {_moment(asked.expires_at)}; without an answer it is not done.",
        f"Yes: sightline approve {asked.approval_id}",
        f"No: sightline refuse {asked.approval_id}",
        f"More: sightline runs {asked.run_id}",
    ]
    return Message(f"May I {_plain(asked.action)}{_about(asked.target)}?", _lines(lines), urgent=True)


def _approval_expired(envelope: Envelope) -> Message:
    asked = opened(envelope, ApprovalExpired)
    body = "Nobody answered in time, so it was not done. What asked goes on without it: sightline incidents"
    return Message(f"Not done: {_plain(asked.action)}{_about(asked.target)}", body)


def _escalated(envelope: Envelope) -> Message:
    incident = opened(envelope, IncidentEscalated)
    lines = [
        f"Why you: {incident.reason}",
        f"Since: {_moment(incident.started_at)}",
        f"About: {incident.target}" if incident.target else "",
        f"Probably: {', '.join(incident.causes[:3])}" if incident.causes else "Probably: no finding",
        f"Done so far: {'; '.join(incident.actions) or 'nothing'}",
        f"Look: sightline incidents {incident.incident_id}",
        f"Known: sightline kb show {incident.knowledge_ids[0]}" if incident.knowledge_ids else "",
    ]
    return Message(f"[{incident.severity.value.upper()}] needs you: {incident.title}", _lines(lines), urgent=True)


def _resolved(envelope: Envelope) -> Message:
    incident = opened(envelope, IncidentResolved)
    lines = [
        f"From {_moment(incident.started_at)}, for {_duration(incident.seconds_to_resolve)}",
        f"About: {incident.target}" if incident.target else "",
        f"Probably: {', '.join(incident.causes[:3])}" if incident.causes else "",
        f"Done: {'; '.join(incident.actions) or 'nothing was needed'}",
        "You need to do nothing.",
        f"More: sightline incidents {incident.incident_id}",
    ]
    return Message(f"[RESOLVED] {incident.title}", _lines(lines))


def _written(envelope: Envelope) -> Message:
    document = opened(envelope, DocumentWritten)
    lines = [
        f"From {_moment(document.period_start)} to {_moment(document.period_end)}",
        "It is a draft: what the platform cannot know is left blank for you." if _judged(document) else "",
        f"Read: sightline documents show {document.document_id}",
    ]
    return Message(f"[{_plain(document.kind.value).upper()}] {document.title}", _lines(lines))


def _judged(document: DocumentWritten) -> bool:
    return document.kind is DocumentKind.POSTMORTEM


def _fell_silent(envelope: Envelope) -> Message:
    silence = opened(envelope, AlertingFellSilent)
    lines = [
        f"The Watchdog was last heard at {_moment(silence.last_heard_at)}. No other alert can be trusted to arrive.",
        "Do: sightline status",
        "Runbook: docs/runbooks/pipeline.md#watchdogsilent",
    ]
    return Message("[CRITICAL] alerting fell silent", _lines(lines), urgent=True)


def _heard_again(envelope: Envelope) -> Message:
    heard = opened(envelope, AlertingHeardAgain)
    body = f"After {_duration(heard.silent_for_seconds)} of silence. Alerts arrive again."
    return Message("[RESOLVED] alerting is heard again", body, urgent=True)


def _kill_pulled(envelope: Envelope) -> Message:
    pulled = opened(envelope, KillSwitchPulled)
    lines = [
        f"By {pulled.actor}: {pulled.reason}",
        "Every order is canceled and every position closed; nothing new is sent.",
        "Look: sightline trading",
    ]
    return Message("[CRITICAL] the kill switch was pulled", _lines(lines), urgent=True)


def _kill_done(envelope: Envelope) -> Message:
    done = opened(envelope, KillSwitchDone)
    counted = f"{done.canceled} orders canceled, {done.flattened} positions closed"
    if done.flat:
        body = f"{counted}. Nothing works and nothing is held.\nTo trade again: sightline resume"
        return Message("the kill switch ended: all is flat", body, urgent=True)
    body = f"{counted}.\nLeft: {done.left}\nDo: close it at the venue itself, then look: sightline trading"
    return Message("[CRITICAL] the kill switch ended and something is left", body, urgent=True)


_WORDS: Final[Mapping[str, Callable[[Envelope], Message]]] = MappingProxyType(
    {
        ApprovalRequested.event_type: _approval_requested,
        ApprovalExpired.event_type: _approval_expired,
        IncidentEscalated.event_type: _escalated,
        IncidentResolved.event_type: _resolved,
        DocumentWritten.event_type: _written,
        AlertingFellSilent.event_type: _fell_silent,
        AlertingHeardAgain.event_type: _heard_again,
        KillSwitchPulled.event_type: _kill_pulled,
        KillSwitchDone.event_type: _kill_done,
    }
)

EVENT_TYPES: Final = tuple(sorted(_WORDS))
"""What a person is told about."""


def _plain(action: str) -> str:
    return action.replace("_", " ")


def _about(target: str | None) -> str:
    return f" for {target}" if target else ""


def _lines(lines: Sequence[str]) -> str:
    return "\n".join(line for line in lines if line)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
