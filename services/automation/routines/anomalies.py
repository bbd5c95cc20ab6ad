"""Anomalies: looked into by the analyst, and acted upon as far as the policy lets the platform act by itself."""

from services.automation.approvals.policy import POLICY, Consent
from services.automation.pipelines.pipeline import Cause, Context, Pipeline
from services.automation.routines.handling import Action, Found, House, Response, handle
from services.contracts.anomalies import AnomalyFound
from services.contracts.incidents import IncidentSeverity
from services.contracts.orders import VenueName

_WITHIN_SECONDS = 900.0


def anomaly_triage(house: House) -> Pipeline:
    """Takes an anomaly that matters, asks the analyst, and does the mildest thing that may be done by itself."""

    def run(context: Context) -> None:
        anomaly = str(context.cause.payload.get("anomaly_id", ""))
        venues = context.step("venues", lambda: [str(each.venue) for each in house.outside.trading.state().venues])

        def plan(found: Found) -> list[Action]:
            return mildest(house, found, context.cause, venues)

        handle(
            context,
            house,
            Response(
                title=str(context.cause.payload.get("detail", "Something is out of the ordinary"))[:200],
                severity=IncidentSeverity.WARNING,
                plan=plan,
                check=lambda: anomaly not in house.outside.anomalies.open_ids(),
                what="it is as usual again",
                within_seconds=_WITHIN_SECONDS,
            ),
        )

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


def mildest(house: House, found: Found, cause: Cause, venues: list[str]) -> list[Action]:
    """The first thing that the best hypothesis allows, the policy leaves to the platform, and can be done here."""
    target = cause.target or ""
    known = {}
    if target in venues:
        venue, reason = VenueName(target), f"{found.causes[0] if found.causes else 'an anomaly'} at {target}"
        known = {
            "hold_venue": lambda: house.outside.venues.hold(venue, reason),
            "reconcile": lambda: len(house.outside.venues.reconcile(venue).differences),
        }
    for name in found.allowed:
        if name in known and POLICY[name].consent is Consent.BY_ITSELF:
            return [Action(name=name, do=known[name])]
    return []
