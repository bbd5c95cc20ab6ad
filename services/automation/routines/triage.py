"""What has no routine of its own: the analyst is asked, the mildest thing that may be done is done, and followed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from services.automation.approvals.policy import POLICY, Consent
from services.automation.pipelines.pipeline import Context
from services.automation.routines.handling import Action, Found, House, Response, diagnosed, done, opened, verified
from services.contracts.orders import StrategyName, VenueName
from services.contracts.strategies import StrategyState

_PAUSED_WITHIN_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Known:
    """What the platform can act on: whatever is told of something else is only followed."""

    venues: Sequence[str]
    strategies: Sequence[str]


def triage(context: Context, house: House, response: Callable[[Known], Response]) -> None:
    """Look into what the run's cause tells of.

    A strategy that was paused is a person's from then on: nothing that gets better by itself could say that it may go
    on. Everything else is followed to its end.
    """
    names = context.step("known", lambda: _names(house))
    how = response(Known(**names))
    incident_id = opened(context, house, how.title, how.severity)
    if incident_id is None:
        return
    actions = how.plan(diagnosed(context, house, incident_id))
    succeeded = [action.name for action in actions if done(context, house, incident_id, action)]
    if "pause_strategy" in succeeded:
        _handed_over(context, house, incident_id)
    elif "hold_venue" in succeeded:
        verified(context, house, incident_id, how, then=lambda: _given_back(context, house, incident_id))
    else:
        verified(context, house, incident_id, how)


def mildest(context: Context, house: House, found: Found, known: Known) -> list[Action]:
    """The first thing that the best hypothesis allows, the policy leaves to the platform, and can be done here."""
    target = context.cause.target or ""
    reason = f"{found.causes[0] if found.causes else 'an anomaly'} at {target}"
    possible: dict[str, Callable[[], object]] = {}
    if target in known.venues:
        venue = VenueName(target)
        possible["hold_venue"] = lambda: house.outside.venues.hold(venue, reason)
        possible["reconcile"] = lambda: len(house.outside.venues.reconcile(venue).differences)
    if target in known.strategies:
        possible["pause_strategy"] = lambda: house.outside.strategies.pause(StrategyName(target), reason)
    for name in found.allowed:
        if name in possible and POLICY[name].consent is Consent.BY_ITSELF:
            return [Action(name=name, do=possible[name])]
    return []


def _given_back(context: Context, house: House, incident_id: str) -> None:
    """What was held back for the trouble's sake is used again after it, once the books agree."""
    venue = VenueName(context.cause.target or "")
    reason = f"incident {incident_id}: it is as usual again"
    compared = Action(name="reconcile", do=lambda: len(house.outside.venues.reconcile(venue).differences))
    if done(context, house, incident_id, compared):
        restored = Action(name="restore_venue", do=lambda: house.outside.venues.restore(venue, reason))
        done(context, house, incident_id, restored)


def _handed_over(context: Context, house: House, incident_id: str) -> None:
    strategy = context.cause.target or ""
    context.step("note verifying", lambda: house.incidents.verifying(incident_id, f"waits until {strategy} is paused"))
    paused = context.wait_until(
        "paused",
        lambda: house.outside.strategies.states().get(strategy) is not StrategyState.RUNNING,
        timeout_seconds=_PAUSED_WITHIN_SECONDS,
        poll_seconds=1.0,
    )
    reason = (
        f"{strategy} is paused and sends nothing; once it is in order, `sightline strategies resume {strategy}`"
        if paused
        else f"{strategy} was not paused within {_PAUSED_WITHIN_SECONDS:.0f} s; see `sightline strategies`"
    )
    context.step("escalate", lambda: house.incidents.escalate(incident_id, reason))


def _names(house: House) -> dict[str, list[str]]:
    return {
        "venues": [str(each.venue) for each in house.outside.trading.state().venues],
        "strategies": sorted(house.outside.strategies.states()),
    }
