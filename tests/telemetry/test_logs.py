import gc
import gzip
import logging
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from telemetry.emit.backoff import Backoff
from telemetry.emit.buffer import LogBuffer
from telemetry.emit.clock import SystemClock
from telemetry.emit.logs import BatchingHandler
from telemetry.emit.redaction import Redactor
from telemetry.records import LogEntry, Outcome
from telemetry.sinks.loki import LokiSink
from telemetry.sinks.spool import Spool
from tests.fakes.logs import CountingObserver, ScriptedSink
from tests.fakes.loki import Answer, FakeLoki, running_loki

Build = Callable[..., BatchingHandler]
TRACE = ("a" * 32, "b" * 16)


@pytest.fixture
def observer() -> CountingObserver:
    return CountingObserver()


@pytest.fixture
def sink() -> ScriptedSink:
    return ScriptedSink()


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    log = logging.Logger("orders.store", logging.DEBUG)  # noqa: LOG001 -- out of reach of pytest's own handlers
    yield log
    log.handlers.clear()


@pytest.fixture
def build(tmp_path: Path, sink: ScriptedSink, observer: CountingObserver, log: logging.Logger) -> Iterator[Build]:
    """Make a started handler on `log` (with `started=False`: one that only queues) and close it in the end."""
    made: list[BatchingHandler] = []

    def build(*, started: bool = True, **options: object) -> BatchingHandler:
        spool = Spool(tmp_path / "spool", clock=SystemClock())
        parts = {"sink": sink, "spool": spool, "redactor": Redactor(), "observer": observer, "ratio": lambda: 0.02}
        parts |= {"batch_delay_seconds": 0.02, "close_timeout_seconds": 0.3, "current_span": lambda: TRACE} | options
        handler = BatchingHandler(**parts)  # type: ignore[arg-type]  # options differ by test
        made.append(handler)
        log.addHandler(handler)
        if started:
            handler.start()
        return handler

    yield build
    sink.gate.set()
    for handler in made:
        handler.close()


def spool_bytes(tmp_path: Path) -> bytes:
    return b"".join(gzip.decompress(path.read_bytes()) for path in (tmp_path / "spool").rglob("*.batch"))


# What an entry holds


def test_log_when_called_in_a_span_then_the_entry_names_it(
    build: Build, sink: ScriptedSink, log: logging.Logger
) -> None:
    handler = build()
    log.warning("order %s late", "o-1", extra={"broker": "alpaca"})
    assert handler.flush()
    (entry,) = sink.delivered
    assert entry[1:] == ("warning", "orders.store", "order o-1 late", *TRACE, (("broker", "alpaca"),))


def test_log_when_an_exception_is_open_then_its_traceback_follows_without_secrets(
    build: Build, sink: ScriptedSink, log: logging.Logger
) -> None:
    handler = build()
    try:
        refuse("password=hunter2 is wrong")
    except ValueError:
        log.exception("login failed")
    assert handler.flush()
    line = sink.texts[0]
    assert line.startswith("login failed\nTraceback")
    assert line.endswith("ValueError: password=[redacted] is wrong")
    assert "in refuse" in line


def test_log_when_the_stack_is_asked_for_then_it_is_in_the_line(
    build: Build, sink: ScriptedSink, log: logging.Logger
) -> None:
    handler = build()
    log.info("here", stack_info=True)
    assert handler.flush()
    assert "test_log_when_the_stack_is_asked_for" in sink.texts[0]


@pytest.mark.parametrize(("levelno", "level"), [(5, "debug"), (25, "info"), (35, "warning"), (60, "critical")])
def test_log_when_the_level_is_unusual_then_the_one_below_names_it(
    build: Build, sink: ScriptedSink, log: logging.Logger, levelno: int, level: str
) -> None:
    log.setLevel(1)
    handler = build()
    log.log(levelno, "x")
    assert handler.flush()
    assert sink.delivered[0].level == level


def refuse(text: str) -> NoReturn:
    raise ValueError(text)


def log_many(log: logging.Logger, name: str, count: int) -> None:
    for number in range(count):
        log.info("%s-%d", name, number)


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def test_log_when_an_argument_cannot_be_printed_then_the_line_says_so(
    build: Build, sink: ScriptedSink, log: logging.Logger
) -> None:
    handler = build()
    log.info("order %s", Unprintable())
    template = "too few %s %s"
    log.info(template, 1)
    assert handler.flush()
    assert [text.split(" (")[0] for text in sink.texts] == ["order %s", "too few %s %s"]
    assert "RuntimeError" in sink.texts[0]


