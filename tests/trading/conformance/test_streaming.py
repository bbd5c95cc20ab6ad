"""Scenarios 9 to 12: frames that come twice, late, not at all, or as nonsense."""

from collections.abc import Sequence

import pytest

from services.contracts.orders import OrderStatus
from services.contracts.trading import OrderIncidentKind
from services.trading.brokers.port import Told
from tests.trading.conformance.bench import Bench
from tests.trading.conformance.rig import Spoiled


def test_09_an_execution_that_is_told_three_times_is_one_row_of_the_ledger(bench: Bench) -> None:
    bench.rig.side.spoil(Spoiled.DUPLICATE, count=None)
    order = bench.place(bench.intent())
    bench.wait_for_status(order, OrderStatus.FILLED)

    bench.reconcile()  # the account's activities tell it once more, under another name

    assert bench.booked(order) == [10]
    assert bench.position() == bench.rig.side.held("AAPL") == 10


def test_10_frames_that_overtake_each_other_are_booked_right(bench: Bench) -> None:
    bench.rig.side.spoil(Spoiled.OVERTAKEN, count=1, skip=2)
    bench.rig.side.fill_next("1", "2", "3", "4")

    order = bench.place(bench.intent())

    bench.wait_for(lambda: bench.order(order).filled == 10, "everything is booked")
    assert sum(bench.booked(order)) == 10
    assert bench.position() == bench.rig.side.held("AAPL") == 10


@pytest.mark.parametrize("spoiled", [Spoiled.MUTE, Spoiled.DROPPED])
def test_11_what_a_mute_stream_keeps_back_is_found_by_comparing(bench: Bench, spoiled: Spoiled) -> None:
    bench.rig.side.spoil(spoiled, count=None)
    order = bench.place(bench.intent())
    bench.rig.side.fill_next("4")
    part = bench.place(bench.limit(90, leg="part"))

    bench.reconcile()

    assert bench.order(order).status is OrderStatus.FILLED
    assert bench.order(part).status is OrderStatus.PARTIAL
    assert bench.position() == bench.rig.side.held("AAPL") == 14
    assert bench.desk.state().venues[0].stream_connected, "it answers pings all the while"


def test_11_what_the_stream_tells_after_a_comparison_is_not_booked_again(bench: Bench) -> None:
    bench.rig.side.spoil(Spoiled.OVERTAKEN, count=None)
    order = bench.place(bench.intent())
    bench.reconcile()

    bench.rig.side.heal()
    bench.place(bench.limit(90, leg="next"))  # its frames bring the late ones with them

    assert bench.booked(order) == [10]
    assert bench.position() == bench.rig.side.held("AAPL") == 10


@pytest.mark.parametrize("spoiled", [Spoiled.UNKNOWN_STATUS, Spoiled.AFTER_GARBAGE])
def test_12_a_frame_that_nobody_understands_is_kept_and_the_next_one_is_handled(bench: Bench, spoiled: Spoiled) -> None:
    bench.rig.side.spoil(spoiled)
    order = bench.place(bench.intent())

    assert bench.wait_for_status(order, OrderStatus.FILLED).filled == 10
    assert bench.position() == 10
    assert bench.incidents() & {OrderIncidentKind.UNKNOWN_STATUS, OrderIncidentKind.UNREADABLE_FRAME}


def test_12_a_handler_that_fails_keeps_the_frame_and_the_next_one_is_handled(bench: Bench) -> None:
    listener = bench.made.listeners[bench.rig.adapter.name]
    handled, handled_together = listener.update, listener.updates
    failures: list[str] = []

    def fails_once(update: object, raw: str) -> None:
        if not failures:
            failures.append(raw)
            raise RuntimeError("a fault of ours")
        handled(update, raw)  # type: ignore[arg-type]  # whatever the adapter hands over

    def fails_with_it(told: Sequence[Told]) -> None:
        if not failures:
            raise RuntimeError("a fault of ours")
        handled_together(told)

    listener.update = fails_once  # type: ignore[method-assign]
    listener.updates = fails_with_it  # type: ignore[method-assign]
    order = bench.place(bench.intent())

    bench.wait_for_status(order, OrderStatus.FILLED)
    bench.wait_for(lambda: OrderIncidentKind.UNREADABLE_FRAME in bench.incidents(), "the failure is told")
    assert [frame.raw for frame in bench.book.quarantined()] == failures
    assert bench.position() == 10
