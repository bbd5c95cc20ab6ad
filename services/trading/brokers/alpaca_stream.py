"""Alpaca's stream of trade updates, by alpaca-py's `TradingStream`, supervised.

alpaca-py's own loop hides what happens: it logs lost connections, waits up to 30 s on its own, parses a frame before
anybody has seen it, and drops it when the handler raises. Used of it here is the protocol: connecting, authenticating
and subscribing. The loop around that is ours.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Final

from alpaca.trading.stream import TradingStream

from services.contracts.orders import VenueName
from services.kit.backoff import delay_seconds
from services.kit.clock import Clock
from services.kit.ids import Randomness
from services.trading.brokers.alpaca_fields import UnreadableError
from services.trading.brokers.alpaca_frames import acknowledges, document_of, update_of
from services.trading.brokers.alpaca_sites import key_pair
from services.trading.brokers.port import Told, UpdateListener
from services.trading.wire.calls import Keys
from services.trading.wire.sockets import RestartedError, StreamPatience, end, ping, reason_of, socket_options

_log = logging.getLogger("services.trading.brokers.alpaca")

_FRAMES_WAITING: Final = 1024
_TOGETHER: Final = 64
# News of one order come in twos and threes, and while its submit is being answered: a few milliseconds later they are
# one piece of work, and hold nobody up. What is not booked yet is reserved.
_GATHERING_SECONDS: Final = 0.005


class TradeUpdates:
    """Listens to the updates of one account.

    Args:
        name: The account.
        url: Address of the stream.
        keys: The headers of the account's session, asked for each connection.
        clock: Measures how long nothing was heard.
        randomness: Spreads the waits.
        patience: How long things may take.
    """

    def __init__(  # noqa: PLR0913 -- each is a collaborator of its own, handed in once when a venue is wired
        self,
        name: VenueName,
        url: str,
        keys: Keys,
        *,
        clock: Clock,
        randomness: Randomness,
        patience: StreamPatience | None = None,
    ) -> None:
        self._name = name
        self._url = url
        self._keys = keys
        self._clock = clock
        self._randomness = randomness
        self._patience = patience or StreamPatience()
        self._heard_at: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._restart_reason = ""
        self._restarting = asyncio.Event()  # made anew by `run`, for the loop that it runs in

    @property
    def age_seconds(self) -> float | None:
        """Since a frame or an answer to a ping was heard; None while no stream stands."""
        heard_at = self._heard_at
        return None if heard_at is None else self._clock.monotonic() - heard_at

    def restart(self, reason: str) -> None:
        """Give up the present connection, or the wait for the next one. From any thread; nothing while none listens."""
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._restart, reason)

    async def run(self, listener: UpdateListener) -> None:
        """Listen until cancelled."""
        self._loop, self._restarting = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with _one_thread(f"stream-{self._name}") as thread:
                await self._keep(_Teller(self._name, listener, thread))
        finally:
            self._loop = None

    async def _keep(self, teller: "_Teller") -> None:
        failures, said = 0, ""
        while True:
            stood_seconds, reason = await self._connection(teller)
            # One that is lost as soon as it stands is not tried at once, again and again.
            if stood_seconds is not None and stood_seconds >= self._patience.most_wait_seconds:
                failures = 0
            if stood_seconds is not None:
                said = ""
                await teller.disconnected(reason)
            elif reason != said:
                _log.warning("the stream of %s cannot be opened: %s", self._name, reason)
                said = reason
            failures += 1
            wait = delay_seconds(
                failures,
                self._randomness,
                first_seconds=self._patience.first_wait_seconds,
                most_seconds=self._patience.most_wait_seconds,
            )
            with suppress(TimeoutError):
                await asyncio.wait_for(self._restarting.wait(), wait)

    async def _connection(self, teller: "_Teller") -> tuple[float | None, str]:
        """One connection until its end: for how long it stood, None when it never did, and why it ended."""
        self._restarting.clear()
        stands_since: float | None = None
        socket: _Socket | None = None
        waiting: asyncio.Queue[str] = asyncio.Queue(_FRAMES_WAITING)
        try:
            socket = _Socket(self._url, self._keys())
            async with asyncio.timeout(self._patience.open_seconds):
                await self._open(socket, teller)
            stands_since = self._clock.monotonic()
            await teller.connected()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(socket, waiting))
                tasks.create_task(self._tell(waiting, teller))
                tasks.create_task(self._ping(socket))
                tasks.create_task(self._until_restart())
        except Exception as error:  # noqa: BLE001 -- whatever ends a connection is the reason to build up the next one
            stood_seconds = None if stands_since is None else self._clock.monotonic() - stands_since
            while not waiting.empty():
                await teller.frames(_taken(waiting))
            return stood_seconds, reason_of(error)
        finally:
            self._heard_at = None
            if socket is not None:
                await socket.end()
        raise AssertionError("a connection ends by an error")

    async def _open(self, socket: "_Socket", teller: "_Teller") -> None:
        # What happens before the venue says that it sends updates may be missed: only then does the stream stand.
        await socket.open()
        while not await teller.frame(await socket.receive()):
            pass
        self._heard_at = self._clock.monotonic()

    async def _listen(self, socket: "_Socket", waiting: asyncio.Queue[str]) -> None:
        while True:
            raw = await socket.receive()
            self._heard_at = self._clock.monotonic()
            await waiting.put(raw)

    async def _tell(self, waiting: asyncio.Queue[str], teller: "_Teller") -> None:
        while True:
            first = await waiting.get()
            await asyncio.sleep(_GATHERING_SECONDS)
            await teller.frames([first, *_taken(waiting)])

    async def _ping(self, socket: "_Socket") -> None:
        while True:
            await asyncio.sleep(self._patience.ping_every_seconds)
            async with asyncio.timeout(self._patience.pong_within_seconds):
                await socket.ping()
            self._heard_at = self._clock.monotonic()

    async def _until_restart(self) -> None:
        await self._restarting.wait()
        raise RestartedError(self._restart_reason)

    def _restart(self, reason: str) -> None:
        self._restart_reason = reason
        self._restarting.set()


class _Socket(TradingStream):
    """One connection, in alpaca-py's protocol."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        key_id, secret_key = key_pair(headers)
        options = socket_options(logging.getLogger(f"{_log.name}.socket"))
        super().__init__(key_id, secret_key, raw_data=True, url_override=url, websocket_params=options)
        self.subscribe_trade_updates(_never_called)

    async def open(self) -> None:
        """Connect, authenticate and ask for updates."""
        await self._start_ws()  # type: ignore[no-untyped-call]  # alpaca-py leaves it untyped

    async def end(self) -> None:
        """Close politely, or else at once: a peer that is deaf must not hold up the next connection."""
        await end(self, self._ws, _log)

    async def receive(self) -> str:
        """The next frame. Alpaca's paper trading sends text in binary frames."""
        raw: str | bytes = await self._ws.recv()  # type: ignore[attr-defined]  # alpaca-py leaves it untyped
        return raw if isinstance(raw, str) else raw.decode(errors="replace")

    async def ping(self) -> None:
        """Send a ping and wait for its answer."""
        await ping(self._ws)