def test_log_when_a_field_cannot_be_printed_then_its_line_is_kept(
    build: Build, sink: ScriptedSink, log: logging.Logger
) -> None:
    class Text(str):
        __slots__ = ()

        def __str__(self) -> str:
            raise RuntimeError("no text")

    handler = build()
    log.info("order", extra={"id": Text("o-1")})
    assert handler.flush()
    assert (sink.texts, sink.delivered[0].fields) == (["order"], (("fields_error", "RuntimeError"),))


# The queue


def test_log_when_the_queue_is_full_then_the_lowest_level_goes_first(
    build: Build, sink: ScriptedSink, observer: CountingObserver, log: logging.Logger
) -> None:
    handler = build(started=False, max_queue=4)
    for level, text in [(20, "i1"), (10, "d1"), (30, "w1"), (20, "i2")]:
        log.log(level, text)
    log.error("e1")  # d1 makes room
    log.debug("d2")  # nothing is lower: lost itself
    log.critical("c1")  # i1 makes room
    log.info("i3")  # lost itself: nothing is below info any more
    assert observer.counts == {"dropped:queue_full": 4}
    handler.start()
    assert handler.flush()
    assert sorted(sink.texts) == ["c1", "e1", "i2", "w1"]


def test_log_when_the_queue_is_full_of_errors_then_the_audit_trail_still_finds_room() -> None:
    buffer = LogBuffer(max_entries=2, wake_at=100)
    for level, logger in [("critical", "orders"), ("critical", "orders"), ("info", "audit.approvals")]:
        buffer.put(LogEntry(1, level, logger, "x", "", "", ()))
    assert sorted(entry.logger for entry in buffer.take(10, 1_000)) == ["audit.approvals", "orders"]


def test_take_when_levels_are_mixed_then_the_batch_is_in_order_of_time() -> None:
    buffer = LogBuffer(max_entries=10, wake_at=100)
    for time_ns, level in [(1, "info"), (2, "error"), (3, "debug"), (4, "info")]:
        buffer.put(LogEntry(time_ns, level, "orders", "x", "", "", ()))
    assert [entry.time_ns for entry in buffer.take(10, 1_000)] == [1, 2, 3, 4]


def test_take_when_lines_are_long_then_the_batch_is_cut_by_size() -> None:
    buffer = LogBuffer(max_entries=10, wake_at=100)
    for _ in range(4):
        buffer.put(LogEntry(1, "info", "orders", "x" * 100, "", "", ()))
    assert [len(buffer.take(10, 150)), len(buffer.take(10, 150))] == [2, 2]


def test_log_when_a_batch_is_full_then_it_goes_before_the_delay(
    build: Build, sink: ScriptedSink, log: logging.Logger
) -> None:
    build(batch_records=50, batch_delay_seconds=600.0)
    for number in range(100):
        log.info("%d", number)
    assert sink.wait_until(lambda sink: len(sink.delivered) >= 50, 5)


def test_log_when_the_delay_is_over_then_a_small_batch_goes(
    build: Build, sink: ScriptedSink, log: logging.Logger
) -> None:
    build()
    log.info("one")
    assert sink.wait_until(lambda sink: sink.texts == ["one"], 5)


