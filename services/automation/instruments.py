"""How this service's facts read in the log and which metrics they move."""

from services.contracts.alerting import AlertFired, AlertingFellSilent, AlertingHeardAgain, AlertResolved
from services.contracts.incidents import (
    IncidentActed,
    IncidentDiagnosed,
    IncidentEscalated,
    IncidentJoined,
    IncidentOpened,
    IncidentResolved,
)
from services.contracts.notifications import NotificationFailed, NotificationSent, NotificationUndelivered
from services.contracts.pipelines import (
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRefused,
    ApprovalRequested,
    ManualIntervention,
    PipelineEnded,
    PipelineRecovered,
    PipelineStarted,
    PipelineStepFailed,
)
from services.kit.instruments import Instrument, Measure
from telemetry.catalogue import (
    ALERTS_RECEIVED,
    APPROVALS,
    INCIDENT_ACTIONS,
    INCIDENT_DETECTION,
    INCIDENT_MITIGATION,
    INCIDENT_RESOLUTION,
    INCIDENTS_ENDED,
    INCIDENTS_OPENED,
    MANUAL_INTERVENTIONS,
    NOTIFICATIONS,
    PIPELINE_DURATION,
    PIPELINE_RECOVERIES,
    PIPELINE_RUNS,
    PIPELINE_RUNS_STARTED,
    PIPELINE_STEP_FAILURES,
    WATCHDOG_SILENT,
)

_RECEIVED = Measure(metric=ALERTS_RECEIVED, labels={"severity": "severity", "status": "status"})
_FIELDS = ("fingerprint", "alert_name", "severity", "service_name")

_RUN = ("run_id", "pipeline", "target")
_APPROVAL = ("approval_id", "action", "target", "parameters_digest")

PIPELINES = (
    Instrument(
        event=PipelineStarted,
        level="info",
        message="{pipeline} starts, caused by {cause_kind} {cause_id}",
        fields=(*_RUN, "cause_kind", "cause_id"),
        counters=(Measure(metric=PIPELINE_RUNS_STARTED, labels={"pipeline": "pipeline", "cause": "cause_kind"}),),
    ),
    Instrument(
        event=PipelineStepFailed,
        level="warning",
        message="{pipeline} cannot do {step} after {attempt} tries: {detail}",
        fields=(*_RUN, "step", "failure_class", "attempt"),
        counters=(
            Measure(metric=PIPELINE_STEP_FAILURES, labels={"pipeline": "pipeline", "failure_class": "failure_class"}),
        ),
    ),
    Instrument(
        event=PipelineEnded,
        level="info",
        message="{pipeline} {outcome} after {duration_seconds} s and {steps} steps. {detail}",
        fields=(*_RUN, "outcome", "duration_seconds", "steps"),
        counters=(Measure(metric=PIPELINE_RUNS, labels={"pipeline": "pipeline", "outcome": "outcome"}),),
        histograms=(Measure(metric=PIPELINE_DURATION, labels={"pipeline": "pipeline"}, value="duration_seconds"),),
    ),
    Instrument(
        event=PipelineRecovered,
        level="warning",
        message="{pipeline} goes on where it was cut short",
        fields=_RUN,
        counters=(Measure(metric=PIPELINE_RECOVERIES, labels={"pipeline": "pipeline"}),),
    ),
    Instrument(
        event=ApprovalRequested,
        level="warning",
        message="{pipeline} asks to {action}: {reason} Decide with `sightline approve {approval_id}`",
        fields=(*_APPROVAL, "run_id", "pipeline"),
        counters=(Measure(metric=APPROVALS, fixed={"outcome": "requested"}),),
    ),
    Instrument(
        event=ApprovalGranted,
        level="info",
        message="{decided_by} allowed {action}",
        fields=(*_APPROVAL, "decided_by"),
        counters=(Measure(metric=APPROVALS, fixed={"outcome": "granted"}),),
    ),
    Instrument(
        event=ApprovalRefused,
        level="info",
        message="{decided_by} refused {action}",
        fields=(*_APPROVAL, "decided_by"),
        counters=(Measure(metric=APPROVALS, fixed={"outcome": "refused"}),),
    ),
    Instrument(
        event=ApprovalExpired,
        level="warning",
        message="nobody decided on {action} in time; it was not done",
        fields=_APPROVAL,
        counters=(Measure(metric=APPROVALS, fixed={"outcome": "expired"}),),
    ),
    Instrument(
        event=ManualIntervention,
        level="info",
        message="{by} had to {kind} {subject} by hand",
        fields=("kind", "by"),
        counters=(Measure(metric=MANUAL_INTERVENTIONS, labels={"kind": "kind"}),),
    ),
)

