"""The front door: routes, and what each demands of its caller."""

from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, status
from pydantic import BaseModel, ConfigDict, Field

from services.contracts.events import Event
from services.kit.errors import NotFoundError
from services.kit.facts import Facts
from services.kit.guards import require_scope
from services.kit.identity import Caller
from services.kit.limits import rate_limit
from services.kit.openapi import problem_responses

Name = Annotated[str, Field(pattern=r"^[A-Za-z]{1,40}$")]


class Greeted(Event):
    """Somebody was greeted."""

    event_type: ClassVar[str] = "hello.greeted"

    name: str


class Greeting(BaseModel):
    """Whom to greet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name


class GreetingRecorded(BaseModel):
    """The fact that was stated."""

    event_id: str


def hello_router(facts: Facts) -> APIRouter:
    """Routes of the example."""
    router = APIRouter(prefix="/greetings", tags=["greetings"])

    @router.post("", status_code=status.HTTP_201_CREATED, dependencies=[Depends(rate_limit("greetings", "30/minute"))])
    def greet(
        greeting: Greeting, caller: Annotated[Caller, Depends(require_scope("greetings:write"))]
    ) -> GreetingRecorded:
        with facts.transaction() as transaction:
            event_id = transaction.record(Greeted(subject=caller.name, name=greeting.name))
        return GreetingRecorded(event_id=event_id)

    @router.get(
        "/{name}",
        dependencies=[Depends(require_scope("greetings:read"))],
        responses=problem_responses(status.HTTP_404_NOT_FOUND),
    )
    def look_up(name: Name) -> Greeting:
        if name.lower() == "nobody":
            raise NotFoundError("Nobody of that name is greeted here; greet them first.")
        return Greeting(name=name)

    return router