def test_log_when_many_threads_log_then_every_line_arrives_once(
    build: Build, sink: ScriptedSink, observer: CountingObserver, log: logging.Logger
) -> None:
    handler = build()
    threads = [threading.Thread(target=log_many, args=(log, name, 1_000)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert handler.flush(20)
    assert sorted(sink.texts) == sorted(f"{name}-{n}" for name in "abcd" for n in range(1_000))
    assert observer.counts["accepted"] == observer.counts["delivered:scripted"] == 4_000


def test_log_when_the_sink_blocks_for_ever_then_memory_stays_bounded(
    build: Build, sink: ScriptedSink, observer: CountingObserver, log: logging.Logger
) -> None:
    sink.gate.clear()
    build(max_queue=500, batch_records=100)
    log.info("first")
    assert sink.blocked.wait(5)
    text = "x" * 1_000
    for number in range(500):
        log.info("%d %s", number, text)
    gc.collect()
    tracemalloc.start()
    for number in range(5_000):
        log.info("%d %s", number, text)
    grown_bytes = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert observer.counts["dropped:queue_full"] == 5_000
    assert grown_bytes < 200_000


def test_log_when_a_line_is_huge_then_it_is_cut(build: Build, sink: ScriptedSink, log: logging.Logger) -> None:
    handler = build()
    log.info("a" * 1_000_000)
    assert handler.flush()
    assert len(sink.texts[0]) < 17_000


# What becomes of a batch


def test_deliver_when_the_sink_is_away_then_lines_wait_on_disk_and_are_replayed_oldest_first(
    build: Build, sink: ScriptedSink, observer: CountingObserver, log: logging.Logger, tmp_path: Path
) -> None:
    sink.outcome = Outcome.RETRY
    handler = build()
    for number in range(3):
        log.info("%d", number)
        assert handler.flush()
    assert observer.counts["spooled"] == 3
    sink.outcome = Outcome.DELIVERED
    assert observer.wait_for("replayed", 3)
    assert handler.flush()
    assert sink.texts == ["0", "1", "2"]
    assert spool_bytes(tmp_path) == b""


def test_deliver_when_the_batch_is_rejected_then_it_is_counted_kept_and_not_repeated(
    build: Build, sink: ScriptedSink, observer: CountingObserver, log: logging.Logger, tmp_path: Path
) -> None:
    sink.script.append(Outcome.REJECTED)
    handler = build()
    log.info("refused")
    assert handler.flush()
    log.info("taken")
    assert handler.flush()
    assert observer.counts["dropped:rejected"] == 1
    assert [[entry.line for entry in batch] for batch in sink.batches] == [["refused"], ["taken"]]
    assert len(list((tmp_path / "spool" / "rejected").iterdir())) == 1


def test_deliver_when_one_entry_is_poison_then_its_neighbours_arrive(
    build: Build, sink: ScriptedSink, observer: CountingObserver, log: logging.Logger
) -> None:
    sink.poison = "poison"
    handler = build(started=False)
    for number in range(100):
        log.info("poison" if number == 37 else str(number))
    handler.start()
    assert handler.flush()
    assert sink.texts == [str(number) for number in range(100) if number != 37]
    assert observer.counts["dropped:unserialisable"] == 1


def test_deliver_when_the_sink_breaks_its_promise_then_no_line_is_lost(
    build: Build, sink: ScriptedSink, observer: CountingObserver, log: logging.Logger
) -> None:
    sink.script.append(OSError("disk gone"))
    handler = build()
    log.info("one")
    assert handler.flush()
    assert observer.wait_for("replayed", 1)
    assert sink.texts == ["one"]


def test_deliver_when_the_spool_cannot_be_written_then_the_loss_is_counted(
    build: Build, sink: ScriptedSink, observer: CountingObserver, log: logging.Logger, tmp_path: Path
) -> None:
    sink.outcome = Outcome.RETRY
    handler = build()
    (directory,) = (tmp_path / "spool").iterdir()
    directory.rename(tmp_path / "gone")
    log.info("one")
    assert handler.flush()
    assert observer.counts["dropped:spool_full"] == 1
    (tmp_path / "gone").rename(directory)


def test_deliver_when_the_sink_is_away_then_it_is_left_alone_until_the_wait_is_over(
    build: Build, sink: ScriptedSink, observer: CountingObserver, log: logging.Logger
) -> None:
    sink.outcome = Outcome.RETRY
    handler = build(ratio=lambda: 10_000.0)
    for number in range(5):
        log.info("%d", number)
        assert handler.flush()
    assert (len(sink.batches), observer.counts["spooled"]) == (1, 5)


def test_backoff_when_failures_follow_each_other_then_the_ceiling_doubles_up_to_five_seconds() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.next_delay_seconds() for _ in range(7)] == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    backoff.reset()
    assert backoff.next_delay_seconds() == 0.25


# Ends and beginnings


def test_flush_when_the_sink_hangs_then_it_returns_false_and_close_spools_the_rest(
    build: Build, sink: ScriptedSink, log: logging.Logger, tmp_path: Path
) -> None:
    sink.gate.clear()
    handler = build(batch_records=10)
    for number in range(25):
        log.info("line-%d", number)
    assert sink.blocked.wait(5)
    assert not handler.flush(0.05)
    handler.close()
    spooled = spool_bytes(tmp_path).decode()
    assert all(f'"line-{number}"' in spooled for number in range(25))


def test_start_when_a_process_left_batches_then_they_are_delivered(
    build: Build, sink: ScriptedSink, observer: CountingObserver, log: logging.Logger
) -> None:
    sink.outcome = Outcome.RETRY
    first = build()
    log.info("left behind")
    first.close()
    log.handlers.clear()
    sink.outcome = Outcome.DELIVERED
    build()
    assert observer.wait_for("replayed", 1)
    assert sink.texts == ["left behind"]


def test_close_when_called_then_the_last_lines_are_delivered_and_the_sink_closed(
    build: Build, sink: ScriptedSink, log: logging.Logger
) -> None:
    handler = build(batch_delay_seconds=600.0)
    log.info("last")
    handler.close()
    handler.close()
    assert (sink.texts, sink.closed) == (["last"], True)


def test_log_when_the_handler_is_closed_then_the_line_is_counted_as_lost(
    build: Build, observer: CountingObserver, log: logging.Logger
) -> None:
    build().close()
    log.info("late")
    assert observer.counts["dropped:queue_full"] == 1


def test_log_when_a_filter_says_no_then_nothing_is_queued(build: Build, log: logging.Logger) -> None:
    handler = build(started=False)
    handler.addFilter(lambda record: "noise" not in record.msg)
    log.info("noise")
    log.info("signal")
    assert handler.queue_length == 1


# With a Loki


@pytest.fixture
def loki() -> Iterator[FakeLoki]:
    with running_loki() as loki:
        yield loki


def sink_for(loki: FakeLoki) -> LokiSink:
    return LokiSink(loki.url, {"service_name": "t", "env": "local"}, clock=SystemClock(), read_timeout_seconds=0.2)


@pytest.mark.parametrize("failure", [429, 503, "hang", "reset"])
def test_deliver_when_loki_fails_for_a_while_then_none_of_8000_lines_is_lost(
    build: Build, loki: FakeLoki, observer: CountingObserver, log: logging.Logger, failure: Answer
) -> None:
    loki.answer = failure
    handler = build(sink=sink_for(loki))
    for number in range(8_000):
        log.info("line-%d", number)
    assert loki.wait_until(lambda loki: len(loki.bodies) >= 2)
    loki.answer = 204
    loki.release()
    assert handler.flush(20)
    assert observer.wait_for("delivered:loki", 8_000)
    assert {f"line-{number}" for number in range(8_000)} <= set(loki.texts)
    assert not [name for name in observer.counts if name.startswith("dropped")]


def test_deliver_when_nobody_listens_then_lines_are_spooled(
    build: Build, observer: CountingObserver, log: logging.Logger, free_port: Callable[[], int]
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    handler = build(sink=LokiSink(url, {}, clock=SystemClock()))
    log.info("early")
    assert handler.flush()
    assert observer.counts["spooled"] == 1


def test_log_when_the_http_client_logs_at_debug_then_its_lines_are_not_queued(
    build: Build, loki: FakeLoki, observer: CountingObserver
) -> None:
    handler = build(sink=sink_for(loki))
    client_log = logging.getLogger("urllib3")
    level = client_log.level
    client_log.addHandler(handler)
    client_log.setLevel(logging.DEBUG)
    try:
        logging.getLogger("urllib3.test").debug("mine")
        assert handler.flush()
        assert loki.wait_until(lambda loki: len(loki.lines) == 1)
        assert handler.flush()
    finally:
        client_log.removeHandler(handler)
        client_log.setLevel(level)
    assert (loki.texts, handler.queue_length, observer.counts["accepted"]) == (["mine"], 0, 1)


def test_log_when_secrets_are_logged_then_they_are_nowhere(
    build: Build, sink: ScriptedSink, log: logging.Logger, tmp_path: Path
) -> None:
    secret = "".join(("hunter", "2", "x" * 8))
    sink.outcome = Outcome.RETRY
    handler = build(started=False)
    log.info("password=%s", secret, extra={"token": secret, "request": {"headers": {"Authorization": secret}}})
    try:
        refuse(f"Authorization: Bearer {secret}")
    except ValueError:
        log.exception("failed with client_secret: %s", secret, stack_info=True)
    queued = repr([entry for queue in handler._buffer._queues for entry in queue])
    handler.start()
    assert handler.flush()
    spooled = spool_bytes(tmp_path).decode()
    assert queued.count("[redacted]") == spooled.count("[redacted]") >= 5
    assert secret not in queued + spooled + repr(sink.batches)
