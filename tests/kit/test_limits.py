"""Rate limits over the service's database."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi import APIRouter, Depends
from limits import parse
from sqlalchemy import func, select

from services.kit.database import Database
from services.kit.guards import require_scope
from services.kit.limits import RateLimiter, limits_of, rate_limit
from services.kit.tables import RATE_LIMITS
from tests.fakes.clock import FakeClock
from tests.kit.conftest import RecordedTelemetry
from tests.kit.web import AppClient, Web

FIVE_A_MINUTE = parse("5/minute")


@pytest.fixture
def limiter(database: Database, clock: FakeClock, telemetry: RecordedTelemetry) -> RateLimiter:
    limiter = RateLimiter(database, clock, telemetry.metrics)
    limiter.declare(["orders"])
    return limiter


@pytest.fixture
def second_handle(tmp_path: Path, database: Database) -> Iterator[Database]:
    second = Database(f"sqlite:///{tmp_path}/db/ledger.db", service="ledger")
    yield second
    second.close()


def use_up(limiter: RateLimiter, key: str = "caller") -> list[bool]:
    return [limiter.hit("orders", FIVE_A_MINUTE, key).allowed for _ in range(6)]


def test_hit_when_the_limit_is_used_up_then_the_next_call_is_not_allowed(limiter: RateLimiter) -> None:
    assert use_up(limiter) == [True] * 5 + [False]


def test_hit_when_another_key_used_its_limit_up_then_this_one_is_untouched(limiter: RateLimiter) -> None:
    use_up(limiter, "other")
    assert limiter.hit("orders", FIVE_A_MINUTE, "caller").allowed


def test_hit_when_refused_then_it_does_not_count(limiter: RateLimiter, clock: FakeClock) -> None:
    use_up(limiter)
    use_up(limiter)
    clock.advance(120)
    assert use_up(limiter) == [True] * 5 + [False]


def test_hit_when_the_window_slides_then_a_burst_across_its_edge_is_bounded(
    limiter: RateLimiter, clock: FakeClock
) -> None:
    clock.advance(59)
    use_up(limiter)
    clock.advance(2)
    assert use_up(limiter) == [True] + [False] * 5


def test_hit_when_the_wait_that_was_told_is_over_then_a_call_is_allowed_and_not_before(
    limiter: RateLimiter, clock: FakeClock
) -> None:
    clock.advance(17)
    use_up(limiter)
    wait = limiter.hit("orders", FIVE_A_MINUTE, "caller").retry_after_seconds
    clock.advance(wait - 1)
    early = limiter.hit("orders", FIVE_A_MINUTE, "caller").allowed
    clock.advance(1)
    assert (early, limiter.hit("orders", FIVE_A_MINUTE, "caller").allowed) == (False, True)


def test_hit_when_calls_are_left_then_it_tells_how_many(limiter: RateLimiter) -> None:
    allowances = [limiter.hit("orders", FIVE_A_MINUTE, "caller") for _ in range(5)]
    assert [allowance.remaining for allowance in allowances] == [4, 3, 2, 1, 0]
    assert [allowance.retry_after_seconds for allowance in allowances[:4]] == [0, 0, 0, 0]


def test_hit_when_made_then_it_is_counted_by_outcome(limiter: RateLimiter, telemetry: RecordedTelemetry) -> None:
    use_up(limiter)
    assert telemetry.value("sightline_rate_limit_hits_total", limit="orders", outcome="allowed") == 5
    assert telemetry.value("sightline_rate_limit_hits_total", limit="orders", outcome="limited") == 1


def test_hit_when_the_service_starts_anew_then_the_limit_is_still_used_up(
    limiter: RateLimiter, second_handle: Database, clock: FakeClock, telemetry: RecordedTelemetry
) -> None:
    use_up(limiter)
    anew = RateLimiter(second_handle, clock, telemetry.metrics)
    assert not anew.hit("orders", FIVE_A_MINUTE, "caller").allowed


def test_hit_when_many_come_at_once_over_two_handles_then_no_call_too_many_is_allowed(
    limiter: RateLimiter, second_handle: Database, clock: FakeClock, telemetry: RecordedTelemetry
) -> None:
    limiters = [limiter, RateLimiter(second_handle, clock, telemetry.metrics)]
    barrier = threading.Barrier(8)

    def hit(number: int) -> bool:
        barrier.wait(5)
        return limiters[number % 2].hit("orders", FIVE_A_MINUTE, "caller").allowed

    with ThreadPoolExecutor(8) as pool:
        allowed = list(pool.map(hit, range(8)))
    assert allowed.count(True) == 5


@pytest.mark.needs("initdb", "postgres")
def test_hit_when_many_come_at_once_on_postgres_then_no_call_too_many_is_allowed(
    postgres_database: Database, clock: FakeClock, telemetry: RecordedTelemetry
) -> None:
    limiter = RateLimiter(postgres_database, clock, telemetry.metrics)
    barrier = threading.Barrier(8)

    def hit(_number: int) -> bool:
        barrier.wait(5)
        return limiter.hit("orders", FIVE_A_MINUTE, "caller").allowed

    with ThreadPoolExecutor(8) as pool:
        allowed = list(pool.map(hit, range(8)))
    assert allowed.count(True) == 5


def test_hit_when_several_processes_share_the_limit_then_no_call_too_many_is_allowed(tmp_path: Path) -> None:
    program = """
