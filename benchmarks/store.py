"""The embedded store: how fast it takes telemetry, and how fast it answers once 100,000 lines are in it."""

import json
import multiprocessing
import os
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import TypeVar

from benchmarks.harness import markdown_table
from telemetry.query.open import Readers, ReadersOptions, open_readers
from telemetry.query.ports import LogQuery, SeriesQuery, TraceQuery
from telemetry.records import LogEntry, Outcome, Sample, SpanEntry
from telemetry.sinks.embedded import EmbeddedStore

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
START_NS = int(START.timestamp()) * 10**9
BATCH = 500
RARE = "needle-7f3a"
WRITERS = 8


T = TypeVar("T")


class _Clock:
    def time_ns(self) -> int:
        return START_NS


def run(quick: bool) -> str:  # noqa: FBT001 -- the signature all benchmarks share
    """Markdown tables; `quick` takes a tenth of the lines."""
    lines = 10_000 if quick else 100_000
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "telemetry.db"
        writing = _writing(path, lines)
        readers = open_readers(ReadersOptions(embedded_path=path))
        reading = _reading(readers, lines)
        readers.close()
        together = _together(Path(directory) / "shared.db", lines // WRITERS)
    return "\n\n".join(
        [
            f"{lines:,} lines of some 110 letters with two fields, in batches of {BATCH}, in one file.",
            markdown_table(["writing", "measured"], writing + together),
            markdown_table(["reading", "median of 20"], reading),
        ]
    )


def _entries(count: int, service: int = 0) -> list[LogEntry]:
    chance = random.Random(service)  # noqa: S311 -- made-up lines, the same in every run
    return [
        LogEntry(
            START_NS + number * 1_000_000,
            "error" if number % 100 == 0 else "info",
            "trading.orders",
            f"order {chance.getrandbits(40):x} submitted to venue paper qty={chance.randint(1, 900)} "
            f"price={chance.random() * 100:.2f} latency={chance.random():.4f}"
            + (f" {RARE}" if number == count // 2 else ""),
            chance.randbytes(16).hex(),
            chance.randbytes(8).hex(),
            (("order_id", f"{chance.getrandbits(64):x}"), ("broker", "alpaca")),
        )
        for number in range(count)
    ]


def _spans(traces: int) -> list[SpanEntry]:
    chance = random.Random(1)  # noqa: S311 -- as above
    spans = []
    for number in range(traces):
        root = chance.randbytes(8).hex()
        begin = START_NS + number * 5_000_000
        spans += [
            SpanEntry(
                f"{number:032x}",
                root if child == 0 else chance.randbytes(8).hex(),
                "" if child == 0 else root,
                "POST /orders",
                "server",
                "trading",
                begin,
                begin + 4_000_000,
                "error" if number % 100 == 0 else "ok",
                "",
                {"http.route": "/orders", "http.response.status_code": 200},
                (),
                (),
            )
            for child in range(5)
        ]
    return spans


def _writing(path: Path, count: int) -> list[tuple[str, str]]:
    store = EmbeddedStore(path, service_name="trading", env="bench", clock=_Clock())
    logs, entries = store.log_sink(), _entries(count)
    floor = _bare_rate(path.with_name("bare.db"), entries)
    fresh = _rate(logs.send, entries)
    again = _rate(logs.send, entries[: count // 5])
    traces, spans = store.span_sink(), _spans(count // 10)
    span_rate = _rate(traces.send, spans)
    metrics = store.metric_sink()
    samples = [Sample(f"metric_{n % 100}", (("n", str(n)),), float(n), START_NS) for n in range(3_000)]
    metrics.write(samples)
    unchanged_ms = _median_ms(lambda: metrics.write(samples))
    for sink in (logs, traces, metrics):
        sink.close()
    size = path.stat().st_size / (count + len(spans))
    return [
        ("log lines into a bare table without any index (the floor)", f"{floor:,.0f} rows/s"),
        ("log lines, indexed for search", f"{fresh:,.0f} rows/s ({fresh / floor:.2f} of the floor)"),
        ("the same lines again (replay; nothing is doubled)", f"{again:,.0f} rows/s"),
        ("spans", f"{span_rate:,.0f} rows/s"),
        ("a reading of 3,000 unchanged series", f"{unchanged_ms:.1f} ms"),
        ("file", f"{size:.0f} bytes a line or span"),
    ]


def _rate(send: Callable[[list[T]], Outcome], items: list[T]) -> float:
    begin = time.perf_counter()
    for at in range(0, len(items), BATCH):
        assert send(items[at : at + BATCH]) is Outcome.DELIVERED
    return len(items) / (time.perf_counter() - begin)


def _bare_rate(path: Path, entries: list[LogEntry]) -> float:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("CREATE TABLE logs (time_ns, level, logger, line, trace_id, span_id, fields)")

        def send(batch: list[LogEntry]) -> Outcome:
            connection.execute("BEGIN")
            rows = [(*entry[:6], json.dumps(dict(entry.fields))) for entry in batch]
            connection.executemany("INSERT INTO logs VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            connection.execute("COMMIT")
            return Outcome.DELIVERED

        return _rate(send, entries)


def _write_alone(path: str, count: int, number: int, start: Barrier, results: "multiprocessing.Queue[str]") -> None:
    sink = EmbeddedStore(Path(path), service_name=f"service-{number}", env="bench", clock=_Clock()).log_sink()
    entries = _entries(count, number)
    retries, waits = 0, []
    start.wait()
    for at in range(0, count, BATCH):
        while True:
            begin = time.perf_counter()
            outcome = sink.send(entries[at : at + BATCH])
            waits.append(time.perf_counter() - begin)
            if outcome is Outcome.DELIVERED:
                break
            retries += 1
    sink.close()
    results.put(json.dumps([retries, max(waits) * 1_000]))


def _together(path: Path, count: int) -> list[tuple[str, str]]:
    context = multiprocessing.get_context("spawn")
    results, start = context.Queue(), context.Barrier(WRITERS + 1)
    processes = [
        context.Process(target=_write_alone, args=(str(path), count, number, start, results))
        for number in range(WRITERS)
    ]
    for process in processes:
        process.start()
    start.wait()
    begin = time.perf_counter()
    told = [json.loads(results.get(timeout=120)) for _ in processes]
    rate = WRITERS * count / (time.perf_counter() - begin)
    for process in processes:
        process.join()
    return [
        (f"{WRITERS} processes at once, {os.cpu_count()} cores", f"{rate:,.0f} rows/s"),
        ("... batches sent back for later because the file was locked for 2 s", str(sum(item[0] for item in told))),
        ("... longest wait of a batch", f"{max(item[1] for item in told):,.0f} ms"),
    ]


def _reading(readers: Readers, count: int) -> list[tuple[str, str]]:
    end = START + timedelta(days=1)

    def logs(**asked: object) -> Callable[[], object]:
        query = LogQuery(start=START, end=end, limit=100, **asked)  # type: ignore[arg-type]  # names of real filters
        return lambda: readers.logs.search(query)

    line = readers.logs.search(LogQuery(start=START, end=end, text=RARE))[0]
    failed = TraceQuery(start=START, end=end, status="error")
    series = SeriesQuery(metric="metric_7", start=START, end=START + timedelta(minutes=5), step_seconds=15)
    questions: list[tuple[str, Callable[[], object]]] = [
        ("one trace of five spans", lambda: readers.traces.trace(f"{count // 20:032x}")),
        ("the lines of one trace", logs(trace_id=line.trace_id)),
        ("text that stands in one line", logs(text=RARE)),
        ("text that stands in no line", logs(text="no such text")),
        ("text that stands in every line (newest 100)", logs(text="submitted")),
        ("two letters that stand in no line (no index for them)", logs(text="zz")),
        ("errors (newest 100)", logs(min_level="error")),
        ("lines with a field that none has", logs(has_field="event_type")),
        ("traces with an error (newest 100)", lambda: readers.traces.search(failed)),
        ("30 series over five minutes", lambda: readers.metrics.series(series)),
    ]
    return [(name, f"{_median_ms(ask):.2f} ms") for name, ask in questions]


def _median_ms(ask: Callable[[], object]) -> float:
    times = []
    for _ in range(20):
        begin = time.perf_counter()
        ask()
        times.append((time.perf_counter() - begin) * 1_000)
    return statistics.median(times)
