"""One process that logs through one contender: `python -m benchmarks.logs_emitter CONTENDER URL DIRECTORY SCENARIO`.

Scenario `paced RECORDS SECONDS` spreads its records over that time, waits for standard input to say so, shuts the
contender down and prints the longest log call in milliseconds. Scenario `server RECORDS` logs all at once while a
web server starts, prints "logged" and serves until SIGTERM.
"""

import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

import uvicorn

from benchmarks.logs_contenders import PLAIN, QUEUED, Contender, build


def main(arguments: list[str]) -> None:
    """Run a scenario."""
    name, url, directory, scenario, records, *seconds = arguments
    logging.raiseExceptions = False  # what a contender prints of its failures is not what is measured
    contender = build(name, url, Path(directory))
    log = logging.getLogger("bench.orders")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.addHandler(contender.handler)
    if scenario == "paced":
        print("ready", flush=True)
        longest_ms = paced(log, int(records), float(seconds[0]))
        print(f"{longest_ms:.0f}", flush=True)
        sys.stdin.readline()
        contender.close()
        print("closed", flush=True)
        if name in {PLAIN, QUEUED}:
            os._exit(0)  # its thread is not a daemon's and has no end
        return
    serve(log, contender, int(records))


def paced(log: logging.Logger, records: int, seconds: float) -> float:
    """Log at an even pace; returns the longest call in milliseconds."""
    longest = 0.0
    begin = time.monotonic()
    for number in range(records):
        time.sleep(max(0.0, begin + number * seconds / records - time.monotonic()))
        before = time.perf_counter()
        log.info("order o-%05d accepted by %s in %.1f ms", number, "alpaca", 12.5)
        longest = max(longest, time.perf_counter() - before)
    return longest * 1_000


def serve(log: logging.Logger, contender: Contender, records: int) -> None:
    """Be a web service that logs a burst and is stopped by a signal."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 -- ASGI's own types
        if scope["type"] != "lifespan":
            return
        await receive()
        await send({"type": "lifespan.startup.complete"})
        for number in range(records):
            log.info("order o-%05d accepted by %s in %.1f ms", number, "alpaca", 12.5)
        print("logged", flush=True)
        await receive()
        contender.close()
        await send({"type": "lifespan.shutdown.complete"})

    uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="on")).run()


if __name__ == "__main__":
    main(sys.argv[1:])