async def _never_called(_message: object) -> None:
    """alpaca-py subscribes for whoever has a handler; frames are read by `_Socket.receive`."""


class _Teller:
    """Hands everything to the listener in one thread, and lets nothing of what it raises out."""

    def __init__(self, name: VenueName, listener: UpdateListener, thread: Executor) -> None:
        self._name = name
        self._listener = listener
        self._thread = thread

    async def connected(self) -> None:
        await self._call(self._guarded, self._listener.connected)

    async def disconnected(self, reason: str) -> None:
        await self._call(self._guarded, self._listener.disconnected, reason)

    async def frame(self, raw: str) -> bool:
        """Hand over a frame; returns whether it says that updates are sent from now on."""
        return await self._call(self._handle, raw)

    async def frames(self, raws: Sequence[str]) -> None:
        """Hand over frames, together where that can be done."""
        await self._call(self._handle_all, raws)

    def _handle_all(self, raws: Sequence[str]) -> bool:
        try:
            self._listener.updates([Told(raw, update_of(document_of(raw))) for raw in raws])
        except Exception:  # noqa: BLE001 -- one by one it shows which of them it is, and that is said then
            _log.debug("frames of %s are handled one by one", self._name, exc_info=True)
        else:
            return True
        for raw in raws:
            self._handle(raw)
        return False

    def _handle(self, raw: str) -> bool:
        self._guarded(self._listener.frame, raw)
        try:
            document = document_of(raw)
            if acknowledges(document):
                return True
            update = update_of(document)
        except Exception as error:  # noqa: BLE001 -- no frame, however odd, may end the stream
            problem = str(error) if isinstance(error, UnreadableError) else f"reading it failed: {error!r}"
            self._guarded(self._listener.unreadable, raw, problem)
            return False
        if update is not None and not self._guarded(self._listener.update, update, raw):
            self._guarded(self._listener.unreadable, raw, "handling it failed; the log says how")
        return False

    def _guarded(self, tell: Callable[..., None], *news: object) -> bool:
        try:
            tell(*news)
        except Exception:  # noqa: BLE001 -- a listener's failure must not end the stream
            _log.exception("news of the stream of %s could not be handled", self._name)
            return False
        return True

    async def _call(self, function: Callable[..., bool], *arguments: object) -> bool:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)


def _taken(waiting: asyncio.Queue[str]) -> list[str]:
    """What waits, without waiting for more."""
    return [waiting.get_nowait() for _ in range(min(waiting.qsize(), _TOGETHER))]


@asynccontextmanager
async def _one_thread(name: str) -> AsyncIterator[Executor]:
    thread = ThreadPoolExecutor(1, thread_name_prefix=name)
    try:
        yield thread
    finally:
        # What was being handled is handled to its end, without holding up the event loop.
        await asyncio.get_running_loop().run_in_executor(None, thread.shutdown)
