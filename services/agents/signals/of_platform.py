"""Signals of logins, pipelines, storage and the services themselves."""

from typing import Final

from services.agents.signals.sources import Changes, ErrorLines, Level, Mean, Rate, Ratio, Signal
from services.contracts.alerting import Severity
from services.contracts.anomalies import Detector, Stage
from telemetry import catalogue

_ROBUST: Final = (Detector.ROBUST,)
_BOTH: Final = (Detector.ROBUST, Detector.DRIFT)
_NEVER: Final = (Detector.INVARIANT,)
_BURN: Final = (Detector.BURN_RATE,)

_LOGIN: Final = (
    Signal(
        name="auth_attempts",
        title="logins and refreshes",
        stage=Stage.LOGIN,
        unit="per minute",
        source=Rate(catalogue.AUTH_ATTEMPTS.name),
        detectors=_ROBUST,
        floor=6.0,
    ),
    Signal(
        name="auth_failures",
        title="share of logins that fail",
        stage=Stage.LOGIN,
        unit="ratio",
        source=Ratio(catalogue.AUTH_ATTEMPTS.name, bad={"outcome": ("!succeeded",)}),
        by=("method",),
        detectors=_BURN,
        budget=0.05,
    ),
    Signal(
        name="code_wait",
        title="waiting for a one-time code",
        stage=Stage.LOGIN,
        unit="s",
        source=Mean(catalogue.AUTH_CODE_WAIT.name),
        by=("method",),
        detectors=(Detector.ROBUST, Detector.DRIFT, Detector.INVARIANT),
        floor=10.0,
        limit=45.0,
    ),
    Signal(
        name="code_awaited",
        title="a login that waits for a text message",
        stage=Stage.LOGIN,
        unit="accounts",
        source=Level(catalogue.AUTH_SESSION_STATE.name, where={"state": ("awaiting_sms",)}),
        by=("account",),
        detectors=_NEVER,
        hold=4,
        target="account",
    ),
    Signal(
        name="preflight_failing",
        title="a preflight that fails",
        stage=Stage.LOGIN,
        unit="accounts",
        source=Level(catalogue.AUTH_PREFLIGHT_FAILING.name),
        by=("account",),
        detectors=_NEVER,
        hold=4,
        target="account",
    ),
    Signal(
        name="session_troubled",
        title="a session that does not come about",
        stage=Stage.LOGIN,
        unit="accounts",
        source=Level(catalogue.AUTH_SESSION_STATE.name, where={"state": ("backing_off", "cooling_down", "blocked")}),
        by=("account",),
        detectors=_NEVER,
        hold=2,
        target="account",
    ),
    Signal(
        name="clock_offset",
        title="our clock against the servers'",
        stage=Stage.LOGIN,
        unit="s",
        source=Level(catalogue.AUTH_CLOCK_OFFSET.name),
        detectors=_NEVER,
        limit=2.0,
        hold=2,
    ),
)

_PIPELINES: Final = (
    Signal(
        name="pipeline_duration",
        title="a pipeline's run",
        stage=Stage.PIPELINES,
        unit="s",
        source=Mean(catalogue.PIPELINE_DURATION.name),
        by=("pipeline",),
        detectors=_ROBUST,
        floor=60.0,
    ),
    Signal(
        name="pipeline_failures",
        title="share of pipelines' runs that fail",
        stage=Stage.PIPELINES,
        unit="ratio",
        source=Ratio(catalogue.PIPELINE_RUNS.name, bad={"outcome": ("failed",)}),
        by=("pipeline",),
        detectors=_BURN,
        budget=0.05,
    ),
    Signal(
        name="event_lag",
        title="time until a fact is handled",
        stage=Stage.PIPELINES,
        unit="s",
        source=Mean(catalogue.EVENT_LAG.name),
        by=("consumer",),
        detectors=_BOTH,
        floor=2.0,
    ),
    Signal(
        name="redeliveries",
        title="deliveries of facts that fail",
        stage=Stage.PIPELINES,
        unit="per minute",
        source=Rate(catalogue.EVENTS_CONSUMED.name, where={"outcome": ("retried",)}),
        by=("consumer",),
        detectors=_ROBUST,
        floor=3.0,
    ),
    Signal(
        name="dead_letters",
        title="facts that no consumer could handle",
        stage=Stage.PIPELINES,
        unit="facts",
        source=Level(catalogue.DEAD_LETTERS.name),
        by=("consumer",),
        detectors=_NEVER,
    ),
    Signal(
        name="outbox_age",
        title="age of the oldest fact that was not published",
        stage=Stage.PIPELINES,
        unit="s",
        source=Level(catalogue.OUTBOX_OLDEST.name),
        detectors=_NEVER,
        limit=30.0,
        hold=2,
    ),
)

_STORAGE: Final = (
    Signal(
        name="spool_size",
        title="telemetry that waits on disk",
        stage=Stage.STORAGE,
        unit="bytes",
        source=Level(catalogue.TELEMETRY_SPOOL_SIZE.name),
        detectors=_NEVER,
        hold=4,
    ),
    Signal(
        name="telemetry_dropped",
        title="telemetry that is lost",
        stage=Stage.STORAGE,
        unit="per minute",
        source=Rate(catalogue.TELEMETRY_DROPPED.name),
        detectors=_NEVER,
    ),
    Signal(
        name="database_unready",
        title="a database that does not answer",
        stage=Stage.STORAGE,
        unit="services",
        source=Level(catalogue.DEPENDENCY_READY.name, where={"dependency": ("database",)}, inverted=True),
        detectors=_NEVER,
        hold=8,
        severity=Severity.CRITICAL,
    ),
)

_SERVICES: Final = (
    Signal(
        name="log_errors",
        title="errors in the log",
        stage=Stage.SERVICES,
        unit="per minute",
        source=ErrorLines(),
        detectors=_ROBUST,
        floor=6.0,
    ),
    Signal(
        name="request_errors",
        title="share of requests that a service fails",
        stage=Stage.SERVICES,
        unit="ratio",
        # A service that starts says 503 to who asks whether it is ready.
        source=Ratio(
            f"{catalogue.HTTP_REQUEST_DURATION.name}_count",
            bad={"status_class": ("5xx",)},
            where={"route": ("!/readyz", "!/healthz", "!/metrics")},
        ),
        detectors=_BURN,
        budget=0.01,
    ),
    Signal(
        name="client_calls",
        title="calls to another program",
        stage=Stage.SERVICES,
        unit="per minute",
        source=Rate(f"{catalogue.HTTP_CLIENT_DURATION.name}_count"),
        by=("dependency",),
    ),
    Signal(
        name="client_errors",
        title="share of calls that another program fails",
        stage=Stage.SERVICES,
        unit="ratio",
        source=Ratio(
            f"{catalogue.HTTP_CLIENT_DURATION.name}_count",
            bad={"outcome": ("4xx", "5xx", "timeout", "connect_error", "error")},
            least=5.0,
        ),
        by=("dependency",),
        detectors=_BURN,
        budget=0.05,
    ),
    Signal(
        name="restarts",
        title="starts of a service",
        stage=Stage.SERVICES,
        unit="within ten minutes",
        source=Changes("process_start_time_seconds"),
        detectors=_NEVER,
        limit=2.0,
        severity=Severity.CRITICAL,
    ),
)

PLATFORM: Final = (*_LOGIN, *_PIPELINES, *_STORAGE, *_SERVICES)