import sys
from limits import parse
from services.kit.clock import SystemClock
from services.kit.database import Database
from services.kit.limit_storage import DatabaseLimitStorage
database = Database(sys.argv[1], service="ledger")
database.migrate()
storage = DatabaseLimitStorage(database, SystemClock())
print(sum(storage.acquire_sliding_window_entry("key", 30, 86_400) for _ in range(20)))
"""
    url = f"sqlite:///{tmp_path}/limits.db"
    children = [
        subprocess.Popen([sys.executable, "-c", program, url], stdout=subprocess.PIPE, text=True)  # noqa: S603 -- our own program
        for _ in range(3)
    ]
    assert sum(int(child.communicate(timeout=60)[0]) for child in children) == 30


def test_rows_when_their_windows_are_over_then_they_are_forgotten(
    limiter: RateLimiter, database: Database, clock: FakeClock
) -> None:
    for number in range(10):
        limiter.hit("orders", FIVE_A_MINUTE, f"caller-{number}")
    clock.advance(300)
    limiter.hit("orders", FIVE_A_MINUTE, "caller")
    with database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(RATE_LIMITS)) == 1


def test_hit_when_the_key_is_very_long_then_it_is_counted_all_the_same(limiter: RateLimiter) -> None:
    assert use_up(limiter, "k" * 10_000) == [True] * 5 + [False]


def test_storage_when_used_as_a_fixed_window_then_it_counts_until_the_window_ends(
    limiter: RateLimiter, clock: FakeClock
) -> None:
    storage = limiter._storage
    counted = [storage.incr("fixed", 60) for _ in range(3)]
    expires = storage.get_expiry("fixed")
    clock.advance(60)
    assert (counted, expires) == ([1, 2, 3], clock.now().timestamp())
    assert (storage.get("fixed"), storage.incr("fixed", 60)) == (0, 1)


def test_storage_when_cleared_then_the_limit_is_whole_again(limiter: RateLimiter) -> None:
    use_up(limiter)
    limiter._strategy.clear(FIVE_A_MINUTE, "orders", "caller")
    assert limiter.hit("orders", FIVE_A_MINUTE, "caller").remaining == 4


def test_storage_when_reset_then_every_limit_is_whole_again(limiter: RateLimiter) -> None:
    use_up(limiter, "one")
    use_up(limiter, "other")
    assert limiter._storage.reset() == 2


@pytest.fixture
def client(tmp_path: Path, telemetry: RecordedTelemetry, limiter: RateLimiter, clock: FakeClock) -> AppClient:
    web = Web(tmp_path, telemetry, clock)
    router = APIRouter(dependencies=[Depends(require_scope("orders:read"))])
    router.add_api_route("/limited", _answer, dependencies=[Depends(rate_limit("orders", "2/minute"))])
    app = web.app([router])
    app.state.limiter = limiter
    return AppClient(app, web.signed())


def test_request_when_the_limit_is_used_up_then_the_answer_says_when_to_come_again(
    client: AppClient, telemetry: RecordedTelemetry
) -> None:
    answers = [client.get("/limited") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["ratelimit"] == '"orders";r=1;t=0'
    assert answers[0].headers["ratelimit-policy"] == '"orders";q=2;w=60'
    refused = answers[2]
    assert refused.json()["code"] == "rate_limited"
    assert int(refused.headers["retry-after"]) > 0
    assert telemetry.value("sightline_request_refusals_total", reason="rate_limited") == 1


def test_openapi_when_a_route_is_limited_then_429_is_described(client: AppClient) -> None:
    responses = client.get("/openapi.json").json()["paths"]["/limited"]["get"]["responses"]
    assert list(responses["429"]["content"]) == ["application/problem+json"]


def test_limits_of_when_routes_are_nested_then_every_limit_is_found(client: AppClient) -> None:
    assert limits_of(client.app.routes) == {"orders"}


def test_rate_limit_when_it_cannot_be_read_then_it_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="fortnight"):
        rate_limit("orders", "5 per fortnight")


def _answer() -> dict[str, str]:
    return {}
