"""Heads of the audit trail are read back from the logs: those from before the start once, later ones each time."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import httpx
import pytest
from opentelemetry import trace

from services.auth.anchoring import anchor_of
from services.auth.logged_anchors import KEPT, LATELY, LoggedAnchors
from services.auth.vault.audit import AuditHead
from services.clients.console import ConsoleClient
from services.kit.http_client import RemoteUnavailableError, ServiceClient
from telemetry.emit.metrics import Metrics
from tests.fakes.clock import FakeClock

SECONDS = 20.0


class _NoTime:
    def time_ns(self) -> int:
        return 0


Sequences = Callable[[datetime, datetime], Sequence[int]]


class Log:
    """A console whose lines are anchors; the first `away` questions are not answered."""

    def __init__(self, clock: FakeClock, sequences: Sequences = lambda _start, _end: (), away: int = 0) -> None:
        self.clock = clock
        self.away = away
        self.asked: list[httpx.QueryParams] = []
        self.answered = asyncio.Event()
        self._sequences = sequences

    def anchors(self) -> LoggedAnchors:
        client = ServiceClient(
            "http://console",
            "console",
            signer=None,
            metrics=Metrics(_NoTime()),
            tracer=trace.NoOpTracerProvider().get_tracer("test"),
            transport=httpx.MockTransport(self._answer),
        )
        return LoggedAnchors(ConsoleClient(client), self.clock)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.params)
        if len(self.asked) <= self.away:
            return httpx.Response(503)
        self.answered.set()
        window = [datetime.fromisoformat(request.url.params[name]) for name in ("start", "end")]
        lines = [self._line(sequence) for sequence in self._sequences(window[0], window[1])]
        return httpx.Response(200, content=json.dumps({"lines": lines, "truncated": False}))

    def _line(self, sequence: int) -> dict[str, object]:
        fields = {"sequence": str(sequence), "mac": f"mac {sequence}", "seal": "a seal"}
        told = {"level": "info", "logger": "audit.auth", "line": f"audit head {sequence} is ...", "fields": fields}
        return {"time": self.clock.now().isoformat(), "service_name": "auth", **told}


def numbers(log: LoggedAnchors) -> list[int]:
    return [anchor.head.sequence for anchor in asyncio.run(log.read())]


def test_anchors_when_read_then_those_before_the_start_are_asked_for_once_and_later_ones_each_time(
    clock: FakeClock,
) -> None:
    started_at = clock.now()
    log = Log(clock, lambda start, end: [7] if (start, end) == (started_at - KEPT, started_at) else [8, 8])
    anchors = log.anchors()
    clock.advance(60)
    assert [numbers(anchors), numbers(anchors)] == [[7, 8], [7, 8]]
    windows = [datetime.fromisoformat(asked["start"]) for asked in log.asked]
    assert windows.count(started_at - KEPT) == 1
    assert windows.count(clock.now() - LATELY) == 2
    assert {(asked["service"], asked["logger"], asked["text"]) for asked in log.asked} == {
        ("auth", "audit.auth", "audit head ")
    }


def test_anchors_when_the_console_is_away_then_reading_fails_and_nothing_is_known(clock: FakeClock) -> None:
    anchors = Log(clock, away=99).anchors()
    with pytest.raises(RemoteUnavailableError):
        asyncio.run(anchors.read())
    assert anchors.known == ()


def test_anchors_when_the_console_comes_back_then_those_before_the_start_are_read_by_themselves(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.auth.logged_anchors._AGAIN_SECONDS", 0.01)
    log = Log(clock, lambda _start, _end: [5], away=3)
    anchors = log.anchors()

    async def wait() -> None:
        async with anchors.reading_back(), asyncio.timeout(SECONDS):
            await log.answered.wait()

    asyncio.run(wait())
    assert [anchor.head for anchor in anchors.known] == [AuditHead(5, "mac 5")]


@pytest.mark.parametrize(
    "changed", [{"sequence": "no number"}, {"sequence": "٣"}, {"sequence": "9" * 19}, {"mac": ""}, {"seal": ""}]
)
def test_line_when_it_is_no_whole_anchor_then_it_is_none(changed: dict[str, str]) -> None:
    fields = {"sequence": "3", "mac": "m", "seal": "s"}
    at = FakeClock().now()
    assert anchor_of(fields, at) is not None
    assert anchor_of({**fields, **changed}, at) is None


def test_logs_when_asked_for_anchors_then_the_window_is_one_that_the_log_store_takes() -> None:
    assert timedelta(days=30) >= KEPT + timedelta(hours=1)
