"""The outbox: nothing is lost, a subject's facts stay in order, and an absent bus is waited for."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from services.contracts.events import Envelope
from services.kit import housekeeping, outbox_claims
from services.kit.bus import BusUnavailableError, EventRefusedError
from services.kit.database import Database
from services.kit.database_errors import DatabaseBusyError
from services.kit.facts import Facts
from services.kit.housekeeping import Retention
from services.kit.instruments import Instruments
from services.kit.outbox import OutboxDispatcher, Pace
from services.kit.tables import INBOX, OUTBOX
from tests.fakes.bus import FakeBus
from tests.fakes.clock import FakeClock
from tests.kit.conftest import RecordedTelemetry
from tests.kit.ledger import TABLE, EntryPosted

_EAGER = Pace(
    batch_events=7,
    poll_seconds=0.01,
    first_retry_seconds=0.001,
    most_retry_seconds=0.01,
    refused_retry_seconds=0.0,
    gauges_every_seconds=0.0,
)
_SECONDS = 20.0


def _state(facts: Facts, subjects: list[str]) -> None:
    for number, subject in enumerate(subjects):
        with facts.transaction() as transaction:
            transaction.record(EntryPosted(subject=subject, number=number))


def _unpublished(database: Database) -> int:
    return housekeeping.pending(database)[0]


def _numbers(envelopes: list[Envelope], subject: str) -> list[int]:
    return [envelope.payload["number"] for envelope in envelopes if envelope.subject == subject]


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(_SECONDS):
        while not condition():  # noqa: ASYNC110 -- what is waited for tells nobody
            await asyncio.sleep(0.002)


@pytest.fixture
def bus() -> FakeBus:
    return FakeBus()


@pytest.fixture
def dispatcher(
    database: Database, bus: FakeBus, telemetry: RecordedTelemetry, clock: FakeClock
) -> Callable[[], OutboxDispatcher]:
    return lambda: OutboxDispatcher(database, bus, telemetry, clock, pace=_EAGER)


def _drain(dispatcher: OutboxDispatcher, database: Database) -> None:
    async def drain() -> None:
        dispatcher.start()
        await _until(lambda: _unpublished(database) == 0)
        await dispatcher.stop()

    asyncio.run(drain())


def test_publish_when_facts_wait_then_all_go_out_oldest_first(
    facts: Facts, database: Database, bus: FakeBus, dispatcher: Callable[[], OutboxDispatcher]
) -> None:
    _state(facts, ["b"] * 20)
    _drain(dispatcher(), database)
    assert _numbers(bus.stored, "b") == list(range(20))


def test_publish_when_committed_while_running_then_woken_without_polling(
    facts: Facts, database: Database, bus: FakeBus, telemetry: RecordedTelemetry, clock: FakeClock
) -> None:
    async def scenario() -> None:
        dispatcher = OutboxDispatcher(database, bus, telemetry, clock, pace=Pace(poll_seconds=3600.0))
        facts.after_commit(dispatcher.wake)
        dispatcher.start()
        for number in range(3):
            await asyncio.to_thread(_state, facts, ["b"])
            await _until(lambda expected=number + 1: len(bus.stored) == expected)
        await dispatcher.stop()

    asyncio.run(scenario())
    assert len(bus.stored) == 3


def test_publish_when_confirmation_is_lost_then_repeated_under_the_same_id(
    facts: Facts, database: Database, bus: FakeBus, dispatcher: Callable[[], OutboxDispatcher]
) -> None:
    def lose_first(_envelope: Envelope) -> None:
        if len(bus.received) == 1:
            raise BusUnavailableError("lost")

    bus.after = lose_first
    _state(facts, ["b"])
    _drain(dispatcher(), database)
    assert ([envelope.event_id for envelope in bus.received], len(bus.stored)) == (
        [bus.stored[0].event_id] * 2,
        1,
    )


def test_publish_when_bus_is_away_then_facts_are_kept_and_readiness_says_so(
    facts: Facts,
    database: Database,
    bus: FakeBus,
    telemetry: RecordedTelemetry,
    dispatcher: Callable[[], OutboxDispatcher],
) -> None:
    _state(facts, ["a", "b"])
    bus.away = True
    seen: list[str] = []

    async def scenario() -> None:
        running = dispatcher()
        running.start()

        def is_away() -> bool:
            try:
                running.check()
            except BusUnavailableError as error:
                seen.append(str(error))
                return True
            return False

        await _until(is_away)
        await _until(lambda: telemetry.value("sightline_outbox_pending_events") == 2)
        bus.away = False
        await _until(lambda: _unpublished(database) == 0 and not is_away())
        await running.stop()

    asyncio.run(scenario())
    assert (seen[0], len(bus.stored)) == ("The fake event bus is away.", 2)


def test_publish_when_bus_stays_away_then_said_once(
    facts: Facts, bus: FakeBus, dispatcher: Callable[[], OutboxDispatcher], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="services.kit.outbox")
    _state(facts, ["a"])
    attempts: list[Envelope] = []

    def refuse(envelope: Envelope) -> None:
        attempts.append(envelope)
        raise BusUnavailableError("away")

    bus.before = refuse

    async def scenario() -> None:
        running = dispatcher()
        running.start()
        await _until(lambda: len(attempts) > 5)
        await running.stop()

    asyncio.run(scenario())
    assert [record.getMessage() for record in caplog.records] == ["facts wait in the outbox: away"]


def test_publish_when_an_event_is_refused_then_only_its_subject_waits(
    facts: Facts, database: Database, bus: FakeBus, telemetry: RecordedTelemetry, clock: FakeClock
) -> None:
    def refuse(envelope: Envelope) -> None:
        if envelope.subject == "bad":
            raise EventRefusedError("too large")

    bus.before = refuse
    _state(facts, ["bad"] * 10 + ["good"] * 10)
    pace = Pace(batch_events=5, poll_seconds=0.01, refused_retry_seconds=60.0)

    async def scenario() -> None:
        running = OutboxDispatcher(database, bus, telemetry, clock, pace=pace)
        running.start()
        await _until(lambda: len(bus.stored) == 10)
        bus.before = lambda _: None
        clock.advance(61.0)
        await _until(lambda: _unpublished(database) == 0)
        await running.stop()

    asyncio.run(scenario())
    assert (_numbers(bus.stored[:10], "good"), _numbers(bus.stored, "bad")) == (list(range(10, 20)), list(range(10)))


def test_publish_when_done_then_counted_by_type(
    facts: Facts, database: Database, telemetry: RecordedTelemetry, dispatcher: Callable[[], OutboxDispatcher]
) -> None:
    _state(facts, ["a", "b"])
    _drain(dispatcher(), database)
    assert telemetry.value("sightline_events_published_total", event_type="ledger.entry_posted") == 2


def test_gauges_when_facts_wait_then_show_how_many_and_how_long(
    facts: Facts,
    bus: FakeBus,
    telemetry: RecordedTelemetry,
    clock: FakeClock,
    dispatcher: Callable[[], OutboxDispatcher],
) -> None:
    bus.away = True
    _state(facts, ["a", "b"])
    clock.advance(90.0)

    async def scenario() -> None:
        running = dispatcher()
        running.start()
        await _until(lambda: telemetry.value("sightline_outbox_pending_events") == 2)
        await running.stop()

    asyncio.run(scenario())
    assert telemetry.value("sightline_outbox_oldest_age_seconds") == 90.0


def test_prune_when_past_retention_then_only_published_and_old_rows_go(
    facts: Facts, database: Database, clock: FakeClock, dispatcher: Callable[[], OutboxDispatcher]
) -> None:
    _state(facts, ["published"])
    _drain(dispatcher(), database)
    _state(facts, ["waiting"])
    with database.transaction() as connection:
        connection.execute(INBOX.insert().values(consumer="c", event_id="old", handled_at=clock.now().timestamp()))
    clock.advance(31 * 24 * 3600.0)
    with database.transaction() as connection:
        connection.execute(INBOX.insert().values(consumer="c", event_id="new", handled_at=clock.now().timestamp()))
    housekeeping.prune(database, clock, Retention())
    with database.reading() as connection:
        left = connection.execute(select(OUTBOX.c.subject)).scalars().all()
        known = connection.execute(select(INBOX.c.event_id)).scalars().all()
    assert (left, known) == (["waiting"], ["new"])


@pytest.fixture
def fresh(tmp_path: Path, telemetry: RecordedTelemetry) -> Iterator[Callable[[], tuple[Facts, Database]]]:
    """Makes a new database for each example that hypothesis tries."""
    made: list[Database] = []

    def make() -> tuple[Facts, Database]:
        database = Database(f"sqlite:///{tmp_path}/{len(made)}.db", service="ledger")
        database.migrate()
        made.append(database)
        return Facts(database, Instruments(TABLE), telemetry, FakeClock(), "ledger"), database

    yield make
    for database in made:
        database.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    subjects=st.lists(st.sampled_from("abc"), min_size=1, max_size=30),
    failures=st.lists(st.sampled_from(["ok", "ok", "away", "refused", "unconfirmed"]), max_size=40),
    dispatchers=st.integers(1, 3),
)
def test_publish_when_anything_fails_then_each_subject_keeps_its_order(
    fresh: Callable[[], tuple[Facts, Database]],
    telemetry: RecordedTelemetry,
    subjects: list[str],
    failures: list[str],
    dispatchers: int,
) -> None:
    facts, database = fresh()
    bus = FakeBus()
    plan = iter(failures)

    def before(_envelope: Envelope) -> None:
        fate = next(plan, "ok")
        if fate == "away":
            raise BusUnavailableError("away")
        if fate == "refused":
            raise EventRefusedError("refused")
        bus.after = lose if fate == "unconfirmed" else keep

    def lose(_envelope: Envelope) -> None:
        raise BusUnavailableError("no answer")

    def keep(_envelope: Envelope) -> None:
        return

    bus.before = before
    _state(facts, subjects)

    async def scenario() -> None:
        running = [OutboxDispatcher(database, bus, telemetry, FakeClock(), pace=_EAGER) for _ in range(dispatchers)]
        for dispatcher in running:
            dispatcher.start()
        await _until(lambda: _unpublished(database) == 0)
        for dispatcher in running:
            await dispatcher.stop()

    asyncio.run(scenario())
    expected = {subject: [number for number, other in enumerate(subjects) if other == subject] for subject in subjects}
    assert {subject: _numbers(bus.stored, subject) for subject in subjects} == expected


@pytest.mark.needs("initdb", "postgres")
def test_claim_when_an_earlier_fact_is_held_elsewhere_then_later_ones_wait(
    postgres_database: Database, telemetry: RecordedTelemetry, clock: FakeClock
) -> None:
    facts = Facts(postgres_database, Instruments(TABLE), telemetry, clock, "ledger")
    _state(facts, ["a", "b", "a", "c"])
    first = outbox_claims.claim(postgres_database, at_most=2, without=())
    second = outbox_claims.claim(postgres_database, at_most=10, without=())
    seen = ([row.subject for row in first.rows], [row.subject for row in second.rows])
    second.finish([row.position for row in second.rows], 1.0)
    first.finish([row.position for row in first.rows], 1.0)
    third = outbox_claims.claim(postgres_database, at_most=10, without=())
    left = [row.subject for row in third.rows]
    third.finish((), 1.0)
    assert (seen, left) == ((["a", "b"], ["c"]), ["a"])


@pytest.mark.needs("initdb", "postgres")
def test_publish_when_several_dispatchers_share_postgres_then_order_is_kept(
    postgres_database: Database, telemetry: RecordedTelemetry, clock: FakeClock, bus: FakeBus
) -> None:
    facts = Facts(postgres_database, Instruments(TABLE), telemetry, clock, "ledger")
    _state(facts, ["a", "b", "c"] * 40)

    async def scenario() -> None:
        running = [OutboxDispatcher(postgres_database, bus, telemetry, clock, pace=_EAGER) for _ in range(3)]
        for dispatcher in running:
            dispatcher.start()
        await _until(lambda: _unpublished(postgres_database) == 0)
        for dispatcher in running:
            await dispatcher.stop()

    asyncio.run(scenario())
    assert {subject: _numbers(bus.received, subject) for subject in "abc"} == {
        "a": list(range(0, 120, 3)),
        "b": list(range(1, 120, 3)),
        "c": list(range(2, 120, 3)),
    }


@pytest.mark.needs("initdb", "postgres")
def test_record_when_subject_is_being_committed_then_another_commit_about_it_waits(
    postgres_database: Database, telemetry: RecordedTelemetry, clock: FakeClock
) -> None:
    facts = Facts(postgres_database, Instruments(TABLE), telemetry, clock, "ledger")
    with facts.transaction() as transaction:
        transaction.record(EntryPosted(subject="held", number=1))
        transaction.write_outbox()
        _state(facts, ["free"])
        with pytest.raises(DatabaseBusyError):
            _state(facts, ["held"])
