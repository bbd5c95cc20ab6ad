"""What happens to log lines when a process forks, is told to stop or is killed."""

import json
import logging
import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from telemetry.emit.audit import AuditJournal
from telemetry.emit.clock import SystemClock
from telemetry.emit.logs import BatchingHandler
from telemetry.emit.redaction import Redactor
from telemetry.records import LogEntry, Outcome
from telemetry.sinks.loki import LokiSink
from telemetry.sinks.spool import Spool
from tests.fakes.logs import CountingObserver, ScriptedSink
from tests.fakes.loki import FakeLoki, running_loki

# Every child begins with a started handler on the root logger.
_PREAMBLE = """
import asyncio, logging, os, signal, sys, time
from contextlib import asynccontextmanager
from pathlib import Path
from telemetry.emit.audit import AuditJournal
from telemetry.emit.clock import SystemClock
from telemetry.emit.logs import BatchingHandler
from telemetry.emit.redaction import Redactor
from telemetry.sinks.loki import LokiSink
from telemetry.sinks.spool import Spool
from tests.fakes.logs import CountingObserver

url, directory = sys.argv[1], Path(sys.argv[2])
delay_seconds = float(sys.argv[3])
clock = SystemClock()
handler = BatchingHandler(
    sink=LokiSink(url, {"service_name": "child", "env": "local"}, clock=clock, read_timeout_seconds=0.3),
    spool=Spool(directory / "spool", clock=clock),
    redactor=Redactor(),
    observer=CountingObserver(),
    batch_delay_seconds=delay_seconds,
    audit_journal=AuditJournal(directory / "audit.jsonl"),
)
handler.start()
logging.getLogger().addHandler(handler)
logging.getLogger().setLevel(logging.INFO)
log = logging.getLogger("child")
"""


@pytest.fixture
def loki() -> Iterator[FakeLoki]:
    with running_loki() as loki:
        yield loki


