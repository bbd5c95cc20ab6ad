"""What every routine that takes care of an incident has in common: open, diagnose, act, verify, resolve or escalate."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from opentelemetry import trace

from services.automation.actions.outside import Advisers, Outside
from services.automation.approvals.policy import POLICY, Consent
from services.automation.incidents.desk import IncidentDesk
from services.automation.incidents.trouble import Trouble
from services.automation.pipelines.pipeline import Answer, Cause, Context
from services.automation.pipelines.running import StepFailedError
from services.contracts.anomalies import DiagnosisRequest, IncidentId
from services.contracts.incidents import IncidentSeverity
from services.contracts.knowledge import MatchQuery
from services.contracts.pipelines import CauseKind
from services.kit.clock import Clock
from services.kit.errors import SightlineError
from telemetry.emit.propagation import TRACEPARENT, extract

_log = logging.getLogger("services.automation.routines")
_MOST_KNOWLEDGE: Final = 5


@dataclass(frozen=True, slots=True)
class House:
    """What routines work with.

    Attributes:
        firing: Whether an alert of a rule of this name fires now.
        lasts: Whether the alert with this fingerprint fires now.
    """

    outside: Outside
    incidents: IncidentDesk
    clock: Clock
    firing: Callable[[str], bool]
    lasts: Callable[[str], bool] = lambda _fingerprint: False


@dataclass(frozen=True, slots=True)
class Found:
    """What the advisers say; empty when they know nothing or cannot be asked."""

    causes: tuple[str, ...] = ()
    confidence: float = 0.0
    knowledge_ids: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something to do about an incident.

    Attributes:
        name: Of the policy, which says whether a person is asked first.
        do: Does it; doing it twice changes nothing more. Its result is a word or two for the history.
        parameters: What exactly a person is asked to allow.
    """

    name: str
    do: Callable[[], object]
    parameters: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """How one kind of trouble is taken care of.

    Attributes:
        title: What a person reads first.
        plan: What to do, by what was found.
        check: Whether all is well again, and in which words that is waited for.
        within_seconds: How long to wait for it before a person is called.
    """

    title: str
    severity: IncidentSeverity
    plan: Callable[[Found], Sequence[Action]]
    check: Callable[[], bool]
    what: str
    within_seconds: float


def handle(context: Context, house: House, response: Response) -> None:
    """Take care of the incident that the run's cause tells of."""
    incident_id = opened(context, house, response.title, response.severity)
    if incident_id is None:
        return
    found = diagnosed(context, house, incident_id)
    for action in response.plan(found):
        done(context, house, incident_id, action)
    verified(context, house, incident_id, response)


def opened(context: Context, house: House, title: str, severity: IncidentSeverity) -> str | None:
    """The incident that this run takes care of; None when it joined one that another run takes care of."""
    trouble = trouble_of(context.cause, title, severity, house.clock.now)
    answer = context.step("open incident", lambda: asdict(house.incidents.open(trouble(), context.run_id)))
    return None if answer["joined"] else str(answer["incident_id"])


def diagnosed(context: Context, house: House, incident_id: str) -> Found:
    """Ask the advisers, and note what they say. Nobody is waited for: without advice the routine goes on."""
    cause = context.cause
    asked = context.step("diagnose", lambda: _advice(house.outside.advisers, incident_id, cause, house.clock.now()))
    found = Found(tuple(asked["causes"]), asked["confidence"], tuple(asked["knowledge_ids"]), tuple(asked["allowed"]))
    context.step(
        "note diagnosis",
        lambda: house.incidents.diagnosed(incident_id, found.causes, found.confidence, found.knowledge_ids),
    )
    return found


def done(context: Context, house: House, incident_id: str, action: Action) -> bool:
    """Do something, after a person's consent where the policy asks for it; whether it was done."""
    if POLICY[action.name].consent is Consent.APPROVAL:
        answer = context.approve(action.name, dict(action.parameters), action.reason)
        if answer is not Answer.APPROVED:
            context.step(
                f"note {action.name}", lambda: house.incidents.acted(incident_id, action.name, answer.value, "")
            )
            return False
    outcome, detail = "done", ""
    try:
        result = context.step(action.name, action.do)
        detail = "" if result is None else str(result)
    except StepFailedError as error:
        outcome, detail = "failed", error.detail
    context.step(f"note {action.name}", lambda: house.incidents.acted(incident_id, action.name, outcome, detail))
    return outcome == "done"


