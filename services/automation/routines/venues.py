"""Venues: one that does not work well is held back, watched, compared and restored."""

from datetime import timedelta

from services.automation.pipelines.pipeline import Cause, Context, Pipeline
from services.automation.routines.handling import Action, Found, House, diagnosed, done, opened
from services.contracts.incidents import IncidentSeverity
from services.contracts.orders import VenueName
from services.contracts.trading import CircuitChanged, CircuitState, OrderIncident, OrderIncidentKind, StreamLost

_HELD = "held back by"
_SHUT = "not used at present"
_HEALTHY_WITHIN_SECONDS = 1_800.0
_STREAM_WITHIN_SECONDS = 60.0
_READY_WITHIN_SECONDS = 120.0
_MOST_RESTORES = 3
_RESTORES_COUNT_FOR = timedelta(hours=1)
_MANY = 1_000
_LIES = frozenset({"rejected_after_accept", "duplicate_fill"})
_ALERTS = ("BrokerDown", "StreamStale", "RejectRatioHigh", "FailoverFlapping", "ReconcileMismatch", "RateLimitNear")
_WRONG = frozenset({OrderIncidentKind.OVERFILL.value, OrderIncidentKind.TERMS_DIFFER.value})


def venue_degraded(house: House) -> Pipeline:
    """Fails over by holding the venue back, watches it, and fails back; to a venue that lied only with consent."""

    def run(context: Context) -> None:
        venue = VenueName(context.cause.target or "")
        if context.cause.name == StreamLost.event_type and _comes_back(context, house, venue):
            return
        incident_id = opened(context, house, f"{venue} does not work as it should", IncidentSeverity.WARNING)
        if incident_id is None:
            return
        found = diagnosed(context, house, incident_id)
        reason = f"incident {incident_id}"
        done(
            context, house, incident_id, Action(name="hold_venue", do=lambda: house.outside.venues.hold(venue, reason))
        )
        what = f"{venue} is in order apart from our hold"
        context.step("note watching", lambda: house.incidents.verifying(incident_id, f"waits until {what}"))
        well = context.wait_until(
            "watch", lambda: _answers(house, venue), timeout_seconds=_HEALTHY_WITHIN_SECONDS, poll_seconds=2.0
        )
        if not well:
            reason = f"{venue} stays held back: it was not in order within {_HEALTHY_WITHIN_SECONDS / 60:.0f} minutes"
            context.step("escalate", lambda: house.incidents.escalate(incident_id, reason))
            return
        _restored(context, house, incident_id, venue, found)

    return Pipeline(
        name="venue_degraded",
        purpose="Hold a venue back that does not work, watch it, and restore it once its books agree with ours.",
        run=run,
        events=(CircuitChanged.event_type, StreamLost.event_type, OrderIncident.event_type),
        alerts=_ALERTS,
        wants=_wants,
        target=_venue_of,
        replaces="broker switch; failed-call triage",
        needs_target="venue",
    )


def _restored(context: Context, house: House, incident_id: str, venue: VenueName, found: Found) -> None:
    compared = Action(
        name="reconcile", do=lambda: f"{len(house.outside.venues.reconcile(venue).differences)} differences"
    )
    done(context, house, incident_id, compared)
    lied = bool(_LIES & set(found.causes[:1])) or context.cause.payload.get("kind") in _WRONG
    if not lied and context.step("restores", lambda: _restores_lately(house, venue)) >= _MOST_RESTORES:
        # It fails as soon as orders go there: looks well, is asked well, and is held again. A person has to look.
        reason = (
            f"{venue} stays held back: it was restored {_MOST_RESTORES} times within an hour and failed each time; once"
            f" it is in order, `sightline venue restore {venue}`"
        )
        context.step("escalate", lambda: house.incidents.escalate(incident_id, reason))
        return
    restored = done(
        context,
        house,
        incident_id,
        Action(
            name="restore_lying_venue" if lied else "restore_venue",
            do=lambda: house.outside.venues.restore(venue, f"incident {incident_id}: in order again"),
            parameters={"venue": str(venue)},
            reason=f"{venue} said what was not so ({', '.join(found.causes[:1]) or 'its fills'}); its books agree now.",
        ),
    )
    ready = restored and context.wait_until(
        "ready", lambda: _reasons(house, venue) == [], timeout_seconds=_READY_WITHIN_SECONDS
    )
    if ready:
        context.step("resolve", lambda: house.incidents.resolve(incident_id, f"{venue} takes new orders again"))
    else:
        context.step("escalate", lambda: house.incidents.escalate(incident_id, f"{venue} takes no new orders yet"))


def _restores_lately(house: House, venue: VenueName) -> int:
    """How often the platform restored the venue by itself within the hour."""
    since = house.clock.now() - _RESTORES_COUNT_FOR
    lately = house.incidents.listing(open_only=False, limit=_MANY).incidents
    return sum(
        each.target == venue and each.detected_at > since and "restore_venue: done" in each.actions for each in lately
    )


def _comes_back(context: Context, house: House, venue: VenueName) -> bool:
    """Streams break every day and stand again within seconds: that is no incident."""
    return context.wait_until(
        "stream stands again", lambda: _fails(house, venue) == [], timeout_seconds=_STREAM_WITHIN_SECONDS
    )


def _reasons(house: House, venue: VenueName) -> list[str]:
    """What keeps the venue from being ready; a venue that trading does not know is never ready."""
    for each in house.outside.trading.state().venues:
        if each.venue == venue:
            return list(each.reasons)
    return [f"there is no venue {venue}"]


def _fails(house: House, venue: VenueName) -> list[str]:
    """The same without holds."""
    return [reason for reason in _reasons(house, venue) if not reason.startswith(_HELD)]


def _answers(house: House, venue: VenueName) -> bool:
    """Nothing is wrong but our hold and a circuit that restoring leads out of, and the venue answers now.

    A circuit that a refusal shut stays so however well the venue is, and the passive signs are up to half a minute old:
    so it is asked.
    """
    if any(not reason.startswith(_SHUT) for reason in _fails(house, venue)):
        return False
    house.outside.venues.reconcile(venue)
    return True


def _wants(cause: Cause) -> bool:
    if cause.name == CircuitChanged.event_type:
        return bool(cause.payload.get("now") == CircuitState.OPEN.value)
    if cause.name == OrderIncident.event_type:
        return cause.payload.get("kind") in _WRONG
    return True


def _venue_of(cause: Cause) -> str | None:
    venue = cause.payload.get("venue")
    return str(venue) if venue else cause.target
