"""How many of 8,000 records are lost when the sink goes away, hangs, or the process is told to stop."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from benchmarks.harness import ask, markdown_table, python_child
from benchmarks.logs_contenders import OTEL, OURS, PLAIN, QUEUED

_RECORDS = 8_000
_BEFORE_SECONDS = 2.0
_AFTER_SECONDS = 5.0
# Time for a contender to notice that the sink is back, and for one without timeouts to catch up.
_GRACE_SECONDS = 30.0
_CONTENDERS = (OURS, OTEL, QUEUED, PLAIN)


def loss_table(failure_seconds: float) -> str:
    """Measure and return a table. The contenders run at the same time, each with a sink of its own."""
    with ThreadPoolExecutor(len(_CONTENDERS)) as pool:
        outages = list(pool.map(lambda name: _paced(name, "outage", failure_seconds), _CONTENDERS))
        hangs = list(pool.map(lambda name: _paced(name, "hang", failure_seconds), _CONTENDERS))
        stops = list(pool.map(_stopped, _CONTENDERS))
    head = (
        f"lost of {_RECORDS:,} records",
        f"outage of {failure_seconds:.0f} s",
        f"hang of {failure_seconds:.0f} s",
        "SIGTERM",
        "longest log call in the hang",
    )
    rows = [
        (name, f"{outage[0]:,}", f"{hang[0]:,}", f"{stop:,}", f"{hang[1]:,.0f} ms")
        for name, outage, hang, stop in zip(_CONTENDERS, outages, hangs, stops, strict=True)
    ]
    return markdown_table(head, rows)


def _paced(name: str, failure: str, failure_seconds: float) -> tuple[int, float]:
    seconds = _BEFORE_SECONDS + failure_seconds + _AFTER_SECONDS
    with _contender(name, "paced", str(_RECORDS), str(seconds)) as (sink, emitter):
        assert emitter.stdout is not None
        emitter.stdout.readline()
        time.sleep(_BEFORE_SECONDS)
        ask(sink, f"{failure} {failure_seconds}")
        longest_ms = float(emitter.stdout.readline())
        _wait_until_all_arrived(sink)
        ask(emitter, "close")
        return _RECORDS - int(ask(sink, "count")), longest_ms


def _stopped(name: str) -> int:
    with _contender(name, "server", str(_RECORDS)) as (sink, emitter):
        assert emitter.stdout is not None
        emitter.stdout.readline()
        emitter.terminate()
        emitter.wait(60)
        return _RECORDS - int(ask(sink, "count"))


def _wait_until_all_arrived(sink: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + _GRACE_SECONDS
    while int(ask(sink, "count")) < _RECORDS and time.monotonic() < deadline:
        time.sleep(0.5)


@contextmanager
def _contender(name: str, *scenario: str) -> Iterator[tuple[subprocess.Popen[str], subprocess.Popen[str]]]:
    with tempfile.TemporaryDirectory() as directory, python_child("benchmarks.logs_sink") as sink:
        assert sink.stdout is not None
        url = f"http://127.0.0.1:{sink.stdout.readline().strip()}"
        with python_child("benchmarks.logs_emitter", name, url, directory, *scenario) as emitter:
            yield sink, emitter
