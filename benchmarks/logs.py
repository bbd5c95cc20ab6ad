"""What a log call costs its caller, how many records a second arrive, and how many are lost when things fail."""

import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from opentelemetry.sdk.trace import TracerProvider

from benchmarks.harness import ask, interleaved, markdown_table, median_call_us, median_ratio, python_child
from benchmarks.logs_contenders import FLOOR, OTEL, OURS, PLAIN, QUEUED, Contender, build
from benchmarks.logs_losses import loss_table

# Those that make a request per record would take minutes for what the others do in a blink.
_BURSTS = {FLOOR: 8_000, OURS: 8_000, OTEL: 8_000, QUEUED: 400, PLAIN: 200}


def run(quick: bool) -> str:  # noqa: FBT001 -- the interface of every benchmark
    """Measure, and return Markdown. Takes three minutes and a half, a quick run one."""
    rounds = 3 if quick else 9
    return f"{_speed_table(rounds)}\n\n{loss_table(3.0 if quick else 30.0)}\n"


def _speed_table(rounds: int) -> str:
    log = logging.getLogger("bench.orders")
    log.setLevel(logging.INFO)
    log.propagate = False
    tracer = TracerProvider().get_tracer("bench")
    with (
        tempfile.TemporaryDirectory() as directory,
        python_child("benchmarks.logs_sink") as sink,
        tracer.start_as_current_span("bench"),
    ):
        assert sink.stdout is not None
        url = f"http://127.0.0.1:{sink.stdout.readline().strip()}"

        def measured(name: str, measure: Callable[[logging.Logger, Contender, int], float]) -> Callable[[], float]:
            def once() -> float:
                with _installed(log, build(name, url, Path(directory))) as contender:
                    result = measure(log, contender, _BURSTS[name])
                ask(sink, "clear")
                return result

            return once

        calls = interleaved({name: measured(name, _call_us) for name in _BURSTS}, rounds)
        rates = interleaved({name: measured(name, _records_per_second) for name in _BURSTS}, rounds)
    rows = [
        (
            name,
            f"{statistics.median(calls[name]):,.1f} us",
            f"{median_ratio(calls[name], calls[FLOOR]):,.2f}",
            f"{statistics.median(rates[name]):,.0f}",
            f"{median_ratio(rates[name], rates[FLOOR]):,.2f}",
            f"{median_ratio(rates[name], rates[PLAIN]):,.0f}",
        )
        for name in _BURSTS
    ]
    head = ("a burst inside a span", "call p50", "to the floor", "records/s", "to the floor", "to LokiHandler")
    return markdown_table(head, rows)


def _call_us(log: logging.Logger, contender: Contender, records: int) -> float:
    result = median_call_us(lambda number: _log_one(log, number), records)
    contender.drain()
    return result


def _records_per_second(log: logging.Logger, contender: Contender, records: int) -> float:
    begin = time.perf_counter()
    for number in range(records):
        _log_one(log, number)
    contender.drain()
    return records / (time.perf_counter() - begin)


def _log_one(log: logging.Logger, number: int) -> None:
    log.info("order o-%05d accepted by %s in %.1f ms", number, "alpaca", 12.5)


@contextmanager
def _installed(log: logging.Logger, contender: Contender) -> Iterator[Contender]:
    log.addHandler(contender.handler)
    try:
        yield contender
    finally:
        log.removeHandler(contender.handler)
        contender.close()
