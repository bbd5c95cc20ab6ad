"""What a reader says when its backend is away, slow, wrong or unwilling."""

import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from telemetry.query.errors import (
    BackendAwayError,
    InvalidQueryError,
    QueryError,
    QueryTimeoutError,
    RefusedQueryError,
)
from telemetry.query.loki import LokiReader
from telemetry.query.open import NoBackendError, Readers, ReadersOptions, open_readers
from telemetry.query.ports import LogQuery, SeriesQuery, TraceQuery
from telemetry.sinks.embedded import EmbeddedStore
from tests.fakes.json_server import Answer, JsonServer
from tests.telemetry.query_backs import TRACE, StoppedClock, at, entry

Ask = Callable[[Readers], object]


def _ask_loki(readers: Readers) -> object:
    return readers.logs.search(LogQuery(start=at(0), end=at(1)))


def _ask_tempo(readers: Readers) -> object:
    return readers.traces.search(TraceQuery(start=at(0), end=at(1)))


def _ask_tempo_for_one(readers: Readers) -> object:
    return readers.traces.trace(TRACE)


def _ask_prometheus(readers: Readers) -> object:
    return readers.metrics.series(SeriesQuery(metric="up", start=at(0), end=at(1), step_seconds=1))


EVERY = [_ask_loki, _ask_tempo, _ask_tempo_for_one, _ask_prometheus]


def _readers(url: str, timeout_seconds: float = 5) -> Readers:
    return open_readers(
        ReadersOptions(loki_url=url, tempo_url=url, prometheus_url=url, timeout_seconds=timeout_seconds)
    )


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("ask", EVERY)
def test_ask_when_nobody_listens_then_error_names_backend_and_address(ask: Ask, free_port: Callable[[], int]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    readers = _readers(url)
    with pytest.raises(BackendAwayError, match=f"at {url} cannot be reached"):
        ask(readers)
    readers.close()


@pytest.mark.parametrize("ask", EVERY)
def test_ask_when_backend_is_silent_then_it_gives_up_in_time(ask: Ask, silent_url: str) -> None:
    readers = _readers(silent_url, timeout_seconds=0.1)
    with pytest.raises(QueryTimeoutError, match=r"within 0\.1 s"):
        ask(readers)
    readers.close()


@pytest.mark.parametrize("ask", EVERY)
@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (Answer(400, b"parse error at line 1", "text/plain"), RefusedQueryError, "parse error at line 1"),
        (Answer(422, b'{"status":"error","error":"too many samples"}'), RefusedQueryError, "too many samples"),
        (Answer(401, b""), RefusedQueryError, "401"),
        (Answer(429, b"slow down", "text/plain"), BackendAwayError, "slow down"),
        (Answer(500, b"internal error", "text/plain"), BackendAwayError, "internal error"),
        (
            Answer(503, b'{"status":"error","errorType":"timeout","error":"query timed out"}'),
            QueryTimeoutError,
            "timed",
        ),
        (Answer(504, b"context deadline exceeded", "text/plain"), QueryTimeoutError, "deadline"),
        (Answer(302, b""), BackendAwayError, "302"),
        (Answer(200, b"<html>Log in</html>", "text/html"), BackendAwayError, "is the address right"),
        (Answer(200, b"[1, 2]"), BackendAwayError, "is the address right"),
        (
            Answer(200, b'{"data": {"result": 5}, "traces": 5, "trace": {"resourceSpans": 5}}'),
            BackendAwayError,
            "right",
        ),
    ],
)
def test_ask_when_backend_answers_badly_then_error_says_what_it_said(
    ask: Ask, answer: Answer, kind: type[QueryError], words: str
) -> None:
    with JsonServer(lambda _: answer) as server:
        readers = _readers(server.url)
        with pytest.raises(kind, match=words):
            ask(readers)
        readers.close()


def test_ask_when_answer_is_too_big_then_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.query.backend.MAX_ANSWER_BYTES", 1_000)
    with JsonServer(lambda _: Answer(200, b" " * 5_000)) as server:
        readers = _readers(server.url)
        with pytest.raises(RefusedQueryError, match="smaller window"):
            _ask_loki(readers)
        readers.close()


def test_ask_when_address_has_a_path_then_it_is_kept() -> None:
    with JsonServer(lambda _: Answer(200, b'{"data": {"result": []}}')) as server:
        reader = LokiReader(f"{server.url}/logs/")
        reader.search(LogQuery(start=at(0), end=at(1)))
        reader.close()

    assert server.asked[0].path == "/logs/loki/api/v1/query_range"


def test_ask_when_embedded_search_takes_too_long_then_it_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    sink = EmbeddedStore(path, service_name="console", env="test", clock=StoppedClock()).log_sink()
    sink.send([entry(number / 1_000, f"line {number}") for number in range(20_000)])
    sink.close()
    readers = open_readers(ReadersOptions(embedded_path=path, timeout_seconds=0))
    with pytest.raises(QueryTimeoutError, match="smaller window"):
        readers.logs.search(LogQuery(start=at(0), end=at(60), text="zz"))
    readers.close()


def test_ask_when_embedded_file_is_damaged_then_error_says_so(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    path.write_bytes(b"no database at all, but of some length" * 100)
    readers = open_readers(ReadersOptions(embedded_path=path))
    with pytest.raises(BackendAwayError, match="not a database"):
        readers.traces.trace(TRACE)
    readers.close()


def test_ask_when_many_threads_ask_at_once_then_each_gets_its_answer(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    sink = EmbeddedStore(path, service_name="console", env="test", clock=StoppedClock()).log_sink()
    sink.send([entry(number, f"line {number}") for number in range(100)])
    sink.close()
    readers = open_readers(ReadersOptions(embedded_path=path))
    found: list[int] = []

    def ask() -> None:
        found.extend(len(readers.logs.search(LogQuery(start=at(0), end=at(3_600)))) for _ in range(10))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    readers.close()

    assert found == [100] * 80


def test_ask_when_reader_holds_the_file_then_it_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    sink = EmbeddedStore(path, service_name="console", env="test", clock=StoppedClock()).log_sink()
    sink.send([entry(1, "x")])
    sink.close()
    readers = open_readers(ReadersOptions(embedded_path=path))
    readers.logs.search(LogQuery(start=at(0), end=at(3_600)))
    _, connection = readers.logs._pool._idle.get_nowait()  # type: ignore[attr-defined]
    with closing(connection), pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM logs")
    readers.close()


def test_open_when_a_signal_has_an_address_then_it_is_asked_there(tmp_path: Path) -> None:
    readers = open_readers(
        ReadersOptions(prometheus_url="http://127.0.0.1:9090", embedded_path=tmp_path / "telemetry.db")
    )
    kinds = [type(reader).__name__ for reader in (readers.logs, readers.traces, readers.metrics)]
    readers.close()

    assert kinds == ["EmbeddedLogReader", "EmbeddedTraceReader", "PrometheusReader"]


def test_open_when_a_signal_has_no_source_then_error_names_it() -> None:
    with pytest.raises(NoBackendError, match="nowhere to read traces from: give Tempo's address"):
        open_readers(ReadersOptions(loki_url="http://127.0.0.1:3100"))


def test_query_when_words_are_foreign_then_it_is_an_error_of_the_query_family() -> None:
    with pytest.raises(QueryError) as raised:
        LogQuery(start=at(1), end=at(1))

    assert isinstance(raised.value, InvalidQueryError)
