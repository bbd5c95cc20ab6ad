"""Events that a service could not handle: handled once more, and left for a person when that fails again."""

from collections.abc import Sequence

from services.automation.actions.office import DeadLetter, Office
from services.automation.pipelines.pipeline import Context, Pipeline
from services.automation.routines.handling import Action, Found, House, Response, handle
from services.contracts.incidents import IncidentSeverity
from services.kit.errors import SightlineError

_WITHIN_SECONDS = 30.0
_MOST = 100


def dead_letters(house: House, office: Office) -> Pipeline:
    """What failed may have failed by a cause that is gone; what fails once more is poison, and stays set aside."""

    def run(context: Context) -> None:
        service = str(context.cause.payload.get("service_name") or context.cause.target or "")

        def plan(_found: Found) -> list[Action]:
            return [Action(name="redrive", do=lambda: _redriven(office, service))]

        handle(
            context,
            house,
            Response(
                title=f"{service} could not handle events",
                severity=IncidentSeverity.WARNING,
                plan=plan,
                check=lambda: not _listed(office, service),
                what=f"{service} has no dead letter",
                within_seconds=_WITHIN_SECONDS,
            ),
        )

    return Pipeline(
        name="dead_letters",
        purpose="Have events that could not be handled handled once more, and call a person about what is left.",
        run=run,
        alerts=("DeadLetters",),
        replaces="error handling",
        needs_target="service",
    )


def _listed(office: Office, service: str) -> Sequence[DeadLetter]:
    return office.letters.listing(service)[:_MOST]


def _redriven(office: Office, service: str) -> str:
    found = _listed(office, service)
    failed = []
    for letter in found:
        try:
            office.letters.redrive(service, letter)
        except SightlineError as error:
            failed.append(f"{letter.consumer}/{letter.event_id} ({letter.event_type}): {error.detail}"[:200])
    handled = f"{len(found) - len(failed)} of {len(found)} handled"
    return "; ".join([handled, *failed[:3]])
