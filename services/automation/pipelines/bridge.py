"""From a run's thread to the event loop in which the clients of other services live."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from services.automation.pipelines.failures import FailedError
from services.contracts.pipelines import FailureClass

Answer = TypeVar("Answer")
_LONGEST_SECONDS = 120.0


class Bridge:
    """Waits in a thread for what a client does in the loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[None]:
        """For the service's lifespan."""
        self._loop = asyncio.get_running_loop()
        try:
            yield
        finally:
            self._loop = None

    def call(self, question: Coroutine[Any, Any, Answer], *, within_seconds: float = _LONGEST_SECONDS) -> Answer:
        """The answer, or what the client raises. Not to be called in the loop itself.

        Raises:
            FailedError: The service stops, or no answer came in time.
        """
        if self._loop is None:
            question.close()
            raise FailedError(FailureClass.TRANSIENT, "The service stops; this goes on when it starts again.")
        future = asyncio.run_coroutine_threadsafe(question, self._loop)
        try:
            return future.result(within_seconds)
        except TimeoutError:
            future.cancel()
            raise FailedError(FailureClass.UNKNOWN, f"no answer within {within_seconds:g} s") from None
