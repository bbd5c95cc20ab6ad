"""Alerts that no other routine takes care of: looked into, followed to their end, and brought to a person in time."""

from collections.abc import Collection

from services.automation.pipelines.pipeline import Cause, Context, Pipeline
from services.automation.pipelines.triggers import ANY_ALERT
from services.automation.routines.handling import House, Response
from services.automation.routines.triage import Known, mildest, triage
from services.contracts.incidents import IncidentSeverity

_URGENT_SECONDS = 300.0
_PATIENT_SECONDS = 1_800.0
_WANTED = frozenset({IncidentSeverity.CRITICAL.value, IncidentSeverity.WARNING.value})
_OURSELVES = ("Incident", "Notification", "Pipeline", "Schedule", "Approval", "Anomal", "Watchdog")
"""Alerts about this loop itself: an incident about them would go round in it."""


def alert_triage(house: House, taken: Collection[str]) -> Pipeline:
    """Opens an incident for any alert but those in `taken`, does the mildest thing that may be done, and follows it."""

    def run(context: Context) -> None:
        cause = context.cause
        payload = cause.payload
        critical = payload.get("severity") == IncidentSeverity.CRITICAL.value

        def response(known: Known) -> Response:
            return Response(
                title=str(payload.get("summary") or cause.name)[:200],
                severity=IncidentSeverity.WARNING,
                plan=lambda found: mildest(context, house, found, known),
                check=lambda: not house.lasts(str(payload.get("fingerprint", ""))),
                what=f"{cause.name} fires no more",
                within_seconds=_URGENT_SECONDS if critical else _PATIENT_SECONDS,
            )

        triage(context, house, response)

    def wants(cause: Cause) -> bool:
        ours = cause.name.startswith(_OURSELVES)
        return not ours and cause.name not in taken and cause.payload.get("severity") in _WANTED

    return Pipeline(
        name="alert_triage",
        purpose="Look into every alert that has no pipeline of its own, follow it to its end, or call a person.",
        run=run,
        alerts=(ANY_ALERT,),
        wants=wants,
        lease=lambda cause: cause.cause_id,
        replaces="error handling",
        by_hand=False,
    )
