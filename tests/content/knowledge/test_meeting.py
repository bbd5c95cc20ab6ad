"""Errors are met as they happen: as facts over the bus, and as error lines of the log."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from services.content.knowledge import meeting
from services.content.knowledge.base import KnowledgeBase
from services.content.knowledge.meeting import LogAwayError, LogFollower, meeting_consumer
from services.content.knowledge.readings import READINGS, TABLE, Reading
from services.contracts.auth import Broker, LoginFailed, LoginFailure, LoginMethod, PreflightFailed
from services.contracts.events import Event
from services.contracts.ids import EventId
from services.contracts.market import Side, Symbol
from services.contracts.orders import OrderStatus, Source, StrategyName, VenueName
from services.contracts.trading import CircuitChanged, CircuitState, OrderRejected
from services.kit.envelopes import seal
from telemetry.query.open import Readers, ReadersOptions, open_readers
from telemetry.records import LogEntry
from telemetry.sinks.embedded import EmbeddedStore
from tests.content.knowledge.conftest import House
from tests.fakes.clock import FakeClock


@dataclass
class Time:
    """The house's time for the telemetry's side."""

    clock: FakeClock

    def time_ns(self) -> int:
        return int(self.clock.now().timestamp() * 1e9)


class Followed:
    """A follower over an embedded store that lines can be put into."""

    def __init__(self, house: House, directory: Path) -> None:
        self.house = house
        self._path = directory / "telemetry" / "telemetry.db"
        self.readers: Readers = open_readers(ReadersOptions(embedded_path=self._path))
        self.base = house.opened()
        self.follower = LogFollower(
            self.base, self.readers.logs, house.facts, house.database, house.telemetry.metrics, house.clock
        )

    def line(
        self, text: str, *, level: str = "error", ago_seconds: float = 60, fields: tuple[tuple[str, str], ...] = ()
    ) -> None:
        store = EmbeddedStore(self._path, service_name="trading", env="local", clock=Time(self.house.clock))
        at = int((self.house.clock.now() - timedelta(seconds=ago_seconds)).timestamp() * 1e9)
        sink = store.log_sink()
        sink.send([LogEntry(at, level, "services.trading.desk", text, "", "", fields)])
        sink.close()


@pytest.fixture
def followed(house: House, tmp_path: Path) -> Iterator[Followed]:
    parts = Followed(house, tmp_path)
    yield parts
    parts.readers.close()


def meet(house: House, base: KnowledgeBase, event: Event) -> None:
    envelope = seal(event, event_id=EventId("0197-made-up"), occurred_at=house.clock.now(), source="trading")
    with house.facts.transaction() as tx:
        meeting_consumer(base).handler(tx, envelope)


def rejected(reason: str) -> OrderRejected:
    return OrderRejected(
        subject="wish.0",
        venue=VenueName("alpha"),
        strategy=StrategyName("operator"),
        symbol=Symbol("AAPL"),
        side=Side.BUY,
        intent_id="wish",
        sequence=2,
        was=OrderStatus.SUBMITTING,
        now=OrderStatus.REJECTED,
        source=Source.SUBMIT,
        reason=reason,
    )


@pytest.mark.parametrize("reading", TABLE, ids=lambda reading: reading.event.event_type)
def test_reading_when_it_names_fields_then_its_event_has_them(reading: Reading) -> None:
    assert reading.names() - {"subject"} <= set(reading.event.model_fields)


def test_table_when_read_then_no_event_stands_twice() -> None:
    assert len(READINGS) == len(TABLE)


def test_rejection_when_it_begins_with_the_venues_code_then_code_and_status_are_told_apart(house: House) -> None:
    house.shelf.put("buying-power", kind="error_signature", code='"40310000"', http_status="403")
    base = house.opened()
    meet(house, base, rejected("40310000: insufficient buying power"))
    (fact,) = house.stated("content.knowledge_matched")
    assert (fact.subject, fact.payload["signature"], fact.payload["venue"], fact.payload["cause_id"]) == (
        "buying-power",
        "insufficient buying power",
        "alpha",
        "0197-made-up",
    )


def test_rejection_when_nothing_answers_then_it_is_a_gap_with_its_code(house: House) -> None:
    base = house.opened()
    meet(house, base, rejected("42210000: sub-penny increment does not fulfill minimum pricing criteria"))
    (gap,) = base.gaps(limit=5).gaps
    assert (gap.code, gap.http_status, gap.source, gap.service_name) == (
        "42210000",
        422,
        "trading.order_rejected",
        "trading",
    )


def test_rejection_when_it_gives_no_reason_then_nothing_is_asked(house: House) -> None:
    base = house.opened()
    meet(house, base, rejected(""))
    assert base.gaps(limit=5).gaps == ()


def test_login_when_it_failed_then_broker_and_reason_are_asked_about(house: House) -> None:
    house.shelf.put("sms-late", kind="error_signature", venue="robinhood", code="code_missing")
    failed = LoginFailed(
        subject="main",
        broker=Broker.ROBINHOOD,
        method=LoginMethod.SMS,
        attempt="1",
        reason=LoginFailure.CODE_MISSING,
        duration_seconds=3.0,
    )
    meet(house, house.opened(), failed)
    assert [fact.subject for fact in house.stated("content.knowledge_matched")] == ["sms-late"]


def test_preflight_when_several_checks_failed_then_each_is_asked_about(house: House) -> None:
    base = house.opened()
    meet(house, base, PreflightFailed(subject="main", failed_checks=("clock_offset", "audit_chain"), warnings=()))
    assert {gap.code for gap in base.gaps(limit=5).gaps} == {"clock_offset", "audit_chain"}


@pytest.mark.parametrize(("now", "met"), [(CircuitState.OPEN, 1), (CircuitState.CLOSED, 0)])
def test_circuit_when_it_changes_then_only_its_opening_is_an_error(house: House, now: CircuitState, met: int) -> None:
    base = house.opened()
    changed = CircuitChanged(subject="alpha", was=CircuitState.HALF_OPEN, now=now, reason="5 of 10 calls failed")
    meet(house, base, changed)
    assert len(base.gaps(limit=5).gaps) == met


def test_follower_when_error_lines_came_then_each_kind_is_asked_about_once(followed: Followed) -> None:
    followed.house.shelf.put("held", kind="error_signature", regex="outbox position .{1,20} is held up")
    followed.base.refresh()
    for number in range(3):
        followed.line(f"outbox position {number} is held up", ago_seconds=50 - number)
    followed.line("the flux of worker-3 is strange")
    followed.line("only a warning", level="warning")

    assert followed.follower.follow() == 4
    (fact,) = followed.house.stated("content.knowledge_matched")
    assert (fact.subject, fact.payload["sightings"], fact.payload["source"]) == ("held", 3, "services.trading.desk")
    assert [gap.signature for gap in followed.base.gaps(limit=5).gaps] == ["the flux of worker-<n> is strange"]


def test_follower_when_it_looks_again_then_no_line_counts_twice(followed: Followed) -> None:
    followed.line("the flux is strange")
    assert [followed.follower.follow(), followed.follower.follow()] == [1, 0]
    followed.house.clock.advance(30)
    assert followed.follower.follow() == 0
    followed.line("the flux is strange", ago_seconds=5)
    followed.house.clock.advance(10)
    assert followed.follower.follow() == 1
    assert followed.base.gaps(limit=5).gaps[0].sightings == 2


def test_follower_when_a_line_tells_a_fact_of_the_table_then_it_is_left_to_the_bus(followed: Followed) -> None:
    followed.line("order wish.0 is rejected", fields=(("event_type", "trading.order_rejected"),))
    followed.line("a fact that nobody reads", fields=(("event_type", "trading.kill_switch_pulled"),))
    followed.follower.follow()
    assert [gap.signature for gap in followed.base.gaps(limit=5).gaps] == ["a fact that nobody reads"]


def test_follower_when_there_are_more_lines_than_a_look_takes_then_the_rest_comes_next(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meeting, "MOST_LINES", 2)
    for number in range(5):
        followed.line("the flux is strange", ago_seconds=100 - number)
    seen = [followed.follower.follow() for _ in range(4)]
    assert (sum(seen), seen[-1]) == (5, 0)


def test_follower_when_the_log_is_away_then_it_says_so_and_looks_from_there_later(house: House, tmp_path: Path) -> None:
    readers = open_readers(ReadersOptions(loki_url="http://127.0.0.1:9", embedded_path=tmp_path / "t.db"))
    follower = LogFollower(
        house.opened(), readers.logs, house.facts, house.database, house.telemetry.metrics, house.clock
    )
    with pytest.raises(LogAwayError):
        follower.follow()
    follower.open()
    assert house.telemetry.value("sightline_knowledge_followed_timestamp_seconds") == 0
    readers.close()


def test_follower_when_it_was_away_for_long_then_it_begins_six_hours_back(followed: Followed) -> None:
    followed.line("older than the first look")
    followed.follower.follow()
    followed.house.clock.advance(10 * 3600)
    followed.line("seven hours ago", ago_seconds=7 * 3600)
    followed.line("five hours ago", ago_seconds=5 * 3600)
    assert followed.follower.follow() == 1