def verified(
    context: Context, house: House, incident_id: str, response: Response, *, then: Callable[[], object] = lambda: None
) -> bool:
    """Wait for a check of the state; then the incident is over, or a person is called. Whether it is over.

    `then` undoes what was done for as long as the trouble lasted, before the incident ends well.
    """
    context.step("note verifying", lambda: house.incidents.verifying(incident_id, f"waits until {response.what}"))
    well = context.wait_until("verify", response.check, timeout_seconds=response.within_seconds, poll_seconds=1.0)
    if well:
        then()
        context.step("resolve", lambda: house.incidents.resolve(incident_id, response.what))
    else:
        reason = f"not so within {response.within_seconds:.0f} s: {response.what}"
        context.step("escalate", lambda: house.incidents.escalate(incident_id, reason))
    return well


def trouble_of(
    cause: Cause, title: str, severity: IncidentSeverity, now: Callable[[], datetime]
) -> Callable[[], Trouble]:
    """What the incident is opened with, by what the cause tells."""
    payload = cause.payload
    alert = cause.kind is CauseKind.ALERT

    def trouble() -> Trouble:
        told = payload.get("severity") if alert else None
        began = payload.get("starts_at") or payload.get("since")
        return Trouble(
            cause_id=cause.cause_id,
            cause_kind=cause.kind.value,
            cause_name=cause.name,
            title=title,
            severity=IncidentSeverity(told) if told in set(IncidentSeverity) else severity,
            target=cause.target or "",
            service_name=str(payload.get("service_name", "")),
            alert_name=cause.name if alert else "",
            started_at=datetime.fromisoformat(began) if began else now(),
            trace_id=_trace_id(cause.traceparent),
        )

    return trouble


def _advice(advisers: Advisers, incident_id: str, cause: Cause, now: datetime) -> dict[str, Any]:
    alert_name = cause.name if cause.kind is CauseKind.ALERT else ""
    service = str(cause.payload.get("service_name", ""))
    began = cause.payload.get("starts_at") or cause.payload.get("since")
    causes: list[str] = []
    knowledge: list[str] = []
    allowed: list[str] = []
    confidence = 0.0
    try:
        diagnosis = advisers.diagnose(
            DiagnosisRequest(
                incident_id=IncidentId(incident_id),
                alert_name=alert_name,
                target=(cause.target or "")[:100],
                service_name=service[:100],
                started_at=datetime.fromisoformat(began) if began else now,
            )
        )
        for hypothesis in diagnosis.hypotheses:
            causes.append(hypothesis.cause.value)
            knowledge += hypothesis.knowledge_ids
        if diagnosis.hypotheses:
            confidence = diagnosis.hypotheses[0].confidence
            allowed = list(diagnosis.hypotheses[0].allowed_actions)
    except SightlineError as error:
        _log.warning("the analyst cannot be asked about %s: %s", incident_id, error.detail)
    try:
        words = str(cause.payload.get("summary") or cause.payload.get("detail") or cause.payload.get("reason") or "")
        answer = advisers.match(
            MatchQuery(text=words[:4_000] or cause.name, alert_name=alert_name, source=cause.name[:200])
        )
        knowledge += [match.entry_id for match in answer.matches]
    except SightlineError as error:
        _log.warning("the knowledge base cannot be asked about %s: %s", incident_id, error.detail)
    unique = list(dict.fromkeys(knowledge))[:_MOST_KNOWLEDGE]
    return {"causes": causes, "confidence": confidence, "knowledge_ids": unique, "allowed": allowed}


def _trace_id(traceparent: str) -> str:
    span = trace.get_current_span(extract({TRACEPARENT: traceparent} if traceparent else {})).get_span_context()
    return f"{span.trace_id:032x}" if span.is_valid else ""
