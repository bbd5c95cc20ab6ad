"""How this service's facts read in the log and which metrics they move."""

from services.contracts.alerting import AlertFired, AlertingFellSilent, AlertingHeardAgain, AlertResolved
from services.kit.instruments import Instrument, Measure
from telemetry.catalogue import ALERTS_RECEIVED, WATCHDOG_SILENT

_RECEIVED = Measure(metric=ALERTS_RECEIVED, labels={"severity": "severity", "status": "status"})
_FIELDS = ("fingerprint", "alert_name", "severity", "service_name")

TABLE = (
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
