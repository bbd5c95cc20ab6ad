"""What the platform does by the clock beside its books and sessions: backtests, knowledge and reading matter."""

from datetime import datetime, time, timedelta

from services.automation.actions.office import Office
from services.automation.pipelines.pipeline import Context, Pipeline
from services.automation.pipelines.retrying import RetryPolicy
from services.automation.pipelines.running import StepFailedError
from services.automation.pipelines.schedules import At, BySession
from services.automation.routines.handling import House
from services.contracts.incidents import IncidentEscalated, IncidentResolved

_AFTER_CLOSE_MINUTES = 90
_BACKTEST_SECONDS = 1_000.0
# The last log lines of an incident are on their way for some seconds, and the content service says 503 meanwhile:
# asked at once, each postmortem would look like a service that fails.
_LAST_LINES = timedelta(seconds=12)
_EVENING = time(18, 30)
_MORNING = time(6, 30)
_SATURDAY, _WEEKDAYS = (5,), (0, 1, 2, 3, 4)
_PATIENT = RetryPolicy(first_seconds=2.0, most_seconds=60.0)
_PATIENT_SECONDS = 600.0


def nightly_backtest(office: Office) -> Pipeline:
    """Runs each strategy over the bars that are kept, to hold what it does against what it would have done."""

    def run(context: Context) -> None:
        running = context.step(
            "strategies",
            lambda: {each.name: [str(symbol) for symbol in each.symbols] for each in office.research.strategies()},
        )
        failed = []
        for name, symbols in sorted(running.items()):
            for symbol in symbols:
                try:
                    context.step(
                        f"backtest {name} {symbol}",
                        lambda name=name, symbol=symbol: _backtested(office, name, symbol),  # type: ignore[misc] # the loop's present value
                        timeout_seconds=_BACKTEST_SECONDS,
                    )
                except StepFailedError as error:
                    failed.append(error)
        if failed:
            raise failed[0]

    return Pipeline(
        name="nightly_backtest",
        purpose="Run every strategy over past bars each night, and keep its report.",
        run=run,
        schedule=BySession(edge="close", minutes=_AFTER_CLOSE_MINUTES, useful_seconds=6 * 3600.0),
        lease=lambda _cause: "backtests",
        replaces="report writing",
    )


def knowledge_refresh(office: Office) -> Pipeline:
    """Counts what is stale and what nothing answers, once a day, as a run that can be looked at."""

    def run(context: Context) -> None:
        context.step("look", office.knowledge.standing, retry=_PATIENT, timeout_seconds=_PATIENT_SECONDS)

    return Pipeline(
        name="knowledge_refresh",
        purpose="See each day which knowledge is stale and which errors nothing answers.",
        run=run,
        schedule=At(time=_MORNING),
        lease=lambda _cause: "knowledge",
        replaces="error handling",
    )


def incident_postmortem(house: House, office: Office) -> Pipeline:
    """Has the postmortem of an incident drafted when the platform is done with it."""

    def run(context: Context) -> None:
        incident_id = str(context.cause.payload.get("incident_id") or context.cause.target)
        over = datetime.fromisoformat(context.step("over", lambda: house.clock.now().isoformat()))
        context.sleep_until(over + _LAST_LINES)
        document = context.step(
            "write",
            lambda: office.documents.postmortem(incident_id),
            retry=_PATIENT,
            timeout_seconds=_PATIENT_SECONDS,
        )
        context.step("note", lambda: house.incidents.written_up(incident_id, document))

    return Pipeline(
        name="incident_postmortem",
        purpose="Draft an incident's postmortem as soon as it is over.",
        run=run,
        events=(IncidentResolved.event_type, IncidentEscalated.event_type),
        lease=lambda cause: f"postmortem of {cause.payload.get('incident_id') or cause.target}",
        replaces="report writing",
        needs_target="incident",
    )


def digest(house: House, office: Office) -> Pipeline:
    """Writes each evening what the platform did in the last 24 hours."""
    return _periodic(
        house,
        office,
        kind="digest",
        purpose="Write what happened in the last 24 hours.",
        schedule=At(time=_EVENING, weekdays=_WEEKDAYS),
        days=1,
    )


def weekly_review(house: House, office: Office) -> Pipeline:
    """Writes each Saturday what the week's trading came to."""
    return _periodic(
        house,
        office,
        kind="weekly_review",
        purpose="Write what the week's trading came to.",
        schedule=At(time=_MORNING, weekdays=_SATURDAY),
        days=7,
    )


def audit_report(house: House, office: Office) -> Pipeline:
    """Writes each Saturday who did what in the week, and whether the records are whole."""
    return _periodic(
        house,
        office,
        kind="audit_report",
        purpose="Write who did what in the week, and whether the records are whole.",
        schedule=At(time=_MORNING, weekdays=_SATURDAY),
        days=7,
    )


def _periodic(house: House, office: Office, *, kind: str, purpose: str, schedule: At, days: int) -> Pipeline:  # noqa: PLR0913 -- what a text is and when
    def run(context: Context) -> None:
        end = datetime.fromisoformat(context.step("now", lambda: _on_the_minute(house.clock.now()).isoformat()))
        start = end - timedelta(days=days)
        context.step(
            "write",
            lambda: office.documents.periodic(kind, start, end),
            retry=_PATIENT,
            timeout_seconds=_PATIENT_SECONDS,
        )

    return Pipeline(
        name=kind,
        purpose=purpose,
        run=run,
        schedule=schedule,
        lease=lambda _cause: kind,
        replaces="report writing",
    )


def _on_the_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _backtested(office: Office, name: str, symbol: str) -> dict[str, str]:
    for strategy in office.research.strategies():
        if strategy.name == name:
            return office.research.backtest(strategy, symbol)
    return {"skipped": f"{name} runs no more"}
