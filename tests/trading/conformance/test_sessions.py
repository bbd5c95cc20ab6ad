"""Scenario 14: the edges of the session, on the venue's exchange and in our gate at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.contracts.orders import DenyReason, OrderStatus
from services.kit.market_calendar import MarketCalendar
from services.trading.desk.market_hours import MarketHours
from tests.trading.conformance.adapters import ADAPTERS
from tests.trading.conformance.bench import Bench, bench_at

MONDAY_CLOSE = datetime(2026, 3, 2, 21, tzinfo=UTC)  # 16:00 in New York
HALF_DAY_CLOSE = datetime(2026, 11, 27, 18, tzinfo=UTC)  # 13:00, the day after Thanksgiving
OPEN_BEFORE_SUMMER = datetime(2026, 3, 6, 14, 30, tzinfo=UTC)  # 9:30 in winter time
OPEN_IN_SUMMER = datetime(2026, 3, 9, 13, 30, tzinfo=UTC)  # 9:30 on the next day of trading, in summer time
JUST_BEFORE = timedelta(milliseconds=100)
JUST_AFTER = timedelta(seconds=1)


@contextmanager
def at(adapter: str, directory: Path, moment: datetime) -> Iterator[Bench]:
    with ADAPTERS[adapter](directory, moment) as rig, bench_at(rig, directory) as bench:
        vars(bench.market)["market"] = MarketHours(MarketCalendar(bench.clock)).market
        yield bench


def go_to(bench: Bench, moment: datetime) -> None:
    bench.rig.side.set_time(moment)
    bench.made.leader.tick()
    bench.renew()
    bench.reconcile()


@pytest.mark.parametrize("close", [MONDAY_CLOSE, HALF_DAY_CLOSE], ids=["monday", "half-day"])
@pytest.mark.parametrize("adapter", sorted(ADAPTERS))
def test_14_an_order_of_the_last_moment_is_taken_and_ends_with_the_day(
    adapter: str, close: datetime, tmp_path: Path
) -> None:
    with at(adapter, tmp_path, close - JUST_BEFORE) as bench:
        order = bench.place(bench.limit(90))
        assert bench.wait_for_status(order, OrderStatus.OPEN).filled == 0

        go_to(bench, close + JUST_AFTER)

        assert bench.wait_for_status(order, OrderStatus.EXPIRED).open_quantity == 0
        late = bench.desk.submit(bench.limit(90, leg="late"))
        assert late.denial is not None
        assert late.denial.reason is DenyReason.MARKET_CLOSED


@pytest.mark.parametrize("opening", [OPEN_BEFORE_SUMMER, OPEN_IN_SUMMER], ids=["winter", "summer"])
@pytest.mark.parametrize("adapter", sorted(ADAPTERS))
def test_14_the_session_opens_by_the_clocks_of_new_york(adapter: str, opening: datetime, tmp_path: Path) -> None:
    with at(adapter, tmp_path, opening - timedelta(minutes=5)) as bench:
        early = bench.desk.submit(bench.limit(90, leg="early"))
        assert early.denial is not None
        assert early.denial.reason is DenyReason.MARKET_CLOSED

        go_to(bench, opening + JUST_AFTER)

        assert bench.wait_for_status(bench.place(bench.limit(90)), OrderStatus.OPEN).filled == 0
