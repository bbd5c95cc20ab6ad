"""What a fact looks like. Events are frozen, versioned and named in the past tense."""

import re
from typing import Annotated, Any, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from services.contracts.ids import EventId

Subject = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_.:/@-]+$")]

_EVENT_TYPE = re.compile(r"^[a-z][a-z_]*\.[a-z][a-z_]*$")


class Event(BaseModel):
    """Base of every domain event.

    A subclass that states a fact sets `event_type` ("alerting.alert_fired": the room, then the fact) and raises
    `version` when a field changes its meaning. Unknown fields are refused, so a producer and a consumer cannot
    disagree in silence.

    Attributes:
        subject: What the fact is about. Facts about one subject are delivered in the order in which they happened.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_type: ClassVar[str]
    version: ClassVar[int] = 1

    subject: Subject

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:  # noqa: ANN401 -- pydantic's own signature
        super().__pydantic_init_subclass__(**kwargs)
        stated: str | None = getattr(cls, "event_type", None)  # None in a base that only shares fields
        if stated is not None and not _EVENT_TYPE.match(stated):
            raise TypeError(f"{cls.__name__}.event_type must look like 'room.fact_in_past_tense', not {stated!r}")


class Envelope(BaseModel):
    """An event as it travels: who stated it, when, and in which trace.

    Attributes:
        event_id: De-duplicates deliveries; equal to the message id on the bus.
        occurred_at: When the state change was committed, UTC.
        source: Name of the service that stated the fact.
        traceparent: W3C trace context of the statement, or "" when it was made outside a trace.
        payload: The event's own fields.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: EventId
    event_type: str
    version: int
    subject: Subject
    occurred_at: AwareDatetime
    source: str
    traceparent: str
    payload: dict[str, Any]