def start_child(program: str, loki: FakeLoki, directory: Path, delay_seconds: float = 0.05) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 -- our own program
        [sys.executable, "-c", _PREAMBLE + textwrap.dedent(program), loki.url, str(directory), str(delay_seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )


def run_child(program: str, loki: FakeLoki, directory: Path, delay_seconds: float = 0.05) -> int:
    with start_child(program, loki, directory, delay_seconds) as child:
        return child.wait(60)


@pytest.fixture
def successor(tmp_path: Path, loki: FakeLoki) -> Iterator[BatchingHandler]:
    """The next process of the same service, not started yet."""
    handler = BatchingHandler(
        sink=LokiSink(loki.url, {"service_name": "child", "env": "local"}, clock=SystemClock()),
        spool=Spool(tmp_path / "spool", clock=SystemClock()),
        redactor=Redactor(),
        observer=CountingObserver(),
        batch_delay_seconds=0.02,
        audit_journal=AuditJournal(tmp_path / "audit.jsonl"),
    )
    yield handler
    handler.close()


def test_exit_when_the_program_ends_then_logging_shuts_down_with_every_line_delivered(
    loki: FakeLoki, tmp_path: Path
) -> None:
    status = run_child("for n in range(300): log.info('line-%d', n)", loki, tmp_path, delay_seconds=600)
    assert (status, sorted(loki.texts)) == (0, sorted(f"line-{number}" for number in range(300)))


def test_sigterm_when_a_server_closes_the_handler_in_its_lifespan_then_none_of_8000_lines_is_lost(
    loki: FakeLoki, tmp_path: Path
) -> None:
    program = """
        import uvicorn

        async def serve_request(scope, receive, send):
            if scope["type"] == "lifespan":
                await receive()
                await send({"type": "lifespan.startup.complete"})
                for number in range(8000):
                    log.info("line-%d", number)
                print("logged", flush=True)
                await receive()
                log.info("last")
                handler.close()
                await send({"type": "lifespan.shutdown.complete"})

        uvicorn.Server(uvicorn.Config(serve_request, host="127.0.0.1", port=0, log_config=None, lifespan="on")).run()
    """
    with start_child(program, loki, tmp_path, delay_seconds=600) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "logged\n"
        child.terminate()
        child.wait(60)
    assert {f"line-{number}" for number in range(8_000)} | {"last"} <= set(loki.texts)


def test_kill_when_lines_were_spooled_then_the_next_process_delivers_them(
    loki: FakeLoki, tmp_path: Path, successor: BatchingHandler
) -> None:
    loki.answer = 503
    program = """
        for number in range(100):
            log.info("line-%d", number)
        handler.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert run_child(program, loki, tmp_path) == -signal.SIGKILL
    assert loki.texts == []
    loki.answer = 204
    successor.start()
    assert loki.wait_until(lambda loki: len(loki.lines) == 100)
    assert loki.texts == [f"line-{number}" for number in range(100)]


def test_kill_when_audit_lines_were_only_queued_then_the_next_process_delivers_them_once(
    loki: FakeLoki, tmp_path: Path, successor: BatchingHandler
) -> None:
    program = """
        for number in range(50):
            logging.getLogger("audit.approvals").info("approved-%d password=hunter2", number)
            log.info("line-%d", number)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert run_child(program, loki, tmp_path, delay_seconds=600) == -signal.SIGKILL
    journal = tmp_path / "audit.jsonl"
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    assert b"hunter2" not in journal.read_bytes()
    successor.start()
    assert loki.wait_until(lambda loki: len(loki.lines) >= 50)
    assert successor.flush()
    assert sorted(loki.texts) == sorted(f"approved-{number} password=[redacted]" for number in range(50))
    assert journal.read_bytes() == b""


def test_kill_when_audit_lines_are_in_journal_and_spool_then_they_are_delivered_once(
    loki: FakeLoki, tmp_path: Path, successor: BatchingHandler
) -> None:
    loki.answer = 503
    program = """
        logging.getLogger("audit.approvals").info("approved")
        lines = (directory / "audit.jsonl").read_bytes()
        handler.flush()
        (directory / "audit.jsonl").write_bytes(lines)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert run_child(program, loki, tmp_path) == -signal.SIGKILL
    loki.answer = 204
    successor.start()
    assert loki.wait_until(lambda loki: bool(loki.lines))
    assert successor.flush()
    assert loki.texts == ["approved"]


def test_fork_when_both_go_on_then_every_line_arrives_once(loki: FakeLoki, tmp_path: Path) -> None:
    program = """
        log.info("before")
        pid = os.fork()
        who = "child" if pid == 0 else "parent"
        log.info(who)
        logging.getLogger("audit.fork").info("audit-" + who)
        if pid == 0:
            done = handler.flush()
            handler.close()
            os._exit(0 if done else 1)
        sys.exit(os.waitpid(pid, 0)[1])
    """
    assert run_child(program, loki, tmp_path, delay_seconds=600) == 0
    assert sorted(loki.texts) == ["audit-child", "audit-parent", "before", "child", "parent"]


def test_fork_when_both_spool_then_each_has_a_directory_of_its_own(loki: FakeLoki, tmp_path: Path) -> None:
    loki.answer = 503
    program = """
        log.info("parent")
        handler.flush()
        pid = os.fork()
        if pid == 0:
            log.info("child")
            handler.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert run_child(program, loki, tmp_path) == -signal.SIGKILL
    batches = list((tmp_path / "spool").rglob("*.batch"))
    assert len({path.parent for path in batches}) == len(batches) == 2


def test_fork_when_the_child_settles_its_audit_lines_then_the_parents_stay(loki: FakeLoki, tmp_path: Path) -> None:
    program = """
        logging.getLogger("audit.fork").info("parent")
        pid = os.fork()
        if pid == 0:
            logging.getLogger("audit.fork").info("child")
            done = handler.flush()
            os._exit(0 if done else 1)
        os.waitpid(pid, 0)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert run_child(program, loki, tmp_path, delay_seconds=600) == -signal.SIGKILL
    (line,) = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert (json.loads(line)[3], loki.texts) == ("parent", ["child"])


def audit_entry(number: int) -> LogEntry:
    return LogEntry(number, "info", "audit.approvals", f"approved-{number}", "", "", (("by", "me"),))


def test_journal_when_everything_is_settled_then_it_is_empty(tmp_path: Path) -> None:
    journal = AuditJournal(tmp_path / "audit.jsonl")
    journal.open()
    for number in range(3):
        journal.append(audit_entry(number))
    journal.settle([audit_entry(0)])
    assert len((tmp_path / "audit.jsonl").read_text().splitlines()) == 3
    journal.settle([audit_entry(1), audit_entry(2)])
    assert (tmp_path / "audit.jsonl").read_bytes() == b""
    journal.close()


def test_journal_when_the_logger_is_not_audit_then_nothing_is_written(tmp_path: Path) -> None:
    journal = AuditJournal(tmp_path / "audit.jsonl")
    journal.open()
    journal.append(audit_entry(1)._replace(logger="auditors"))
    assert (tmp_path / "audit.jsonl").read_bytes() == b""
    journal.close()


def test_journal_when_its_last_line_is_half_written_then_the_others_are_recovered(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_text("".join(json.dumps(audit_entry(number)) + "\n" for number in range(3))[:-9])
    journal = AuditJournal(path)
    assert journal.open() == [audit_entry(0), audit_entry(1)]
    journal.close()


def test_journal_when_another_process_holds_the_file_then_an_own_one_is_used(tmp_path: Path) -> None:
    first, second = AuditJournal(tmp_path / "audit.jsonl"), AuditJournal(tmp_path / "audit.jsonl")
    first.open()
    first.append(audit_entry(1))
    assert second.open() == []
    second.append(audit_entry(2))
    assert (tmp_path / f"audit.jsonl.{os.getpid()}").exists()
    first.close()
    second.close()
    third = AuditJournal(tmp_path / "audit.jsonl")
    assert third.open() == [audit_entry(1), audit_entry(2)]
    third.close()


def test_deliver_when_the_sink_takes_audit_lines_then_the_journal_is_emptied(tmp_path: Path) -> None:
    sink = ScriptedSink()
    handler = BatchingHandler(
        sink=sink,
        spool=Spool(tmp_path / "spool", clock=SystemClock()),
        redactor=Redactor(),
        observer=CountingObserver(),
        audit_journal=AuditJournal(tmp_path / "audit.jsonl"),
    )
    handler.start()
    handler.handle(logging.makeLogRecord({"name": "audit.approvals", "levelno": 20, "msg": "approved"}))
    assert (tmp_path / "audit.jsonl").read_bytes() != b""
    assert handler.flush()
    assert (sink.texts, (tmp_path / "audit.jsonl").read_bytes()) == (["approved"], b"")
    handler.close()


class PeekingSink(ScriptedSink):
    """Looks at a file whenever it is given a batch."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self.seen: dict[str, str] = {}

    def send(self, entries: Sequence[LogEntry]) -> Outcome:
        outcome = super().send(entries)
        self.seen[entries[-1].line] = self._path.read_text()
        return outcome


def test_replay_when_it_is_rejected_then_lines_logged_meanwhile_stay_in_the_journal(tmp_path: Path) -> None:
    sink = PeekingSink(tmp_path / "audit.jsonl")
    observer = CountingObserver()
    handler = BatchingHandler(
        sink=sink,
        spool=Spool(tmp_path / "spool", clock=SystemClock()),
        redactor=Redactor(),
        observer=observer,
        batch_delay_seconds=0.01,
        audit_journal=AuditJournal(tmp_path / "audit.jsonl"),
        ratio=lambda: 0.2,
    )
    handler.start()
    sink.script.append(Outcome.RETRY)
    handler.handle(logging.makeLogRecord({"name": "audit.approvals", "levelno": 20, "msg": "first"}))
    assert observer.wait_for("spooled", 1)
    sink.script.append(Outcome.REJECTED)
    sink.gate.clear()
    assert sink.blocked.wait(10)
    handler.handle(logging.makeLogRecord({"name": "audit.approvals", "levelno": 20, "msg": "second"}))
    sink.gate.set()
    assert sink.wait_until(lambda sink: sink.texts == ["second"])
    assert handler.flush()
    assert '"second"' in sink.seen["second"]
    assert (tmp_path / "audit.jsonl").read_text() == ""
    handler.close()
