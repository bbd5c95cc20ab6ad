"""Anomalies: looked into by the analyst, and acted upon as far as the policy lets the platform act by itself."""

from services.automation.pipelines.pipeline import Context, Pipeline
from services.automation.routines.handling import House, Response
from services.automation.routines.triage import Known, mildest, triage
from services.contracts.anomalies import AnomalyFound
from services.contracts.incidents import IncidentSeverity

_WITHIN_SECONDS = 900.0


def anomaly_triage(house: House) -> Pipeline:
    """Takes an anomaly that matters, asks the analyst, and does the mildest thing that may be done by itself."""

    def run(context: Context) -> None:
        anomaly = str(context.cause.payload.get("anomaly_id", ""))

        def response(known: Known) -> Response:
            return Response(
                title=str(context.cause.payload.get("detail", "Something is out of the ordinary"))[:200],
                severity=IncidentSeverity.WARNING,
                plan=lambda found: mildest(context, house, found, known),
                check=lambda: anomaly not in house.outside.anomalies.open_ids(),
                what="it is as usual again",
                within_seconds=_WITHIN_SECONDS,
            )

        triage(context, house, response)

    return Pipeline(
        name="anomaly_triage",
        purpose="Look into what is out of the ordinary before it becomes an outage.",
        run=run,
        events=(AnomalyFound.event_type,),
        wants=lambda cause: cause.payload.get("severity") == "critical",
        target=lambda cause: str(cause.payload.get("target") or cause.payload.get("service_name") or "") or None,
        replaces="error handling",
        by_hand=False,
    )
