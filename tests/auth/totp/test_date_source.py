"""Asking servers for the time: real HTTP on loopback."""

import threading
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from services.auth.totp.clock_offset import ClockStatus, estimate
from services.auth.totp.date_source import HttpDates
from services.kit.clock import SystemClock


class _Handler(BaseHTTPRequestHandler):
    """/ahead/N is N seconds ahead; the other paths answer in their own ways."""

    def do_HEAD(self) -> None:
        kind, _, value = self.path.strip("/").partition("/")
        now = SystemClock().now().timestamp()
        self.send_response_only(404 if kind == "missing" else 302 if kind == "moved" else 200)
        if kind != "dateless":
            self.send_header("date", value if kind == "nonsense" else formatdate(now + float(value or 0), usegmt=True))
        if kind == "cached":
            self.send_header("age", "7")
        if kind == "moved":
            self.send_header("location", "/ahead/5000")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def _dates(*urls: str) -> HttpDates:
    return HttpDates(httpx.Client(), urls, SystemClock())


@pytest.mark.parametrize(
    ("ahead", "status"),
    [(0, ClockStatus.OK), (8, ClockStatus.WARN), (-8, ClockStatus.WARN), (60, ClockStatus.FAIL)],
)
def test_offset_when_servers_answer_then_it_is_theirs(url: str, ahead: int, status: ClockStatus) -> None:
    found = estimate(_dates(*[f"{url}/ahead/{ahead}"] * 3).samples())
    assert found.status is status
    assert found.low - 1 <= ahead <= found.high + 1


def test_answer_when_it_is_an_error_or_a_redirect_then_its_date_counts_all_the_same(url: str) -> None:
    found = estimate(_dates(f"{url}/missing/8", f"{url}/moved/8").samples())
    assert (found.answers, found.agreeing, found.status) == (2, 2, ClockStatus.WARN)


@pytest.mark.parametrize(
    "path", ["cached/100", "dateless", "nonsense/yesterday", "nonsense/Mon, 99 Foo 9999 99:99:99 GMT"]
)
def test_answer_when_it_tells_no_present_time_then_it_is_left_out(url: str, path: str) -> None:
    assert _dates(f"{url}/{path}").samples() == []


def test_server_when_away_then_it_is_left_out(url: str) -> None:
    assert len(_dates("http://127.0.0.1:1", f"{url}/ahead/0").samples()) == 1
