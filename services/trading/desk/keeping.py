"""Does things again and again in the service's event loop, each at the pace that it asks for itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

Step = Callable[[], Awaitable[float]]
"""Does its work and returns after how many seconds it wants to be called again."""


@asynccontextmanager
async def keeping(steps: Sequence[Step]) -> AsyncIterator[None]:
    """Call each step, now and whenever its own pause is over, as long as the block runs.

    A step handles what it expects to go wrong itself; anything else ends the block.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_keep(step)) for step in steps]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def _keep(step: Step) -> None:
    while True:  # noqa: ASYNC110 -- there is no state to wait for: the step itself says when it wants to look again
        await asyncio.sleep(await step())
