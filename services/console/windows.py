"""The window of time that a question is about."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime

from services.kit.clock import Clock

DEFAULT_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` (part of it) to `end` (not part of it), both aware."""

    start: datetime
    end: datetime


class WindowOf:
    """A dependency that reads `start` and `end`; the last hour when both are left out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(
        self,
        start: Annotated[AwareDatetime | None, Query(description="Beginning, ISO 8601 with a time zone.")] = None,
        end: Annotated[AwareDatetime | None, Query(description="End; now when left out.")] = None,
    ) -> Window:
        until = end or self._clock.now()
        return Window(start or until - DEFAULT_WINDOW, until)
