"""What telemetry costs a request: an instrumented service beside a bare one, and each part by itself."""

import statistics
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.harness import markdown_table, median_ratio, python_child
from benchmarks.requests_load import Load, run_load
from benchmarks.requests_parts import part_table

_SERVICE = "benchmarks.requests_service"
_TRIVIAL = ("/trivial/x", 16)
# Four connections keep this one waiting on its timer and not on the processor, as a handler that asks a database does.
_WAITS = ("/waits/x", 4)
_ALONE = ("/trivial/x", 1)


@dataclass(frozen=True, slots=True)
class _Pair:
    """The same load on both services, round by round, so that a slow minute of the machine hits both."""

    bare: list[Load]
    instrumented: list[Load]

    def ratio(self) -> float:
        return median_ratio(_rates(self.instrumented), _rates(self.bare))

    def added_ms(self) -> float:
        rounds = zip(self.bare, self.instrumented, strict=True)
        return statistics.median(ours.median_ms() - bare.median_ms() for bare, ours in rounds)


def run(quick: bool) -> str:  # noqa: FBT001 -- the interface of every benchmark
    """Measure, and return Markdown. Takes a minute and a half, a quick run twenty seconds."""
    rounds, seconds = (2, 1.0) if quick else (5, 2.0)
    with (
        tempfile.TemporaryDirectory() as directory,
        _started("benchmarks.requests_sink") as sink,
        _started(_SERVICE, "bare") as bare,
        _started(_SERVICE, "instrumented", f"http://127.0.0.1:{sink}", directory) as instrumented,
    ):
        pairs = [_pair((bare, instrumented), load, rounds, seconds) for load in (_TRIVIAL, _WAITS, _ALONE)]
        lost = _lost_spans(instrumented)
    return f"{_request_table(pairs, lost)}\n\n{part_table(20_000 if quick else 200_000)}\n"


def _pair(ports: tuple[int, int], load: tuple[str, int], rounds: int, seconds: float) -> _Pair:
    path, connections = load
    for port in ports:
        run_load(port, path, connections, 0.5)  # the first requests of a process are slow
    runs = [[run_load(port, path, connections, seconds) for port in ports] for _ in range(rounds)]
    return _Pair([bare for bare, _ in runs], [ours for _, ours in runs])


def _request_table(pairs: list[_Pair], lost: float) -> str:
    names = (
        ("trivial, 16 connections", "ratio at least 0.40"),
        ("waits 5 ms, 4 connections", "ratio at least 0.90"),
        ("trivial, 1 connection", "added p50 at most 0.5 ms"),
    )
    rows = [
        (
            name,
            f"{statistics.median(_rates(pair.bare)):,.0f}",
            f"{statistics.median(_rates(pair.instrumented)):,.0f}",
            f"{pair.ratio():.2f}",
            f"{pair.added_ms():.2f} ms",
            wanted,
        )
        for (name, wanted), pair in zip(names, pairs, strict=True)
    ]
    head = ("request, every one traced", "bare /s", "instrumented /s", "ratio", "added p50", "wanted")
    return f"{markdown_table(head, rows)}\n\nSpans lost meanwhile: {lost:.0f}."


def _rates(loads: list[Load]) -> list[float]:
    return [load.per_second for load in loads]


def _lost_spans(port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        page = response.read().decode()
    losses = [line for line in page.splitlines() if line.startswith("sightline_telemetry_dropped_total{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in losses if 'signal="spans"' in line)


@contextmanager
def _started(module: str, *arguments: str) -> Iterator[int]:
    """A process of ours that prints its port; the port."""
    with python_child(module, *arguments) as child:
        if child.stdout is None:
            raise TypeError("the child was started without pipes")
        yield int(child.stdout.readline())
