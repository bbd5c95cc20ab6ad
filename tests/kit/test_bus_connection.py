"""The connection to the bus ends when it is told to, whatever the client library does with a cancellation."""

import asyncio

import pytest
from nats.js import JetStreamContext

from services.kit import bus_connection
from services.kit.bus_connection import NatsConnection
from services.kit.ids import SystemRandomness
from telemetry.catalogue import BUS_CONNECTED
from telemetry.emit.clock import SystemClock
from telemetry.emit.metrics import Metrics


class _Taking:
    """A client that takes the cancellation of its connecting for a failure, as a time limit of Python 3.11 may do."""

    def __init__(self) -> None:
        self.connecting = asyncio.Event()

    async def connect(self, *_: object, **__: object) -> None:
        self.connecting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise OSError("nothing there answers") from None

    async def close(self) -> None:
        """There is nothing to close."""


async def _prepared(_: JetStreamContext) -> None:
    """Nothing to prepare."""


def test_close_when_the_library_takes_the_cancellation_for_a_failure_then_it_ends_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = _Taking()
    monkeypatch.setattr(bus_connection, "Client", lambda: client)

    async def live() -> None:
        connection = NatsConnection(
            "nats://127.0.0.1:1",
            token="",
            name="test",
            prepare=_prepared,
            connected=Metrics(SystemClock()).gauge(BUS_CONNECTED),
            randomness=SystemRandomness(),
        )
        connection.start()
        await client.connecting.wait()
        async with asyncio.timeout(10):
            await connection.close()

    asyncio.run(live())
