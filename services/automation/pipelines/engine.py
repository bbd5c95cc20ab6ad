"""What runs pipelines, as the rest of the service sees it."""

from dataclasses import dataclass
from typing import Protocol

from services.automation.pipelines.pipeline import Cause, Pipeline
from services.kit.errors import SightlineError
from services.kit.facts import Transaction


class UnknownPipelineError(SightlineError):
    """No pipeline has this name."""

    status_code = 404
    code = "unknown_pipeline"
    title = "There is no such pipeline"


class UnknownRunError(SightlineError):
    """No run has this id."""

    status_code = 404
    code = "unknown_run"
    title = "There is no such run"


class RunEndedError(SightlineError):
    """A run that has ended cannot be canceled."""

    status_code = 409
    code = "run_ended"
    title = "The run has ended"


@dataclass(frozen=True, slots=True)
class Started:
    """A run, and whether it was this cause's delivery that started it."""

    run_id: str
    new: bool


class Engine(Protocol):
    """Runs pipelines so that a crash at any moment neither loses a run nor repeats what had ended."""

    def open(self) -> None:
        """Begin: runs that a crash cut short go on at the step they were in. Raises `StartError`."""

    def start(self, pipeline: Pipeline, cause: Cause) -> Started:
        """Start a run, durably, and return at once; a cause that was seen before starts nothing."""

    def note(self, tx: Transaction, pipeline: Pipeline, cause: Cause) -> Started:
        """As `start`, within the caller's transaction: the run begins once that is committed."""

    def cancel(self, run_id: str) -> None:
        """Stop a run before its next step. Raises `UnknownRunError` or `RunEndedError`."""

    def close(self) -> None:
        """Stop. Runs that have not ended go on at the next `open`."""
