"""How many more calls a venue takes, and what the last ones are kept for."""

import pytest

from services.trading.brokers.port import NotSent
from services.trading.wire.budget import RateBudget, Use
from services.trading.wire.outcomes import BudgetUsedUpError
from tests.fakes.clock import FakeClock
from tests.trading.brokers.papers import NAME, TICKET, broker_at, order_document
from tests.trading.brokers.sockets import SocketServer, answer

LIMIT = 200


class Counted:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.budget = RateBudget(self.clock)

    def hear(self, left: int, *, resets_in: float = 30.0) -> None:
        reset = str(int(self.clock.now().timestamp() + resets_in))
        headers = {"X-Ratelimit-Limit": str(LIMIT), "X-Ratelimit-Remaining": str(left), "X-Ratelimit-Reset": reset}
        self.budget.heard(headers)


@pytest.fixture
def counted() -> Counted:
    return Counted()


def test_a_venue_that_has_not_said_anything_is_not_limited(counted: Counted) -> None:
    counted.budget.take(Use.ORDER)
    assert counted.budget.left is None


def test_calls_are_counted_between_answers(counted: Counted) -> None:
    counted.hear(150)
    counted.budget.take(Use.ORDER)
    counted.budget.take(Use.CANCEL)
    assert counted.budget.left == 148


def test_an_answer_that_was_overtaken_does_not_raise_the_figure(counted: Counted) -> None:
    counted.hear(140)
    counted.hear(150)
    assert counted.budget.left == 140


def test_a_new_window_raises_the_figure(counted: Counted) -> None:
    counted.hear(3)
    counted.hear(199, resets_in=60)
    assert counted.budget.left == 199


def test_orders_leave_a_share_to_questions_and_these_to_cancels(counted: Counted) -> None:
    counted.hear(40)
    with pytest.raises(BudgetUsedUpError):
        counted.budget.take(Use.ORDER)
    counted.budget.take(Use.QUESTION)
    counted.hear(10)
    with pytest.raises(BudgetUsedUpError):
        counted.budget.take(Use.QUESTION)
    counted.hear(0)
    counted.budget.take(Use.CANCEL)


def test_the_error_says_how_long_to_wait(counted: Counted) -> None:
    counted.hear(0, resets_in=30)
    with pytest.raises(BudgetUsedUpError) as used_up:
        counted.budget.take(Use.ORDER)
    assert used_up.value.retry_after_seconds == pytest.approx(30, abs=1)


def test_the_window_ends_when_the_venue_said(counted: Counted) -> None:
    counted.hear(0, resets_in=30)
    counted.clock.advance(31)
    counted.budget.take(Use.ORDER)
    assert counted.budget.left == LIMIT - 1


def test_a_clock_that_goes_wrong_blocks_for_no_longer_than_a_window(counted: Counted) -> None:
    counted.hear(0, resets_in=86_400)
    counted.clock.advance(61)
    counted.budget.take(Use.ORDER)


def test_figures_that_are_none_are_passed_over(counted: Counted) -> None:
    counted.budget.heard({"X-Ratelimit-Limit": "many", "X-Ratelimit-Remaining": "1", "X-Ratelimit-Reset": "soon"})
    assert counted.budget.left is None


def test_a_submit_when_the_budget_is_used_up_is_not_sent_and_a_cancel_is() -> None:
    spent = {"x_ratelimit_limit": "200", "x_ratelimit_remaining": "40", "x_ratelimit_reset": "99999999999"}
    with SocketServer(answer(200, order_document(), **spent), answer(204)) as server:
        broker = broker_at(server.url)
        order = broker.find(NAME)
        assert order is not None
        assert broker.rate_limit_left == 40
        outcome = broker.submit(NAME, TICKET)
        assert isinstance(outcome, NotSent)
        assert "takes 40 more calls" in outcome.reason
        broker.cancel(order.venue_order_id)
        assert [heard.method for heard in server.heard] == ["GET", "DELETE"]
