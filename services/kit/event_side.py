"""The event side of a running service: started and stopped in the one order that loses nothing."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from services.kit.bus import Consumer
from services.kit.bus_nats import NatsBus
from services.kit.facts import Facts
from services.kit.outbox import OutboxDispatcher


@dataclass(frozen=True, slots=True)
class EventSide:
    """Bus, outbox and consumers of one service."""

    facts: Facts
    bus: NatsBus
    dispatcher: OutboxDispatcher
    consumers: Sequence[Consumer]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run until the block ends: then the consumers stop first, since they state facts, then what publishes them."""
        async with AsyncExitStack() as stack:
            self.bus.start()
            stack.push_async_callback(self.bus.close)
            self.dispatcher.start()
            stack.push_async_callback(self.dispatcher.stop)
            self.facts.after_commit(self.dispatcher.wake)
            for consumer in self.consumers:
                subscription = await self.bus.subscribe(consumer)
                stack.push_async_callback(subscription.stop)
            yield
