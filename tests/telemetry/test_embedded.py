"""The embedded store's writing side: many processes, faults, permissions, retention."""

import multiprocessing
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from telemetry.query.embedded_logs import EmbeddedLogReader
from telemetry.query.embedded_metrics import EmbeddedMetricReader
from telemetry.query.embedded_pool import ReadPool
from telemetry.query.embedded_traces import EmbeddedTraceReader
from telemetry.query.errors import BackendAwayError
from telemetry.query.ports import LogQuery, SeriesQuery
from telemetry.records import LogEntry, Outcome, Sample
from telemetry.sinks.embedded import EmbeddedStore
from telemetry.sinks.embedded_retention import FREE_PAGES_KEPT
from telemetry.sinks.embedded_schema import open_for_writing
from tests.telemetry.query_backs import T0_NS, TRACE, StoppedClock, at, entry, span

DAY = 86_400


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "telemetry.db"


@pytest.fixture
def reader(path: Path) -> Iterator[EmbeddedLogReader]:
    opened = EmbeddedLogReader(ReadPool(path, timeout_seconds=10))
    yield opened
    opened.close()


def store(path: Path, **options: object) -> EmbeddedStore:
    return EmbeddedStore(
        path,
        **{"service_name": "console", "env": "test", "clock": StoppedClock(), **options},  # type: ignore[arg-type]  # each test names real ones
    )


def send(path: Path, entries: list[LogEntry], **options: object) -> Outcome:
    sink = store(path, **options).log_sink()
    try:
        return sink.send(entries)
    finally:
        sink.close()


def everything(reader: EmbeddedLogReader, text: str = "") -> list[str]:
    query = LogQuery(start=at(-40 * DAY), end=at(40 * DAY), newest_first=False, text=text, limit=50_000)
    return [line.line for line in reader.search(query)]