_INCIDENT = ("incident_id", "target")

INCIDENT_ROWS = (
    Instrument(
        event=IncidentOpened,
        level="warning",
        message="incident {incident_id}: {title}",
        fields=(*_INCIDENT, "severity", "cause_kind", "cause_id", "alert_name"),
        counters=(Measure(metric=INCIDENTS_OPENED, labels={"severity": "severity"}),),
    ),
    Instrument(
        event=IncidentJoined,
        level="info",
        message="incident {incident_id} takes in {cause_name}",
        fields=(*_INCIDENT, "cause_id"),
    ),
    Instrument(
        event=IncidentDiagnosed,
        level="info",
        message="incident {incident_id}: probable causes {causes}, confidence {confidence}; known: {knowledge_ids}",
        fields=(*_INCIDENT, "causes", "confidence", "knowledge_ids"),
    ),
    Instrument(
        event=IncidentActed,
        level="info",
        message="incident {incident_id}: {action} {outcome}. {detail}",
        fields=(*_INCIDENT, "action", "outcome"),
        counters=(Measure(metric=INCIDENT_ACTIONS, labels={"action": "action", "outcome": "outcome"}),),
    ),
    Instrument(
        event=IncidentEscalated,
        level="error",
        message="incident {incident_id} needs a person: {reason}",
        fields=(*_INCIDENT, "severity", "causes", "actions"),
        counters=(Measure(metric=INCIDENTS_ENDED, fixed={"outcome": "escalated"}),),
    ),
    Instrument(
        event=IncidentResolved,
        level="info",
        message="incident {incident_id} is over after {seconds_to_resolve} s",
        fields=(*_INCIDENT, "severity", "causes", "actions", "seconds_to_detect", "seconds_to_mitigate"),
        counters=(Measure(metric=INCIDENTS_ENDED, fixed={"outcome": "resolved"}),),
        histograms=(
            Measure(metric=INCIDENT_DETECTION, value="seconds_to_detect"),
            Measure(metric=INCIDENT_MITIGATION, value="seconds_to_mitigate"),
            Measure(metric=INCIDENT_RESOLUTION, value="seconds_to_resolve"),
        ),
    ),
)

_TOLD = {"channel": "channel"}

NOTIFICATION_ROWS = (
    Instrument(
        event=NotificationSent,
        level="info",
        message="told by {channel}: {title}",
        fields=("channel", "count"),
        counters=(Measure(metric=NOTIFICATIONS, labels=_TOLD, fixed={"outcome": "sent"}, value="count"),),
    ),
    Instrument(
        event=NotificationFailed,
        level="warning",
        message="try {attempt} to tell {count} messages by {channel} failed: {reason}",
        fields=("channel", "count", "attempt"),
        counters=(Measure(metric=NOTIFICATIONS, labels=_TOLD, fixed={"outcome": "failed"}, value="count"),),
    ),
    Instrument(
        event=NotificationUndelivered,
        level="error",
        message="{count} messages were not told by {channel}, the first of them {title}: {reason}",
        fields=("channel", "count"),
        counters=(Measure(metric=NOTIFICATIONS, labels=_TOLD, fixed={"outcome": "undelivered"}, value="count"),),
    ),
)

TABLE = (
    *PIPELINES,
    *INCIDENT_ROWS,
    *NOTIFICATION_ROWS,
    Instrument(
        event=AlertFired,
        level="warning",
        message="alert {alert_name} fires: {summary}",
        fields=_FIELDS,
        counters=(_RECEIVED,),
    ),
    Instrument(
        event=AlertResolved,
        level="info",
        message="alert {alert_name} is resolved",
        fields=_FIELDS,
        counters=(_RECEIVED,),
    ),
    Instrument(
        event=AlertingFellSilent,
        level="critical",
        message="alerting fell silent: the Watchdog was last heard at {last_heard_at}, limit {silence_limit_seconds} s",
        gauges=(Measure(metric=WATCHDOG_SILENT, value=1.0),),
    ),
    Instrument(
        event=AlertingHeardAgain,
        level="info",
        message="alerting is heard again after {silent_for_seconds} s of silence",
        gauges=(Measure(metric=WATCHDOG_SILENT, value=0.0),),
    ),
)
