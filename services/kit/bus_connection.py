"""One connection to NATS, made again for ever when it is lost."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from nats.aio.client import Client
from nats.errors import AuthorizationError, ConnectionClosedError, NoServersError
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from services.kit.backoff import delay_seconds
from services.kit.bus import BusUnavailableError
from services.kit.ids import Randomness
from telemetry.emit.metric_children import Gauge

ResultT = TypeVar("ResultT")
Prepare = Callable[[JetStreamContext], Awaitable[None]]

_CONNECT_SECONDS = 2
_REQUEST_SECONDS = 5.0
_PING_SECONDS = 5  # two unanswered pings end a connection whose other side vanished without a word
_FIRST_RETRY_SECONDS = 0.1
_MOST_RETRY_SECONDS = 5.0
_ENDS_WITHIN_SECONDS = 0.5

_UNREACHABLE = "nothing there answers"

_log = logging.getLogger("services.kit.bus")


@dataclass(slots=True, eq=False)
class _Live:
    """A connection while it lasts."""

    client: Client
    stream: JetStreamContext
    lost: asyncio.Event
    working: set[asyncio.Future[Any]] = field(default_factory=set)


class NatsConnection:
    """Keeps a connection to NATS.

    The client library's own reconnecting is off: it would hold back what was published meanwhile and send it on
    later, when the outbox has long sent it again, and it gives up for good when a token is refused once.

    Args:
        url: `nats://host:port`.
        token: The server's token, or "" when it asks for none.
        name: How the server lists this connection.
        prepare: Called with each new connection before anybody else gets it.
        connected: Shows 1 while there is a connection.
        randomness: For the time between attempts.
    """

    def __init__(  # noqa: PLR0913 -- each is a part that a test replaces
        self, url: str, *, token: str, name: str, prepare: Prepare, connected: Gauge, randomness: Randomness
    ) -> None:
        self._url = url
        self._token = token
        self._name = name
        self._prepare = prepare
        self._gauge = connected
        self._randomness = randomness
        self._live: _Live | None = None
        self._up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failures = 0
        self._reason = "no connection has been made yet"
        self._last_library_error: Exception | None = None

    @property
    def place(self) -> str:
        """Host and port, without credentials."""
        parts = urlsplit(self._url)
        return f"{parts.hostname}:{parts.port or 4222}"

    def start(self) -> None:
        """Begin to connect, in the background."""
        if self._task is None:
            self._gauge.set(0)
            self._task = asyncio.get_running_loop().create_task(self._keep(), name="nats connection")

    async def wait(self) -> None:
        """Return once there is a connection."""
        await self._up.wait()

    def check(self) -> None:
        """Make sure that there is a connection.

        Raises:
            BusUnavailableError: There is none.
        """
        if self._live is None:
            raise BusUnavailableError(f"The event bus at {self.place} is away: {self._reason}.")

    async def run(self, work: Callable[[JetStreamContext], Coroutine[Any, Any, ResultT]]) -> ResultT:
        """Do something with the connection; fails at once, not after a timeout, when the connection is lost.

        Raises:
            BusUnavailableError: There is no connection, it was lost, or the server did not answer in time.
            nats.errors.Error: What else the client library raises.
        """
        self.check()
        live = self._live
        if live is None:
            raise BusUnavailableError(f"The event bus at {self.place} is away.")
        task = asyncio.ensure_future(work(live.stream))
        live.working.add(task)
        try:
            return await task
        except ConnectionClosedError as error:
            raise BusUnavailableError(f"The connection to the event bus at {self.place} was lost.") from error
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                task.cancel()
                raise
            # Nobody cancelled us: the connection ended under the task, and we or the library cancelled that.
            raise BusUnavailableError(f"The connection to the event bus at {self.place} was lost.") from None
        finally:
            live.working.discard(task)

    async def close(self) -> None:
        """Let go of the connection and stop making new ones."""
        task, self._task = self._task, None
        # Once may not be enough: the client library takes a cancellation that meets it at connecting for a failure.
        while task is not None and not task.done():
            task.cancel()
            await asyncio.wait((task,), timeout=_ENDS_WITHIN_SECONDS)
        self._gauge.set(0)

    async def _keep(self) -> None:
        while True:
            lost = asyncio.Event()
            client = Client()
            try:
                live = await self._connect(client, lost)
            except (OSError, NatsError, TimeoutError) as error:
                await client.close()
                self._say_away(error)
                self._failures += 1
                await asyncio.sleep(self._delay_seconds())
                continue
            try:
                self._begin(live)
                await lost.wait()
            finally:
                self._end(live)
                await client.close()

    def _begin(self, live: _Live) -> None:
        _log.info("connected to the event bus at %s", self.place)
        self._failures = 0
        self._live = live
        self._gauge.set(1)
        self._up.set()

    def _end(self, live: _Live) -> None:
        self._live = None
        self._up.clear()
        self._gauge.set(0)
        self._reason = _UNREACHABLE
        live.lost.set()
        for task in live.working:
            task.cancel()
        if self._task is not None:
            _log.warning("lost the event bus at %s; facts stay in the outbox until it is back", self.place)

    async def _connect(self, client: Client, lost: asyncio.Event) -> _Live:
        async def on_closed() -> None:
            lost.set()

        async def on_error(error: Exception) -> None:
            self._last_library_error = error

        self._last_library_error = None
        await client.connect(
            self._url,
            token=self._token or None,
            name=self._name,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=_CONNECT_SECONDS,
            ping_interval=_PING_SECONDS,
            closed_cb=on_closed,
            error_cb=on_error,
        )
        stream = client.jetstream(timeout=_REQUEST_SECONDS)
        await self._prepare(stream)
        return _Live(client, stream, lost)

    def _say_away(self, error: Exception) -> None:
        # The library reports "no servers" after it told the cause to the error callback.
        cause = self._last_library_error if isinstance(error, NoServersError) and self._last_library_error else error
        reason = _in_words(cause)
        if reason != self._reason:
            _log.warning("the event bus at %s is away: %s; facts stay in the outbox, trying on", self.place, reason)
        self._reason = reason

    def _delay_seconds(self) -> float:
        return delay_seconds(
            self._failures, self._randomness, first_seconds=_FIRST_RETRY_SECONDS, most_seconds=_MOST_RETRY_SECONDS
        )


def _in_words(error: Exception) -> str:
    if isinstance(error, AuthorizationError) or "authorization" in str(error).lower():
        return "it refuses our token; give both sides the same nats_token"
    if isinstance(error, OSError | TimeoutError):
        return _UNREACHABLE
    return f"{type(error).__name__}: {error}".rstrip(": ")
