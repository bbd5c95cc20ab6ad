"""Threads of the sessions' own: waiting for a code must not keep the service's other work from its threads."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

MOST_THREADS: Final = 64  # each login takes up to three: the flight, a code's wait and a commit

Result = TypeVar("Result")


class Threads:
    """Runs blocking functions beside the event loop, within the caller's trace."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="auth-session")

    async def call(self, function: Callable[[], Result]) -> Result:
        """Run it and return what it returns."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._pool, context.run, function)

    def close(self) -> None:
        """Start nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
