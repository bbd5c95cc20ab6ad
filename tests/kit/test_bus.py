"""Deliveries: handled once, retried, or set aside; and the real NATS server as their carrier."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from opentelemetry.trace import SpanKind
from sqlalchemy import select, text

from services.contracts.events import Envelope
from services.kit.bus import BusUnavailableError, Consumer, ConsumerError, EventRefusedError, Handler
from services.kit.bus_nats import STREAM, NatsBus
from services.kit.clock import SystemClock
from services.kit.database import Database
from services.kit.database_errors import DatabaseUnreachableError
from services.kit.dead_letters import DeadLetters, NoSuchDeadLetterError, RedriveFailedError
from services.kit.deliveries import Deliveries, Delivery, Outcome, StateAwayError
from services.kit.envelopes import seal
from services.kit.facts import Facts, Transaction
from services.kit.ids import new_event_id
from services.kit.instruments import Instruments
from services.kit.tables import INBOX, OUTBOX
from tests.fakes.bus import FakeBus, FakeSubscription
from tests.fakes.clock import FakeClock
from tests.kit.conftest import NatsServer, RecordedTelemetry
from tests.kit.ledger import TABLE, EntryPosted

_SECONDS = 30.0


def _envelope(number: int, subject: str = "book") -> Envelope:
    clock = SystemClock()
    event = EntryPosted(subject=subject, number=number)
    return seal(event, event_id=new_event_id(clock), occurred_at=clock.now(), source="ledger")


def _ignore(_transaction: Transaction, _envelope: Envelope) -> None:
    return


def _fail(_transaction: Transaction, _envelope: Envelope) -> None:
    raise ValueError("token=canary-of-a-test-1234567890")


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(_SECONDS):
        while not condition():  # noqa: ASYNC110 -- what is waited for tells nobody
            await asyncio.sleep(0.005)


@pytest.fixture
def deliveries(database: Database, facts: Facts, telemetry: RecordedTelemetry, clock: FakeClock) -> Deliveries:
    return Deliveries(facts, DeadLetters(database, telemetry.metrics, clock), telemetry, clock)


@pytest.fixture
def subscribed(deliveries: Deliveries) -> Callable[[Handler], FakeSubscription]:
    def subscribe(handler: Handler) -> FakeSubscription:
        consumer = Consumer(name="books", event_types=("ledger.*",), handler=handler, max_attempts=3)
        return asyncio.run(FakeBus(deliveries).subscribe(consumer))

    return subscribe


Subscribed = Callable[[Handler], FakeSubscription]


def _handled_ids(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(select(INBOX.c.event_id)).scalars())


def test_receive_when_delivered_twice_then_effect_once_and_duplicate_counted(
    subscribed: Subscribed, telemetry: RecordedTelemetry
) -> None:
    seen: list[int] = []
    books = subscribed(lambda _, envelope: seen.append(envelope.payload["number"]))
    envelope = _envelope(7)
    outcomes = books.deliver([envelope, envelope])
    duplicates = telemetry.value("sightline_events_consumed_total", consumer="books", outcome="duplicate")
    assert (outcomes, seen, duplicates) == ([Outcome.HANDLED, Outcome.DUPLICATE], [7], 1)


def test_receive_when_handler_fails_then_its_effects_and_the_inbox_are_rolled_back(
    subscribed: Subscribed, database: Database
) -> None:
    def record_and_fail(transaction: Transaction, _envelope: Envelope) -> None:
        transaction.record(EntryPosted(subject="effect", number=1))
        raise ValueError

    outcome = subscribed(record_and_fail).deliver_one(_envelope(1))
    with database.reading() as connection:
        effects = connection.execute(select(OUTBOX.c.position)).all()
    assert (outcome, effects, _handled_ids(database)) == (Outcome.RETRIED, [], [])


def test_receive_when_handler_states_a_fact_then_it_commits_with_the_inbox(
    subscribed: Subscribed, database: Database
) -> None:
    def record(transaction: Transaction, _envelope: Envelope) -> None:
        transaction.record(EntryPosted(subject="effect", number=1))

    envelope = _envelope(1)
    subscribed(record).deliver_one(envelope)
    with database.reading() as connection:
        subjects = connection.execute(select(OUTBOX.c.subject)).scalars().all()
    assert (subjects, _handled_ids(database)) == (["effect"], [envelope.event_id])


def test_receive_when_last_attempt_fails_then_dead_letter_without_the_secret(
    subscribed: Subscribed, deliveries: Deliveries, telemetry: RecordedTelemetry
) -> None:
    envelope = _envelope(7)
    outcome = subscribed(_fail).deliver_one(envelope, attempt=3)
    (letter,) = deliveries.dead_letters("books")
    assert (outcome, letter.event_id, letter.attempts) == (Outcome.DEAD_LETTERED, envelope.event_id, 3)
    assert letter.error.startswith("ValueError: ")
    assert "canary" not in letter.error
    assert telemetry.value("sightline_dead_letters_events", consumer="books") == 1


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[]", b'{"event_id": 7}', b"\x00" * 9, b'{"canary": "x"}' * 9000])
def test_receive_when_message_is_no_event_then_dead_letter_and_no_error(
    subscribed: Subscribed, deliveries: Deliveries, body: bytes
) -> None:
    books = subscribed(_ignore)
    outcome = deliveries.receive(books.consumer, Delivery(body, "sequence 9", 1))
    (letter,) = deliveries.dead_letters()
    assert (outcome, letter.event_type, letter.event_id) == (Outcome.DEAD_LETTERED, "unreadable", "sequence 9")


def test_receive_when_it_ended_the_process_again_and_again_then_set_aside_untried(
    subscribed: Subscribed, deliveries: Deliveries
) -> None:
    seen: list[Envelope] = []
    outcome = subscribed(lambda _, envelope: seen.append(envelope)).deliver_one(_envelope(1), attempt=7)
    assert (outcome, seen) == (Outcome.DEAD_LETTERED, [])
    assert "end the process" in deliveries.dead_letters()[0].error


def test_receive_when_delivered_often_but_handled_then_duplicate(subscribed: Subscribed) -> None:
    books = subscribed(_ignore)
    envelope = _envelope(1)
    books.deliver_one(envelope)
    assert books.deliver_one(envelope, attempt=20) is Outcome.DUPLICATE


def test_receive_when_state_is_away_then_no_attempt_is_used_up(subscribed: Subscribed, deliveries: Deliveries) -> None:
    def lose_database(_transaction: Transaction, _envelope: Envelope) -> None:
        raise DatabaseUnreachableError("gone")

    books = subscribed(lose_database)
    with pytest.raises(StateAwayError, match="gone"):
        books.deliver_one(_envelope(1), attempt=3)
    assert deliveries.dead_letters() == ()


def test_receive_when_stated_in_a_trace_then_the_consumer_continues_it(
    subscribed: Subscribed, telemetry: RecordedTelemetry
) -> None:
    with telemetry.tracer("test").start_as_current_span("producer") as producer:
        envelope = _envelope(1)
    subscribed(_ignore).deliver_one(envelope)
    _, consumer = telemetry.spans.get_finished_spans()
    assert consumer.context is not None
    assert consumer.parent is not None
    assert (consumer.kind, consumer.context.trace_id, consumer.parent.span_id) == (
        SpanKind.CONSUMER,
        producer.get_span_context().trace_id,
        producer.get_span_context().span_id,
    )


def test_redrive_when_handler_is_well_again_then_handled_and_no_letter_is_left(
    subscribed: Subscribed, deliveries: Deliveries, telemetry: RecordedTelemetry, database: Database
) -> None:
    broken = [True]

    def handle(transaction: Transaction, envelope: Envelope) -> None:
        if broken:
            _fail(transaction, envelope)

    envelope = _envelope(1)
    subscribed(handle).deliver_one(envelope, attempt=3)
    broken.clear()
    deliveries.redrive("books", envelope.event_id)
    gauge = telemetry.value("sightline_dead_letters_events", consumer="books")
    assert (deliveries.dead_letters(), gauge, _handled_ids(database)) == ((), 0, [envelope.event_id])


def test_redrive_when_it_fails_again_then_the_letter_stays(subscribed: Subscribed, deliveries: Deliveries) -> None:
    envelope = _envelope(1)
    subscribed(_fail).deliver_one(envelope, attempt=3)
    with pytest.raises(RedriveFailedError, match="failed again"):
        deliveries.redrive("books", envelope.event_id)
    assert [letter.attempts for letter in deliveries.dead_letters()] == [4]


def test_redrive_when_message_was_unreadable_then_told_to_discard(
    subscribed: Subscribed, deliveries: Deliveries
) -> None:
    deliveries.receive(subscribed(_ignore).consumer, Delivery(b"{}", "m1", 1))
    with pytest.raises(RedriveFailedError, match="Discard it"):
        deliveries.redrive("books", "m1")
    deliveries.discard("books", "m1")
    assert deliveries.dead_letters() == ()


def test_discard_when_there_is_no_such_letter_then_refused(subscribed: Subscribed, deliveries: Deliveries) -> None:
    subscribed(_ignore)
    with pytest.raises(NoSuchDeadLetterError):
        deliveries.discard("books", "nothing")


def test_register_when_name_is_taken_then_refused(subscribed: Subscribed) -> None:
    subscribed(_ignore)
    with pytest.raises(ConsumerError, match="Two consumers"):
        subscribed(_ignore)


def test_register_when_letters_lie_there_from_before_then_gauge_shows_them(
    subscribed: Subscribed, database: Database, telemetry: RecordedTelemetry
) -> None:
    with database.transaction() as connection:
        connection.execute(
            text("INSERT INTO dead_letters VALUES ('books', 'e', 'ledger.torn', '', 5, 'ValueError', 0)")
        )
    subscribed(_ignore)
    assert telemetry.value("sightline_dead_letters_events", consumer="books") == 1


@pytest.mark.parametrize(
    "changes",
    [{"name": "Books"}, {"name": "a.b"}, {"event_types": ()}, {"event_types": ("ledger.>",)}, {"max_attempts": 0}],
)
def test_describe_when_consumer_cannot_work_then_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConsumerError):
        Consumer(**{"name": "books", "event_types": ("ledger.*",), "handler": _ignore, **changes})


# --- the real server


class _Line:
    """A bus on a real server, with one consumer that notes what it handles."""

    def __init__(self, server: NatsServer, deliveries: Deliveries, telemetry: RecordedTelemetry) -> None:
        self.telemetry = telemetry
        self.deliveries = deliveries
        self.seen: list[int] = []
        self.make = lambda token=server.token: NatsBus(
            server.url, token=token, service="ledger", deliveries=deliveries, telemetry=telemetry
        )

    def note(self, _transaction: Transaction, envelope: Envelope) -> None:
        self.seen.append(envelope.payload["number"])

    def consumer(self, handler: Handler | None = None, **changes: Any) -> Consumer:  # noqa: ANN401 -- passed on
        described = {"first_retry_seconds": 0.01, "most_retry_seconds": 0.05, "ack_wait_seconds": 1.0, **changes}
        return Consumer(name="books", event_types=("ledger.*",), handler=handler or self.note, **described)

    def run(self, scenario: Callable[[NatsBus], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            bus = self.make()
            bus.start()
            async with asyncio.timeout(_SECONDS):
                await bus.wait_connected()
                await scenario(bus)
                await bus.close()

        asyncio.run(whole())


@pytest.fixture
def line(nats_server: NatsServer, deliveries: Deliveries, telemetry: RecordedTelemetry) -> _Line:
    return _Line(nats_server, deliveries, telemetry)


nats = pytest.mark.needs("nats-server")


@nats
def test_consume_when_published_then_handled_in_order(line: _Line) -> None:
    async def scenario(bus: NatsBus) -> None:
        for number in range(20):
            await bus.publish(_envelope(number))
        await bus.subscribe(line.consumer())
        await _until(lambda: len(line.seen) == 20)

    line.run(scenario)
    assert line.seen == list(range(20))


@nats
def test_publish_when_repeated_then_the_server_keeps_one(line: _Line) -> None:
    stored: list[int] = []

    async def scenario(bus: NatsBus) -> None:
        envelope = _envelope(1)
        await bus.publish(envelope)
        await bus.publish(envelope)
        stored.append(await bus._connection.run(_count_messages))

    line.run(scenario)
    assert stored == [1]


async def _count_messages(stream: JetStreamContext) -> int:
    info = await stream.stream_info(STREAM)
    count: int = info.state.messages
    return count


@nats
def test_consume_when_an_ordered_event_fails_then_later_ones_wait_for_it(line: _Line) -> None:
    failures = [1, 1]

    def fail_twice(transaction: Transaction, envelope: Envelope) -> None:
        if envelope.payload["number"] == 1 and failures:
            failures.pop()
            raise ValueError
        line.note(transaction, envelope)

    async def scenario(bus: NatsBus) -> None:
        await bus.subscribe(line.consumer(fail_twice))
        for number in range(5):
            await bus.publish(_envelope(number))
        await _until(lambda: len(line.seen) == 5)

    line.run(scenario)
    assert line.seen == [0, 1, 2, 3, 4]


@nats
def test_consume_when_an_event_keeps_failing_then_dead_letter_and_the_rest_goes_on(line: _Line) -> None:
    def fail_on_one(transaction: Transaction, envelope: Envelope) -> None:
        if envelope.payload["number"] == 1:
            raise ValueError
        line.note(transaction, envelope)

    async def scenario(bus: NatsBus) -> None:
        await bus.subscribe(line.consumer(fail_on_one, max_attempts=3))
        for number in range(3):
            await bus.publish(_envelope(number))
        await _until(lambda: len(line.seen) == 2)

    line.run(scenario)
    assert (line.seen, [letter.attempts for letter in line.deliveries.dead_letters()]) == ([0, 2], [3])


@nats
def test_consume_when_a_message_is_garbage_then_the_rest_goes_on(line: _Line, nats_server: NatsServer) -> None:
    async def scenario(bus: NatsBus) -> None:
        client = Client()
        await client.connect(nats_server.url, token=nats_server.token, allow_reconnect=False)
        await client.jetstream().publish("sightline.events.ledger.entry_posted", b"\x00garbage")
        await client.close()
        await bus.subscribe(line.consumer())
        await bus.publish(_envelope(1))
        await _until(lambda: line.seen == [1])

    line.run(scenario)
    assert [letter.event_type for letter in line.deliveries.dead_letters()] == ["unreadable"]


@nats
def test_consume_when_handler_takes_longer_than_the_ack_wait_then_delivered_once(line: _Line) -> None:
    entered = threading.Event()
    release = threading.Event()

    def wait(transaction: Transaction, envelope: Envelope) -> None:
        entered.set()
        release.wait(timeout=_SECONDS)
        line.note(transaction, envelope)

    async def scenario(bus: NatsBus) -> None:
        await bus.subscribe(line.consumer(wait, ordered=False, ack_wait_seconds=0.3))
        await bus.publish(_envelope(1))
        await asyncio.to_thread(entered.wait, _SECONDS)
        await asyncio.sleep(1.0)  # three acknowledgement waits: what must not happen within them cannot be waited for
        release.set()
        await _until(lambda: line.seen == [1])

    line.run(scenario)
    assert line.telemetry.value("sightline_events_consumed_total", consumer="books", outcome="duplicate") == 0


@nats
def test_consume_when_not_ordered_and_events_come_one_by_one_then_none_waits_for_a_pull_to_end(line: _Line) -> None:
    waits: list[float] = []

    async def scenario(bus: NatsBus) -> None:
        await bus.subscribe(line.consumer(ordered=False))
        for number in range(7):
            await asyncio.sleep(0.29)  # so that pulls of a second are met at different ages, their ends among them
            began = time.monotonic()
            await bus.publish(_envelope(number))
            await _until(lambda: len(line.seen) == number + 1)  # noqa: B023 -- awaited within the turn
            waits.append(time.monotonic() - began)

    line.run(scenario)
    assert sorted(waits)[3] < 0.1


@nats
def test_consume_when_the_library_raises_a_timeout_of_pythons_own_then_the_consumer_goes_on(
    line: _Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch, ended = JetStreamContext.PullSubscription.fetch, [1]

    async def end_once(pull: JetStreamContext.PullSubscription, *args: Any, **options: Any) -> list[Msg]:  # noqa: ANN401 -- passed on
        if ended:
            ended.pop()
            raise TimeoutError  # as `_fetch_n` of nats-py 2.16 does when its deadline has passed
        return await fetch(pull, *args, **options)

    monkeypatch.setattr(JetStreamContext.PullSubscription, "fetch", end_once)

    async def scenario(bus: NatsBus) -> None:
        await bus.subscribe(line.consumer(ordered=False))
        await bus.publish(_envelope(1))
        await _until(lambda: line.seen == [1])

    line.run(scenario)
    assert ended == []


@nats
def test_consume_when_the_database_is_away_then_the_event_is_held_and_uses_up_no_attempt(line: _Line) -> None:
    outages = [1] * 6

    def lose_database(transaction: Transaction, envelope: Envelope) -> None:
        if outages:
            outages.pop()
            raise DatabaseUnreachableError("gone")
        line.note(transaction, envelope)

    async def scenario(bus: NatsBus) -> None:
        await bus.subscribe(line.consumer(lose_database, max_attempts=1))
        await bus.publish(_envelope(1))
        await _until(lambda: line.seen == [1])

    line.run(scenario)
    assert line.deliveries.dead_letters() == ()


@nats
def test_stop_when_an_event_is_being_handled_then_it_is_finished_first(line: _Line) -> None:
    entered = threading.Event()
    release = threading.Event()

    def wait(transaction: Transaction, envelope: Envelope) -> None:
        entered.set()
        release.wait(timeout=_SECONDS)
        line.note(transaction, envelope)

    async def scenario(bus: NatsBus) -> None:
        subscription = await bus.subscribe(line.consumer(wait))
        await bus.publish(_envelope(1))
        await asyncio.to_thread(entered.wait, _SECONDS)
        stopping = asyncio.ensure_future(subscription.stop())
        release.set()
        await stopping
        assert line.seen == [1]

    line.run(scenario)


@pytest.mark.needs("nats-server", "initdb", "postgres")
def test_consume_when_not_ordered_then_several_at_once(
    nats_server: NatsServer, postgres_database: Database, telemetry: RecordedTelemetry, clock: FakeClock
) -> None:
    facts = Facts(postgres_database, Instruments(TABLE), telemetry, clock, "ledger")
    letters = DeadLetters(postgres_database, telemetry.metrics, clock)
    line = _Line(nats_server, Deliveries(facts, letters, telemetry, clock), telemetry)
    together = threading.Barrier(2)

    def meet(transaction: Transaction, envelope: Envelope) -> None:
        together.wait(timeout=_SECONDS)
        line.note(transaction, envelope)

    async def scenario(bus: NatsBus) -> None:
        await bus.subscribe(line.consumer(meet, ordered=False, max_in_flight=2))
        for number in range(4):
            await bus.publish(_envelope(number))
        await _until(lambda: sorted(line.seen) == [0, 1, 2, 3])

    line.run(scenario)
    assert not together.broken


@nats
def test_publish_when_server_is_killed_then_error_at_once_and_again_well_after(
    line: _Line, nats_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="services.kit.bus")

    async def scenario(bus: NatsBus) -> None:
        await bus.ping()
        await asyncio.to_thread(nats_server.kill)
        with pytest.raises(BusUnavailableError):
            await bus.publish(_envelope(1))
        await _until(lambda: line.telemetry.value("sightline_bus_connected") == 0)
        await _until(lambda: bus._connection._failures >= 3)
        await asyncio.to_thread(nats_server.start)
        await bus.wait_connected()
        await bus.publish(_envelope(2))
        assert line.telemetry.value("sightline_bus_connected") == 1

    line.run(scenario)
    assert [record.getMessage().partition(" at ")[0] for record in caplog.records] == ["lost the event bus"]


@nats
def test_connect_when_token_is_wrong_then_log_says_so_without_it(
    line: _Line, nats_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def scenario() -> None:
        bus = line.make("wrong-canary")
        bus.start()
        await _until(lambda: "refuses our token" in caplog.text)
        with pytest.raises(BusUnavailableError, match="refuses our token"):
            await bus.ping()
        await bus.close()

    asyncio.run(scenario())
    assert "canary" not in caplog.text


@nats
def test_publish_when_the_stream_refuses_then_error_says_trying_does_not_help(line: _Line) -> None:
    async def scenario(bus: NatsBus) -> None:
        await bus._connection.run(_take_short_messages_only)
        with pytest.raises(EventRefusedError, match=r"refuses ledger\.entry_posted"):
            await bus.publish(_envelope(1))

    line.run(scenario)


async def _take_short_messages_only(stream: JetStreamContext) -> None:
    config = (await stream.stream_info(STREAM)).config
    config.max_msg_size = 10
    await stream.update_stream(config)


@nats
def test_consume_when_table_is_broken_then_the_loop_survives(line: _Line, database: Database) -> None:
    async def scenario(bus: NatsBus) -> None:
        with database.transaction() as connection:
            connection.execute(text("ALTER TABLE inbox RENAME TO elsewhere"))
        await bus.subscribe(line.consumer(max_attempts=100))
        await bus.publish(_envelope(1))
        retried = {"consumer": "books", "outcome": "retried"}
        await _until(lambda: line.telemetry.value("sightline_events_consumed_total", **retried) > 0)
        with database.transaction() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO inbox"))
        await _until(lambda: line.seen == [1])

    line.run(scenario)
