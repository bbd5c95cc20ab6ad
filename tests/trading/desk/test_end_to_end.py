"""The desk as it runs, with the real alpaca-py at paper venues: what the venue has in the end is what was wanted."""

import time
from decimal import Decimal
from pathlib import Path

from services.contracts.market import Side
from services.contracts.orders import OrderStatus, TradingState
from tests.trading.desk.running import papers
from tests.trading.desk.support import ALPHA, BETA


def test_an_order_is_filled_and_its_fill_links_to_the_trace_of_its_submit(tmp_path: Path) -> None:
    with papers(tmp_path, "alpha") as house, house.running() as desk:
        (order,) = desk.submit(house.intent()).orders
        house.wait_for(lambda: house.book.get(order.client_order_id).status is OrderStatus.FILLED)

        spans = house.telemetry.spans.get_finished_spans()
        submit = next(span for span in spans if span.name == "submit order")
        house.wait_for(lambda: any(span.name == "book fill" for span in house.telemetry.spans.get_finished_spans()))
        fill = next(span for span in house.telemetry.spans.get_finished_spans() if span.name == "book fill")
        assert submit.context is not None
        assert [link.context.span_id for link in fill.links] == [submit.context.span_id]
        assert [holding.position.quantity for holding in desk.positions()] == [10]


def test_a_504_after_acceptance_leaves_exactly_one_order(tmp_path: Path) -> None:
    with papers(tmp_path, "alpha", "beta") as house, house.running() as desk:
        house.prefer(ALPHA)
        house.papers[ALPHA].served.fault("gateway_timeout", on=["submit"], when="after")
        (order,) = desk.submit(house.limit("entry")).orders
        assert order.venue == ALPHA

        house.wait_for(lambda: house.book.get(order.client_order_id).status is OrderStatus.OPEN)

        assert house.papers[ALPHA].names() == [order.client_order_id]
        assert house.papers[BETA].names() == []


def test_a_venue_that_cannot_be_reached_hands_the_order_to_the_next(tmp_path: Path) -> None:
    with papers(tmp_path, "alpha", "beta") as house, house.running() as desk:
        house.warm_up(ALPHA)
        before = house.papers[ALPHA].names()
        house.papers[ALPHA].gate.cut()

        placed = desk.submit(house.limit("entry"))

        assert [(order.venue, order.status) for order in placed.orders] == [
            (ALPHA, OrderStatus.NOT_SENT),
            (BETA, OrderStatus.OPEN),
        ]
        assert house.papers[ALPHA].names() == before
        house.papers[ALPHA].gate.mend()
        house.wait_for(lambda: all(venue.ready for venue in desk.state().venues))


def test_an_answer_that_is_lost_resolves_itself_when_the_venue_is_back(tmp_path: Path) -> None:
    with papers(tmp_path, "alpha", "beta") as house, house.running() as desk:
        house.prefer(ALPHA)
        house.papers[ALPHA].served.fault("drop", on=["submit"], when="after")
        house.papers[ALPHA].served.fault("mute", count=None)
        (order,) = desk.submit(house.intent()).orders
        assert order.status is OrderStatus.UNKNOWN

        house.wait_for(lambda: house.book.get(order.client_order_id).status is OrderStatus.FILLED)

        assert house.papers[BETA].names() == []


def test_a_mute_stream_loses_no_fill(tmp_path: Path) -> None:
    with papers(tmp_path, "alpha") as house, house.running() as desk:
        (order,) = desk.submit(house.limit("entry")).orders
        house.papers[ALPHA].served.fault("mute", count=None)

        house.papers[ALPHA].served.push("AAPL", 89)

        house.wait_for(lambda: house.book.get(order.client_order_id).status is OrderStatus.FILLED)
        assert [holding.position.quantity for holding in desk.positions()] == [10]


def test_a_restart_goes_on_where_the_process_ended(tmp_path: Path) -> None:
    with papers(tmp_path, "alpha") as house:
        with house.running() as desk:
            (order,) = desk.submit(house.limit("entry")).orders
        house.papers[ALPHA].served.push("AAPL", 89)
        house.__post_init__()

        with house.running() as desk:
            house.wait_for(lambda: house.book.get(order.client_order_id).status is OrderStatus.FILLED)
            assert desk.unended() == ()


def test_the_kill_switch_ends_fifty_orders_and_twenty_positions_in_moments(tmp_path: Path) -> None:
    symbols = [f"S{letter}" for letter in "ABCDEFGHIJKLMNOPQRST"]
    prices = dict.fromkeys([*symbols, "AAPL"], 100)
    with papers(tmp_path, "alpha", prices=prices, cash=Decimal(1_000_000)) as house, house.running() as desk:
        for symbol in symbols:
            side = Side.SELL if symbol in symbols[:5] else Side.BUY
            assert desk.submit(house.intent(f"hold-{symbol.lower()}", symbol=symbol, side=side)).denial is None
        for number in range(50):
            assert desk.submit(house.limit(f"leg-{number}", 90)).denial is None
        house.wait_for(lambda: len(desk.unended()) == 50)
        house.wait_for(lambda: sum(holding.position.quantity != 0 for holding in desk.positions()) == 20)

        began = time.monotonic()
        report = desk.halt("operator", "a drill")
        seconds = time.monotonic() - began

        assert (report.flat, report.canceled, report.flattened) == (True, 50, 20), report
        assert seconds < 20  # two seconds are promised on a quiet machine; benchmarks hold the figure
        assert desk.state().state is TradingState.HALTED
        house.wait_for(lambda: all(holding.position.quantity == 0 for holding in desk.positions()))
        print(f"kill switch: {report.seconds:.2f} s")  # noqa: T201 -- shown with -s
