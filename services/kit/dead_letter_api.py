"""Dead letters over HTTP, the same in every service that handles events."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict

from services.kit.dead_letters import DeadLetter
from services.kit.deliveries import Deliveries
from services.kit.guards import require_scope
from services.kit.openapi import problem_responses

PATH = "/dead-letters"

_CONSUMER = Path(max_length=64, description="Name of the consumer that could not handle the event.")
_EVENT_ID = Path(max_length=36, description="The event's id.")


class DeadLetterAnswer(BaseModel):
    """One event that could not be handled; the envelope stays where it is, it may hold what is nobody's business."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    consumer: str
    event_id: str
    event_type: str
    attempts: int
    error: str
    died_at: AwareDatetime

    @classmethod
    def of(cls, letter: DeadLetter) -> Self:
        """The answer for one dead letter."""
        return cls(
            consumer=letter.consumer,
            event_id=letter.event_id,
            event_type=letter.event_type,
            attempts=letter.attempts,
            error=letter.error,
            died_at=letter.died_at,
        )


class DeadLettersAnswer(BaseModel):
    """Dead letters, the oldest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dead_letters: tuple[DeadLetterAnswer, ...]


def dead_letter_router(deliveries: Deliveries) -> APIRouter:
    """List dead letters, handle one again, throw one away."""
    router = APIRouter(prefix=PATH, tags=["events"])
    operate = [Depends(require_scope("events:operate"))]

    @router.get("", dependencies=[Depends(require_scope("events:read"))])
    def listing(
        consumer: Annotated[str | None, Query(max_length=64)] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> DeadLettersAnswer:
        """Dead letters, the oldest first, of one consumer or of all."""
        found = deliveries.dead_letters(consumer, limit=limit)
        return DeadLettersAnswer(dead_letters=tuple(DeadLetterAnswer.of(letter) for letter in found))

    @router.post(
        "/{consumer}/{event_id}/redrive",
        dependencies=operate,
        status_code=204,
        responses=problem_responses(404, 409),
    )
    def redrive(consumer: Annotated[str, _CONSUMER], event_id: Annotated[str, _EVENT_ID]) -> None:
        """Handle the event again, now. Later events about the same subject may have been handled meanwhile."""
        deliveries.redrive(consumer, event_id)

    @router.delete("/{consumer}/{event_id}", dependencies=operate, status_code=204, responses=problem_responses(404))
    def discard(consumer: Annotated[str, _CONSUMER], event_id: Annotated[str, _EVENT_ID]) -> None:
        """Throw the event away."""
        deliveries.discard(consumer, event_id)

    return router
