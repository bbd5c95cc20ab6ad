"""Services as processes: what is told when they cannot start, and that nothing is lost when they stop."""

import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess

import httpx
import pytest

from telemetry.query.open import ReadersOptions, open_readers
from telemetry.query.ports import LogQuery
from tests.kit.child_service import has_begun
from tests.kit.running import Home, run_to_end, started

HELLO = "examples.hello_service"
CHILD = "tests.kit.child_service"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def child_home(tmp_path: Path) -> Home:
    return Home(tmp_path, "child")


def told(ended: CompletedProcess[str]) -> str:
    assert "Traceback" not in ended.stderr
    assert "canary" not in ended.stderr
    return ended.stderr


def test_run_when_settings_are_wrong_then_every_problem_has_a_line_and_the_status_is_78(home: Home) -> None:
    environ = home.environ | {"SIGHTLINE_LOKI_ULR": "canary", "SIGHTLINE_LOG_LEVEL": "canary"}
    ended = run_to_end(HELLO, environ)
    assert ended.returncode == 78
    lines = told(ended).splitlines()
    assert lines[0] == "hello: The settings are not valid"
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["SIGHTLINE_LOKI_ULR", "SIGHTLINE_LOG_LEVEL"]


def test_run_when_the_port_is_in_use_then_port_and_remedy_are_named_and_the_status_says_later(home: Home) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ended = run_to_end(HELLO, home.environ | {"SIGHTLINE_PORT": str(port)})
    assert ended.returncode == 75
    assert f"Port {port} of 127.0.0.1 is in use" in told(ended)
    assert "SIGHTLINE_PORT_OFFSET" in ended.stderr


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("SIGHTLINE_HOST", "no.such.host.invalid", "no.such.host.invalid is no address of this machine"),
        ("SIGHTLINE_HOST", "192.0.2.1", "192.0.2.1 cannot be listened on"),
        ("SIGHTLINE_DATA_DIR", "/dev/null/var", "set SIGHTLINE_DATA_DIR"),
        ("SIGHTLINE_CALLERS_FILE", "/nowhere/callers.json", "/nowhere/callers.json does not exist"),
        ("SIGHTLINE_DATABASE_URL", "sqlite:////dev/null/hello.db", "database"),
    ],
)
def test_run_when_something_is_not_there_then_it_is_told_in_words(
    home: Home, variable: str, value: str, words: str
) -> None:
    ended = run_to_end(HELLO, home.environ | {variable: value})
    assert ended.returncode in {75, 78}
    assert words in told(ended)


def test_run_when_a_secret_is_open_to_others_then_the_remedy_is_told(home: Home) -> None:
    key = home.secrets_dir / "identity" / "hello.pem"
    key.chmod(0o644)
    ended = run_to_end(HELLO, home.environ)
    assert ended.returncode == 78
    assert f"chmod 600 {key}" in told(ended)


def test_run_when_told_to_stop_then_every_line_and_span_is_delivered(child_home: Home) -> None:
    with started(CHILD, child_home.environ) as running:
        response = httpx.get(f"{running.url}/many-lines", auth=child_home.signed())
        trace_id = response.headers["x-trace-id"]
        status = running.stop()
    assert (response.status_code, status) == (200, -signal.SIGTERM)
    readers = open_readers(ReadersOptions(embedded_path=child_home.embedded_path))
    now = datetime.now(UTC)
    query = LogQuery(start=now - timedelta(minutes=5), end=now + timedelta(minutes=5), trace_id=trace_id, limit=5000)
    lines = readers.logs.search(query)
    trace = readers.traces.trace(trace_id)
    readers.close()
    assert sum(line.line.endswith("of many") for line in lines) == 2000
    assert trace is not None
    assert [span.name for span in trace.spans] == ["GET /many-lines"]


def test_run_when_told_to_stop_then_a_request_under_way_may_end(child_home: Home) -> None:
    with started(CHILD, child_home.environ) as running, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(httpx.get, f"{running.url}/slow", auth=child_home.signed())
        deadline = time.monotonic() + 10
        while not has_begun(child_home.directory):
            assert time.monotonic() < deadline
        running.stop()
        assert answer.result(10).json() == {"whole": True}


def test_run_when_interrupted_at_the_keyboard_then_no_traceback_is_shown(home: Home) -> None:
    with started(HELLO, home.environ) as running:
        status = running.stop(signal.SIGINT)
    assert status == 130
    assert "Traceback" not in running.told


def test_run_when_started_anew_then_limits_and_spent_tokens_are_remembered(child_home: Home) -> None:
    token = child_home.signed().signer.headers("GET", "/limited", b"", audience="child")
    with started(CHILD, child_home.environ) as running:
        first = httpx.get(f"{running.url}/limited", headers=token)
        second = httpx.get(f"{running.url}/limited", auth=child_home.signed())
        running.stop()
    with started(CHILD, child_home.environ) as running:
        replayed = httpx.get(f"{running.url}/limited", headers=token)
        limited = httpx.get(f"{running.url}/limited", auth=child_home.signed())
    assert (first.status_code, second.status_code) == (200, 200)
    assert (replayed.status_code, replayed.json()["code"]) == (401, "token_replayed")
    assert (limited.status_code, limited.json()["code"]) == (429, "rate_limited")


def test_server_when_sent_too_much_in_chunks_then_it_answers_413_and_goes_on(child_home: Home) -> None:
    with started(CHILD, child_home.environ | {"SIGHTLINE_MAX_BODY_BYTES": "1024"}) as running:
        signer = child_home.signed().signer
        headers = signer.headers("GET", "/limited", b"x" * 4000, audience="child")
        parts = iter([b"x" * 1000] * 4)
        refused = httpx.request("GET", f"{running.url}/limited", content=parts, headers=headers)
        announced = httpx.request("GET", f"{running.url}/healthz", content=b"x" * 4000)
        alive = httpx.get(f"{running.url}/healthz")
        metrics = httpx.get(f"{running.url}/metrics").text
    assert (refused.status_code, announced.status_code, alive.status_code) == (413, 413, 200)
    assert refused.headers["content-type"] == "application/problem+json"
    assert 'sightline_request_refusals_total{reason="body_too_large"} 2.0' in metrics
