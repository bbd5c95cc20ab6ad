import io
import json
import logging

import pytest

from telemetry.emit.console import ConsoleKind, console_handler
from telemetry.emit.redaction import Redactor

TRACE = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


def printed(kind: ConsoleKind, span: tuple[str, str] = TRACE, **attributes: object) -> str:
    stream = io.StringIO()
    handler = console_handler(kind, Redactor(), service_name="trading", current_span=lambda: span, stream=stream)
    record = {
        "name": "orders.store",
        "levelno": 30,
        "msg": "order %s late",
        "args": ("o-1",),
        "created": 1_770_000_000.5,
    }
    handler.handle(logging.makeLogRecord(record | attributes))
    return stream.getvalue()


def test_print_when_text_then_one_line_tells_all() -> None:
    assert printed("text", broker="alpaca", note="two words") == (
        "2026-02-02T02:40:00.500Z WARNING  trading orders.store: order o-1 late "
        'broker=alpaca note="two words" trace=0af76519\n'
    )


def test_print_when_outside_a_span_then_no_trace_is_named() -> None:
    assert "trace=" not in printed("text", span=("", ""))


def test_print_when_json_then_it_is_one_object() -> None:
    content = json.loads(printed("json", broker="alpaca"))
    assert content == {
        "time": "2026-02-02T02:40:00.500000+00:00",
        "level": "warning",
        "service_name": "trading",
        "logger": "orders.store",
        "message": "order o-1 late",
        "trace_id": TRACE[0],
        "span_id": TRACE[1],
        "fields": {"broker": "alpaca"},
    }


@pytest.mark.parametrize("kind", ["text", "json"])
def test_print_when_a_secret_is_logged_then_it_is_not_shown(kind: ConsoleKind) -> None:
    text = printed(kind, msg="password=%s", args=("hunter2",), token="hunter2", exc_text="ValueError: pwd=hunter2")
    assert "hunter2" not in text
    assert text.count("[redacted]") == 3


def test_print_when_a_message_breaks_the_line_then_it_cannot_forge_another() -> None:
    text = printed("text", msg="late\n2026 INFO forged", args=(), note="a\x1b[31m\nb")
    lines = text.splitlines()
    assert [line for line in lines if not line.startswith(("2026-02-02", "    "))] == []
    assert "\x1b" not in text


def test_print_when_a_traceback_follows_then_it_is_indented() -> None:
    lines = printed("text", exc_text="Traceback\n  File x").splitlines()
    assert lines[1:] == ["    Traceback", "      File x"]


def test_print_when_the_stream_is_closed_then_logging_goes_on() -> None:
    stream = io.StringIO()
    handler = console_handler("text", Redactor(), service_name="trading", stream=stream)
    stream.close()
    handler.handle(logging.makeLogRecord({"msg": "late", "levelno": 20}))
    assert handler.level > logging.CRITICAL


def test_print_when_another_handler_came_first_then_redactions_are_counted_once() -> None:
    seen: list[str] = []
    redactor = Redactor(seen.append)
    record = logging.makeLogRecord({"msg": "password=x", "levelno": 20})
    for _ in range(2):
        console_handler("text", redactor, service_name="trading", stream=io.StringIO()).handle(record)
    assert seen == ["key_value"]
