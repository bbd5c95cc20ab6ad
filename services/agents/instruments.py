"""How this service's facts read in the log and which metrics they move."""

from services.contracts.anomalies import AnomalyEnded, AnomalyFound, DiagnosisMade
from services.kit.instruments import Instrument, Measure
from telemetry.catalogue import (
    ANOMALIES,
    ANOMALY_DURATION,
    DIAGNOSES,
    DIAGNOSIS_CONFIDENCE,
    DIAGNOSIS_DURATION,
    DIAGNOSIS_PROSE,
)

_FIELDS = ("anomaly_id", "signal", "stage", "service_name", "detector")
_SEEN = {"signal": "signal", "stage": "stage"}

TABLE = (
    Instrument(
        event=AnomalyFound,
        level="warning",
        message="{signal} is out of the ordinary since {since}: {detail}",
        fields=(*_FIELDS, "target", "severity"),
        counters=(Measure(metric=ANOMALIES, labels={**_SEEN, "severity": "severity"}),),
    ),
    Instrument(
        event=AnomalyEnded,
        level="info",
        message="{signal} is as usual again after {duration_seconds} s",
        fields=_FIELDS,
        histograms=(Measure(metric=ANOMALY_DURATION, value="duration_seconds"),),
    ),
    Instrument(
        event=DiagnosisMade,
        level="info",
        message="the incident is probably caused by {leading} (confidence {confidence}, {evidence} pieces of evidence)",
        fields=("leading", "causes", "missing", "prose"),
        counters=(
            Measure(metric=DIAGNOSES, labels={"cause": "leading"}),
            Measure(metric=DIAGNOSIS_PROSE, labels={"outcome": "prose"}),
        ),
        histograms=(
            Measure(metric=DIAGNOSIS_DURATION, value="duration_seconds"),
            Measure(metric=DIAGNOSIS_CONFIDENCE, value="confidence"),
        ),
    ),
)
