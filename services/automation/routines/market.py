"""Before the market opens, and while its data does not come."""

from services.automation.pipelines.pipeline import Context, Pipeline
from services.automation.pipelines.schedules import BySession
from services.automation.routines.handling import Action, Found, House, Response, handle, opened, verified
from services.contracts.incidents import IncidentSeverity
from services.contracts.orders import StrategyName

_BEFORE_OPEN_MINUTES = -30
_READY_WITHIN_SECONDS = 900.0
_FRESH_WITHIN_SECONDS = 900.0


def preflight_before_open(house: House) -> Pipeline:
    """Makes sure, half an hour before the open, that every venue would take orders; else calls a person in time."""

    def run(context: Context) -> None:
        if context.step("look", lambda: _not_ready(house)) == []:
            return
        incident_id = opened(context, house, "Not every venue is ready for the open", IncidentSeverity.CRITICAL)
        if incident_id is None:
            return
        verified(
            context,
            house,
            incident_id,
            Response(
                title="",
                severity=IncidentSeverity.CRITICAL,
                plan=lambda _found: [],
                check=lambda: _not_ready(house) == [],
                what="every venue is ready for orders",
                within_seconds=_READY_WITHIN_SECONDS,
            ),
        )

    return Pipeline(
        name="preflight_before_open",
        purpose="Make sure before the open that credentials, clocks, streams and books are in order.",
        run=run,
        schedule=BySession(edge="open", minutes=_BEFORE_OPEN_MINUTES),
        lease=lambda _cause: "open",
        replaces="403 triage",
    )


def data_stale(house: House) -> Pipeline:
    """Bars that do not come: strategies decide nothing meanwhile, and what they would have decided is made up for."""

    def run(context: Context) -> None:
        handle(
            context,
            house,
            Response(
                title=f"No bars of {context.cause.target} come",
                severity=IncidentSeverity.WARNING,
                plan=lambda _found: [],
                check=lambda: not house.firing("MarketDataStale"),
                what="bars come again",
                within_seconds=_FRESH_WITHIN_SECONDS,
            ),
        )

    return Pipeline(
        name="data_stale",
        purpose="Follow market data that does not come until it comes again, or a person is called.",
        run=run,
        alerts=("MarketDataStale",),
        replaces="error handling",
        by_hand=False,
    )


def strategy_stopped(house: House) -> Pipeline:
    """Begins a strategy anew that an error stopped; one that stops again within minutes is left for a person."""

    def run(context: Context) -> None:
        strategy = StrategyName(context.cause.target or "")

        def plan(_found: Found) -> list[Action]:
            reason = "stopped by an error"
            return [
                Action(name="restart_strategy", do=lambda: house.outside.trading.restart_strategy(strategy, reason))
            ]

        handle(
            context,
            house,
            Response(
                title=f"{strategy} was stopped by an error",
                severity=IncidentSeverity.WARNING,
                plan=plan,
                check=lambda: not house.firing("StrategyStopped"),
                what=f"{strategy} runs",
                within_seconds=_FRESH_WITHIN_SECONDS,
            ),
        )

    return Pipeline(
        name="strategy_stopped",
        purpose="Begin a strategy anew that an error stopped.",
        run=run,
        alerts=("StrategyStopped",),
        replaces="strategy restart",
        needs_target="strategy",
    )


def _not_ready(house: House) -> list[str]:
    """Each venue that takes no orders now, and why."""
    venues = house.outside.trading.state().venues
    return [f"{each.venue}: {'; '.join(each.reasons) or 'not ready'}" for each in venues if not each.ready]
