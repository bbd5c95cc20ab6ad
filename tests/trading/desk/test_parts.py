"""The smaller parts: what was sent lately, what venues say of symbols, market hours, traces."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from services.contracts.market import Instrument
from services.contracts.orders import VenueName
from services.kit.market_calendar import MarketCalendar
from services.trading.brokers.port import VenueUnavailableError
from services.trading.desk import tracing
from services.trading.desk.instrument_cache import InstrumentCache
from services.trading.desk.market_hours import MarketHours
from services.trading.desk.sent import SentLog
from services.trading.risk.sight import Market
from tests.fakes.broker import MORNING, FakeBroker
from tests.fakes.clock import FakeClock
from tests.trading.desk.support import AAPL, ALPHA, DeskHouse, Traces


def test_moments_older_than_the_window_are_forgotten() -> None:
    sent = SentLog(timedelta(seconds=60))
    for seconds in (0, 30, 50):
        sent.add(MORNING + timedelta(seconds=seconds), ALPHA, Decimal(1))

    assert len(sent.moments(MORNING + timedelta(seconds=80))) == 2


def test_what_orders_cost_counts_until_the_venue_has_told_of_its_account() -> None:
    sent = SentLog(timedelta(seconds=60))
    sent.add(MORNING, ALPHA, Decimal(100))
    sent.add(MORNING + timedelta(seconds=2), ALPHA, Decimal(10))

    assert sent.committed(ALPHA, MORNING - timedelta(seconds=1)) == 110
    assert sent.committed(ALPHA, MORNING + timedelta(seconds=1)) == 10
    assert sent.committed(VenueName("beta"), MORNING) == 0


class Cached:
    """A cache in front of one venue, that counts the questions."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.broker = FakeBroker("alpha")
        self.asked = 0
        real = self.broker.instrument

        def instrument(symbol: object) -> Instrument | None:
            self.asked += 1
            return real(symbol)  # type: ignore[arg-type]

        self.broker.instrument = instrument  # type: ignore[method-assign, assignment]
        self.cache = InstrumentCache({ALPHA: self.broker}, self.clock)


def test_a_symbol_is_asked_for_once_and_again_in_the_background() -> None:
    house = Cached()
    house.cache.get(ALPHA, AAPL)
    house.clock.advance(61)
    house.cache.get(ALPHA, AAPL)
    assert house.asked == 1

    house.cache.refresh(ALPHA)
    house.cache.refresh(ALPHA)

    assert house.asked == 2


def test_what_is_known_serves_while_the_venue_is_away() -> None:
    house = Cached()
    house.cache.get(ALPHA, AAPL)
    house.broker.away = "no route to host"
    house.clock.advance(2_000)

    assert house.cache.get(ALPHA, AAPL) == Instrument(symbol=AAPL)


def test_what_was_never_told_is_said_so() -> None:
    house = Cached()
    house.broker.away = "no route to host"

    with pytest.raises(VenueUnavailableError):
        house.cache.get(ALPHA, AAPL)


@pytest.mark.parametrize(
    ("moment", "market"),
    [
        (datetime(2026, 3, 2, 14, 29, 59, tzinfo=UTC), Market.EXTENDED),
        (datetime(2026, 3, 2, 14, 30, tzinfo=UTC), Market.OPEN),
        (datetime(2026, 3, 2, 21, 0, tzinfo=UTC), Market.EXTENDED),
        (datetime(2026, 3, 2, 8, 59, tzinfo=UTC), Market.CLOSED),
        (datetime(2026, 3, 3, 1, 0, tzinfo=UTC), Market.CLOSED),
        (datetime(2026, 3, 1, 16, 0, tzinfo=UTC), Market.CLOSED),  # a Sunday
        (datetime(2026, 11, 27, 18, 30, tzinfo=UTC), Market.EXTENDED),  # after a half day
        (datetime(1900, 1, 1, tzinfo=UTC), Market.CLOSED),  # beyond the calendar
    ],
)
def test_market_hours_follow_the_exchange(moment: datetime, market: Market) -> None:
    assert MarketHours(MarketCalendar(FakeClock())).market(moment) is market


def test_a_submit_belongs_to_the_trace_of_its_wish(house: DeskHouse) -> None:
    wish = SpanContext(0xA1, 0xB1, is_remote=True, trace_flags=TraceFlags(1))
    intent = house.intent().model_copy(update={"traceparent": f"00-{wish.trace_id:032x}-{wish.span_id:016x}-01"})

    house.desk.submit(intent)

    submit = _span(house.telemetry, "submit order")
    assert submit.context.trace_id == wish.trace_id
    assert submit.parent.span_id == wish.span_id
    (order,) = house.book.of_intent(intent.intent_id)
    assert order.traceparent.split("-")[1:3] == [f"{wish.trace_id:032x}", f"{submit.context.span_id:016x}"]


def test_a_call_that_is_part_of_another_trace_is_linked_to(house: DeskHouse) -> None:
    wish = SpanContext(0xA1, 0xB1, is_remote=True, trace_flags=TraceFlags(1))
    call = SpanContext(0xA2, 0xB2, is_remote=False, trace_flags=TraceFlags(1))
    intent = house.intent().model_copy(update={"traceparent": f"00-{wish.trace_id:032x}-{wish.span_id:016x}-01"})

    with use_span(NonRecordingSpan(call)):
        house.desk.submit(intent)

    submit = _span(house.telemetry, "submit order")
    assert submit.context.trace_id == wish.trace_id
    assert [link.context.trace_id for link in submit.links] == [call.trace_id]


def test_a_call_of_the_same_trace_is_the_parent(house: DeskHouse) -> None:
    call = SpanContext(0xA2, 0xB2, is_remote=False, trace_flags=TraceFlags(1))
    intent = house.intent().model_copy(update={"traceparent": f"00-{call.trace_id:032x}-{0xB0:016x}-01"})

    with use_span(NonRecordingSpan(call)):
        house.desk.submit(intent)

    submit = _span(house.telemetry, "submit order")
    assert submit.parent.span_id == call.span_id
    assert not submit.links


def test_a_traceparent_that_is_none_starts_a_trace_of_its_own(house: DeskHouse) -> None:
    assert tracing._context_of("not a traceparent") is None

    house.desk.submit(house.intent().model_copy(update={"traceparent": "not a traceparent"}))

    assert _span(house.telemetry, "submit order").parent is None


def _span(telemetry: Traces, name: str):  # type: ignore[no-untyped-def]  # noqa: ANN202 -- the SDK's own
    return next(span for span in telemetry.spans.get_finished_spans() if span.name == name)