def rows(path: Path, sql: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        count: int = connection.execute(sql).fetchone()[0]
    return count


def test_store_when_made_then_only_the_owner_can_read_it(path: Path) -> None:
    sink = store(path).log_sink()
    sink.send([entry(1, "x")])
    modes = {item.name: stat.S_IMODE(item.stat().st_mode) for item in (path.parent, *path.parent.iterdir())}
    sink.close()

    assert modes == {
        "var": 0o700,
        "telemetry.db": 0o600,
        "telemetry.db-wal": 0o600,
        "telemetry.db-shm": 0o600,
        "telemetry.db.lock": 0o600,
    }


def test_store_when_made_but_not_used_then_no_file_appears(path: Path) -> None:
    store(path).log_sink()

    assert not path.parent.exists()


def test_send_when_nothing_is_in_the_batch_then_it_counts_as_delivered(path: Path) -> None:
    assert send(path, []) is Outcome.DELIVERED


def _open_and_close(path: Path, barrier: Barrier) -> None:
    barrier.wait()
    open_for_writing(path).close()


def test_open_when_eight_processes_make_the_file_at_once_then_none_is_refused(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for attempt in range(5):
        barrier = context.Barrier(8)
        target = path.with_name(f"{attempt}.db")
        processes = [context.Process(target=_open_and_close, args=(target, barrier)) for _ in range(8)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(timeout=60)
        assert [process.exitcode for process in processes] == [0] * 8


def _write_many(path: Path, barrier: Barrier, number: int) -> None:
    sink = store(path, service_name=f"service-{number}").log_sink()
    barrier.wait()
    for batch in range(5):
        pending = [entry(batch, f"{number}/{batch}/{line}") for line in range(20)]
        while sink.send(pending) is Outcome.RETRY:
            pass
    sink.close()


def test_send_when_eight_processes_start_at_once_then_every_line_is_stored(
    path: Path, reader: EmbeddedLogReader
) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(8)
    processes = [context.Process(target=_write_many, args=(path, barrier, number)) for number in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)

    assert [process.exitcode for process in processes] == [0] * 8
    assert len(everything(reader)) == 8 * 5 * 20


def test_send_when_file_is_locked_then_retry_and_later_it_goes_through(
    path: Path, reader: EmbeddedLogReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.sinks.embedded_schema.BUSY_TIMEOUT_SECONDS", 0.05)
    sink = store(path).log_sink()
    sink.send([entry(1, "first")])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        locked = sink.send([entry(2, "second")])
        other.execute("ROLLBACK")
    free = sink.send([entry(2, "second")])
    sink.close()

    assert (locked, free, everything(reader)) == (Outcome.RETRY, Outcome.DELIVERED, ["first", "second"])


def test_send_when_disk_is_full_then_retry_and_nothing_is_half_stored(path: Path, reader: EmbeddedLogReader) -> None:
    sink = store(path).log_sink()
    sink.send([entry(1, "first")])
    file = sink._writer._file  # type: ignore[attr-defined]
    connection = file.connection()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")
    full = sink.send([entry(2, "x" * 100_000)])
    after = sink.send([entry(3, "third")])
    sink.close()

    assert (full, after, everything(reader)) == (Outcome.RETRY, Outcome.DELIVERED, ["first", "third"])


def test_send_when_directory_cannot_be_made_then_retry(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    assert send(tmp_path / "file" / "telemetry.db", [entry(1, "x")]) is Outcome.RETRY


def test_send_when_file_is_no_database_then_retry(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, but long enough to look at" * 100)

    assert send(path, [entry(1, "x")]) is Outcome.RETRY


def test_send_when_file_is_of_a_newer_release_then_retry_and_reader_says_so(
    path: Path, reader: EmbeddedLogReader
) -> None:
    send(path, [entry(1, "x")])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=99")

    assert send(path, [entry(2, "y")]) is Outcome.RETRY
    with pytest.raises(BackendAwayError, match="newer release"):
        everything(reader)


@pytest.mark.parametrize(
    "bad",
    [
        entry(1, "x")._replace(time_ns=2**64),
        entry(1, "x", trace_id="not hexadecimal"),
        entry(1, "x", trace_id="abcd"),
        entry(1, "x")._replace(line=object()),  # type: ignore[arg-type]  # what a careless caller may hand over
    ],
)
def test_send_when_a_line_can_never_be_stored_then_batch_is_rejected(
    path: Path, reader: EmbeddedLogReader, bad: LogEntry
) -> None:
    sink = store(path).log_sink()
    outcome = sink.send([entry(1, "good"), bad])
    later = sink.send([entry(2, "later", logger="a.b")])
    sink.close()

    assert (outcome, later, everything(reader)) == (Outcome.REJECTED, Outcome.DELIVERED, ["later"])


def test_send_when_span_has_no_id_then_batch_is_rejected(path: Path) -> None:
    sink = store(path).span_sink()
    outcome = sink.send([span("")])
    sink.close()

    assert outcome is Outcome.REJECTED


def test_send_when_file_was_removed_then_a_new_one_is_made(path: Path, reader: EmbeddedLogReader) -> None:
    sink = store(path).log_sink()
    sink.send([entry(1, "old")])
    for item in path.parent.iterdir():
        item.unlink()
    outcome = sink.send([entry(2, "new")])
    found = everything(reader)
    sink.close()

    assert (outcome, found) == (Outcome.DELIVERED, ["new"])


def test_send_when_process_was_forked_then_both_sides_write(path: Path, reader: EmbeddedLogReader) -> None:
    sink = store(path).log_sink()
    sink.send([entry(1, "before")])
    file = sink._writer._file  # type: ignore[attr-defined]
    before = file.connection()
    child = os.fork()
    if child == 0:
        delivered = sink.send([entry(2, "child")]) is Outcome.DELIVERED
        # What was opened before the fork must be neither used nor closed in here.
        os._exit(0 if delivered and file.connection() is not before and before.total_changes >= 0 else 1)
    _, status = os.waitpid(child, 0)
    sink.send([entry(3, "parent")])
    sink.close()

    assert (os.waitstatus_to_exitcode(status), everything(reader)) == (0, ["before", "child", "parent"])


def test_send_when_sink_was_closed_then_it_opens_again(path: Path, reader: EmbeddedLogReader) -> None:
    sink = store(path).log_sink()
    sink.send([entry(1, "a")])
    sink.close()
    sink.send([entry(2, "b")])
    sink.close()

    assert everything(reader) == ["a", "b"]


def test_search_when_there_is_no_store_then_error_says_when_there_will_be(reader: EmbeddedLogReader) -> None:
    with pytest.raises(BackendAwayError, match="appears with the first telemetry"):
        everything(reader)


# --- retention


def test_send_when_upkeep_is_due_then_old_lines_go_at_once(path: Path, reader: EmbeddedLogReader) -> None:
    send(path, [entry(-8 * DAY, "old"), entry(-6 * DAY, "young")])

    assert everything(reader) == ["young"]


def test_maintain_when_lines_are_too_old_then_they_and_their_index_go(
    path: Path, reader: EmbeddedLogReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.sinks.embedded_text.SEGMENT_LINES", 1_000)
    for part in range(3):
        old = [entry(-8 * DAY + number, f"old {part} {number}") for number in range(1_000)]
        send(path, old, retention_days=30)
    send(path, [entry(-6 * DAY, "young")], retention_days=30)
    segments = rows(path, "SELECT count(*) FROM text_segments")

    assert store(path, retention_days=7).maintain()
    assert (everything(reader), everything(reader, text="old ")) == (["young"], [])
    assert (segments, rows(path, "SELECT count(*) FROM text_segments")) == (4, 1)


def test_search_when_text_stands_in_several_segments_then_all_are_found(
    path: Path, reader: EmbeddedLogReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.sinks.embedded_text.SEGMENT_LINES", 10)
    for part in range(4):
        send(path, [entry(100 * part + number, f"line {part} {number}") for number in range(12)])

    assert everything(reader, text=" 11") == ["line 0 11", "line 1 11", "line 2 11", "line 3 11"]
    assert rows(path, "SELECT count(*) FROM text_segments") == 4


def test_maintain_when_traces_are_too_old_then_their_spans_go(path: Path) -> None:
    sink = store(path, retention_days=30).span_sink()
    sink.send([span("00000000000000a1", trace_id="1" * 32, begins=-8 * DAY), span("00000000000000a2", begins=0)])
    sink.close()
    store(path, retention_days=7).maintain()
    reader = EmbeddedTraceReader(ReadPool(path, timeout_seconds=10))
    kept = [reader.trace("1" * 32) is None, reader.trace(TRACE) is not None, rows(path, "SELECT count(*) FROM spans")]
    reader.close()

    assert kept == [True, True, 1]


def test_maintain_when_samples_are_too_old_then_they_go(path: Path) -> None:
    sink = store(path, retention_days=30).metric_sink()
    for days in (8, 7.5, 1):
        sink.write([Sample("up", (), days, T0_NS - int(days * DAY * 1e9))])
    sink.close()
    store(path, retention_days=7).maintain()

    assert rows(path, "SELECT count(*) FROM samples") == 1


def test_maintain_when_store_is_too_big_then_oldest_go_and_file_shrinks(
    path: Path, reader: EmbeddedLogReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.sinks.embedded_text.SEGMENT_LINES", 1_000)
    for start in range(0, 12_000, 500):
        send(path, [entry(number, f"{number:06} {os.urandom(400).hex()}") for number in range(start, start + 500)])
    before = path.stat().st_size
    limit = before // 2

    assert store(path, max_bytes=limit).maintain()
    kept = everything(reader)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert path.stat().st_size < limit + (FREE_PAGES_KEPT + 1) * 4_096
    assert kept[-1].startswith("011999")
    assert len(kept) > 3_000
    assert kept[0][:6] == f"{12_000 - len(kept):06}"


def test_maintain_when_nothing_is_old_or_big_then_nothing_goes(path: Path, reader: EmbeddedLogReader) -> None:
    send(path, [entry(1, "x")])

    assert store(path).maintain()
    assert everything(reader) == ["x"]


def test_maintain_when_budget_is_spent_then_it_says_that_work_is_left(path: Path) -> None:
    send(path, [entry(-8 * DAY + number, f"old {number}") for number in range(2_500)], retention_days=30)

    assert not store(path, retention_days=7).maintain(budget_seconds=0)
    assert 0 < rows(path, "SELECT count(*) FROM logs") < 2_500


def test_send_when_another_process_holds_the_lease_then_nothing_is_pruned(
    path: Path, reader: EmbeddedLogReader
) -> None:
    send(path, [entry(1, "makes the file, takes the lease")])
    send(path, [entry(-8 * DAY, "old")])

    assert "old" in everything(reader)


def test_send_when_the_lease_has_run_out_then_another_process_prunes(path: Path, reader: EmbeddedLogReader) -> None:
    clock = StoppedClock()
    send(path, [entry(1, "makes the file, takes the lease")], clock=clock)
    clock.now_ns += 600 * 10**9
    send(path, [entry(-8 * DAY, "old")], clock=clock)

    assert "old" not in everything(reader)


# --- metrics


def test_write_when_value_stays_then_it_is_stored_again_only_after_four_minutes(path: Path) -> None:
    sink = store(path).metric_sink()
    for seconds in range(0, 495, 15):
        sink.write([Sample("up", (), 1.0, T0_NS + seconds * 10**9)])
    sink.close()

    assert rows(path, "SELECT count(*) FROM samples") == 3


def test_write_when_write_failed_then_value_counts_as_not_written(path: Path) -> None:
    sink = store(path).metric_sink()
    sink.write([Sample("up", (), 1.0, T0_NS)])
    refused = sink.write([Sample("up", (), 2.0, T0_NS + 10**9), Sample("up", (), 3.0, 2**90)])
    sink.write([Sample("up", (), 2.0, T0_NS + 2 * 10**9)])
    sink.close()
    reader = EmbeddedMetricReader(ReadPool(path, timeout_seconds=10))
    (series,) = reader.series(SeriesQuery(metric="up", start=at(0), end=at(2), step_seconds=1))
    reader.close()

    assert refused is Outcome.REJECTED
    assert [value for _, value in series.points] == [1.0, 1.0, 2.0]


def test_write_when_two_services_have_the_same_metric_then_a_label_tells_them_apart(path: Path) -> None:
    for service in ("console", "automation"):
        sink = store(path, service_name=service).metric_sink()
        sink.write([Sample("up", (), 1.0, T0_NS)])
        sink.close()
    reader = EmbeddedMetricReader(ReadPool(path, timeout_seconds=10))
    found = reader.series(SeriesQuery(metric="up", start=at(0), end=at(2), step_seconds=1))
    reader.close()

    assert [dict(series.labels)["service_name"] for series in found] == ["automation", "console"]
