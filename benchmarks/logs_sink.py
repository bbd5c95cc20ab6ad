"""A log sink in its own process: takes Loki pushes and OTLP exports after 1 ms, or fails as it is told to.

Prints its port. Commands on standard input, one line each, answered by one line: `outage SECONDS` (nobody listens),
`hang SECONDS` (requests are read and never answered), `count` (distinct records stored), `clear`.
"""

import asyncio
import gzip
import re
import sys
import zlib

_LATENCY_SECONDS = 0.001
_RECORD = re.compile(rb"o-(\d{5})\b")


class Sink:
    """Stores what it has confirmed."""

    def __init__(self) -> None:
        self._bodies: list[bytes] = []
        self._server: asyncio.Server | None = None
        self._port = 0
        self._hangs = False
        self._writers: set[asyncio.StreamWriter] = set()

    async def listen(self) -> int:
        """Open the port, the same one every time, and return it."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, limit=1 << 20)
        self._port = self._server.sockets[0].getsockname()[1]
        return self._port

    async def obey(self, command: str) -> str:
        """Do as a line of standard input says."""
        verb, _, argument = command.partition(" ")
        if verb == "count":
            return str(self._count())
        if verb == "clear":
            self._bodies.clear()
        elif verb == "outage":
            await self._outage(float(argument))
        elif verb == "hang":
            self._hangs = True
            await asyncio.sleep(float(argument))
            self._hangs = False
            self._drop_connections()
        return "done"

    async def _outage(self, seconds: float) -> None:
        if self._server is not None:
            self._server.close()
        self._drop_connections()
        await asyncio.sleep(seconds)
        await self.listen()

    def _drop_connections(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                body = await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
                await asyncio.sleep(_LATENCY_SECONDS)
                if self._hangs:
                    await reader.read()
                    return
                self._bodies.append(body)
                is_push = b"/loki/" in head.split(b"\r\n")[0]
                writer.write(
                    b"HTTP/1.1 204 No Content\r\n\r\n" if is_push else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    def _count(self) -> int:
        numbers: set[bytes] = set()
        for body in self._bodies:
            numbers.update(_RECORD.findall(_plain(body)))
        return len(numbers)


def _plain(body: bytes) -> bytes:
    try:
        return gzip.decompress(body)
    except (gzip.BadGzipFile, zlib.error):
        return body


async def main() -> None:
    """Serve until standard input ends."""
    sink = Sink()
    print(await sink.listen(), flush=True)
    loop = asyncio.get_running_loop()
    while command := await loop.run_in_executor(None, sys.stdin.readline):
        print(await sink.obey(command.strip()), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
