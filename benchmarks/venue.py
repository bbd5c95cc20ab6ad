"""How fast the paper venue takes orders, each stored before it is answered."""

import http.client
import json
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.harness import markdown_table, python_child

RATE = 300  # submits a second that the venue must keep up with on one core
WANTED_MS = 3.0
_SECRET_LENGTH = 24


@contextmanager
def _venue() -> Iterator[tuple[http.client.HTTPConnection, dict[str, str]]]:
    key, secret = "PKBENCH", secrets.token_urlsafe(_SECRET_LENGTH)
    with (
        tempfile.TemporaryDirectory(prefix="sightline-venue-") as directory,
        python_child("benchmarks.venue_server", directory, key, secret) as child,
    ):
        assert child.stdout is not None
        connection = http.client.HTTPConnection("127.0.0.1", int(child.stdout.readline()), timeout=30)
        headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret, "content-type": "application/json"}
        yield connection, headers
        connection.close()


def _submits(count: int, rate: int | None) -> tuple[float, list[float]]:
    """Orders a second, and how long each took in milliseconds, sorted; one connection, as alpaca-py has."""
    durations = []
    terms = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "limit", "limit_price": "50", "time_in_force": "day"}
    with _venue() as (connection, headers):
        begun = time.perf_counter()
        for number in range(count):
            if rate is not None:
                time.sleep(max(begun + number / rate - time.perf_counter(), 0.0))
            body = json.dumps({**terms, "client_order_id": f"order-{number}"})
            before = time.perf_counter()
            connection.request("POST", "/paper/alpha/v2/orders", body, headers)
            response = connection.getresponse()
            answer = response.read()
            durations.append((time.perf_counter() - before) * 1_000)
            assert response.status == http.HTTPStatus.OK, answer
        return count / (time.perf_counter() - begun), sorted(durations)


def run(quick: bool) -> str:  # noqa: FBT001 -- the signature that every benchmark has
    """Submits at the wanted rate, and as fast as one connection goes."""
    count = 600 if quick else 6_000
    rows = []
    for name, rate in ((f"{RATE} a second", RATE), ("one after the other", None)):
        reached, durations = _submits(count, rate)
        half, last = durations[count // 2], durations[count * 99 // 100]
        rows.append((name, f"{reached:.0f}", f"{half:.2f}", f"{last:.2f}", f"{half / WANTED_MS:.0%}"))
    return markdown_table(("submits", "orders/s", "p50 ms", "p99 ms", "of the 3 ms wanted"), rows)
