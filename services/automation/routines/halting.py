"""The kill switch: followed until all is flat; trading goes on only when a person says so."""

from services.automation.pipelines.pipeline import Context, Pipeline
from services.automation.routines.handling import Action, House, diagnosed, done, opened
from services.contracts.incidents import IncidentSeverity
from services.contracts.orders import TradingState
from services.contracts.trading import KillSwitchPulled

_FLAT_WITHIN_SECONDS = 300.0
_ACTIVE_WITHIN_SECONDS = 30.0


def trading_halted(house: House) -> Pipeline:
    """Watches the kill switch to its end, says what may have been behind it, and asks whether to trade again."""

    def run(context: Context) -> None:
        payload = context.cause.payload
        title = f"Trading was stopped by {payload.get('actor', 'somebody')}: {payload.get('reason', '')}"[:200]
        incident_id = opened(context, house, title, IncidentSeverity.CRITICAL)
        if incident_id is None:
            return
        diagnosed(context, house, incident_id)
        what = "the kill switch has ended"
        context.step("note watching", lambda: house.incidents.verifying(incident_id, f"waits until {what}"))
        flat = context.wait_until(
            "flat", lambda: not house.outside.trading.state().halt_under_way, timeout_seconds=_FLAT_WITHIN_SECONDS
        )
        if not flat:
            reason = "the kill switch has not ended; see `sightline trading` and close what is left at the venue itself"
            context.step("escalate", lambda: house.incidents.escalate(incident_id, reason))
            return
        reason = f"Trading is stopped and flat since: {payload.get('reason', '')}"
        done(
            context,
            house,
            incident_id,
            Action(
                name="resume",
                do=lambda: house.outside.trading.resume(f"incident {incident_id}: a person allowed it"),
                reason=reason,
            ),
        )
        active = context.wait_until("active", lambda: _active(house), timeout_seconds=_ACTIVE_WITHIN_SECONDS)
        if active:
            context.step("resolve", lambda: house.incidents.resolve(incident_id, "orders are taken again"))
        else:
            left = "trading stays stopped; `sightline resume` begins it again"
            context.step("escalate stopped", lambda: house.incidents.escalate(incident_id, left))

    return Pipeline(
        name="trading_halted",
        purpose="Follow the kill switch until all is flat, and ask a person before trading goes on.",
        run=run,
        events=(KillSwitchPulled.event_type,),
        lease=lambda _cause: "trading",
        replaces="strategy restart",
        by_hand=False,
    )


def _active(house: House) -> bool:
    return house.outside.trading.state().state is TradingState.ACTIVE
