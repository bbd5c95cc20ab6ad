"""Which venue an order goes to."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.market import OrderClass, OrderType, Side, TimeInForce
from services.contracts.orders import DenyReason, OrderTicket, StopLoss, VenueName
from services.trading.routing.choice import Candidate, Held, rank
from tests.trading.routing.venues import ALPHA, BETA, GAMMA, ticket, venue

UNHURRIED = settings(deadline=None)


def held(quantity: int | str, closing: int | str = 0) -> Held:
    return Held(Decimal(quantity), Decimal(closing))


def test_entry_when_several_are_healthy_then_the_best_comes_first() -> None:
    choice = rank([venue(ALPHA, 0.5), venue(BETA, 0.9), venue(GAMMA, 0.7)], ticket(), {})
    assert choice.venues == (BETA, GAMMA, ALPHA)


def test_entry_when_scores_are_equal_then_the_name_decides() -> None:
    assert rank([venue(BETA), venue(ALPHA)], ticket(), {}).venues == (ALPHA, BETA)


def test_entry_when_another_is_slightly_better_then_the_one_in_use_stays() -> None:
    assert rank([venue(ALPHA, 0.80), venue(BETA, 0.89)], ticket(), {}, ALPHA).venues == (ALPHA, BETA)


def test_entry_when_another_is_better_by_the_margin_then_it_takes_over() -> None:
    assert rank([venue(ALPHA, 0.70), venue(BETA, 0.89)], ticket(), {}, ALPHA).venues == (BETA, ALPHA)


def test_entry_when_the_one_in_use_is_unhealthy_then_any_healthy_one_takes_over() -> None:
    choice = rank([venue(ALPHA, 1.0, healthy=False), venue(BETA, 0.1)], ticket(), {}, ALPHA)
    assert choice.venues == (BETA,)


def test_entry_when_none_is_healthy_then_it_says_why_not() -> None:
    choice = rank([venue(ALPHA, healthy=False)], ticket(), {})
    assert (choice.venues, choice.reason) == ((), DenyReason.NO_VENUE)
    assert "alpha its stream is mute" in choice.detail


def test_entry_when_none_is_healthy_then_it_names_where_the_order_would_have_gone() -> None:
    candidates = [venue(ALPHA, 0.2, healthy=False), venue(BETA, 0.1, healthy=False), venue(GAMMA, live_orders=False)]
    assert rank(candidates, ticket(), {}).nearest == ALPHA
    assert rank(candidates, ticket(), {}, BETA).nearest == BETA
    assert rank(candidates, ticket(Side.SELL, 15), {BETA: held(10)}).nearest == BETA
    assert rank(candidates[2:], ticket(), {}).nearest is None


def test_entry_when_no_venue_is_set_up_then_it_says_so() -> None:
    choice = rank([], ticket(), {})
    assert choice.reason is DenyReason.NOT_SUPPORTED
    assert "none is set up" in choice.detail


_LEGS = {"order_class": OrderClass.BRACKET, "take_profit": "110", "stop_loss": StopLoss(stop_price=Decimal(90))}


@pytest.mark.parametrize(
    ("order", "can", "words"),
    [
        (ticket(), {"live_orders": False}, "is for research"),
        (
            ticket(order_type=OrderType.STOP, stop_price="9"),
            {"order_types": frozenset({OrderType.MARKET})},
            "takes no stop orders",
        ),
        (
            ticket(time_in_force=TimeInForce.FOK),
            {"times_in_force": frozenset({TimeInForce.DAY})},
            "takes no fok orders",
        ),
        (ticket(**_LEGS), {"order_classes": frozenset({OrderClass.SIMPLE})}, "takes no bracket orders"),
        (ticket(Side.SELL), {"shorting": False}, "does not sell short"),
    ],
    ids=["research", "type", "time in force", "class", "short"],
)
def test_entry_when_a_venue_cannot_do_it_then_another_is_taken_or_it_says_what(
    order: OrderTicket, can: dict[str, Any], words: str
) -> None:
    assert rank([venue(ALPHA, **can), venue(BETA, 0.1)], order, {}).venues == (BETA,)
    choice = rank([venue(ALPHA, **can)], order, {})
    assert choice.reason is DenyReason.NOT_SUPPORTED
    assert words in choice.detail


def test_exit_when_its_venue_is_unhealthy_then_it_goes_there_all_the_same() -> None:
    choice = rank([venue(ALPHA, 0.0, healthy=False), venue(BETA)], ticket(Side.SELL), {ALPHA: held(10)}, BETA)
    assert choice.venues == (ALPHA,)


def test_exit_when_its_venue_does_not_sell_short_then_it_goes_there_all_the_same() -> None:
    assert rank([venue(ALPHA, shorting=False)], ticket(Side.SELL), {ALPHA: held(10)}).venues == (ALPHA,)


def test_exit_when_its_venue_became_a_research_source_then_it_is_refused() -> None:
    choice = rank([venue(ALPHA, live_orders=False), venue(BETA)], ticket(Side.SELL), {ALPHA: held(10)})
    assert choice.reason is DenyReason.NOT_SUPPORTED
    assert "alpha holds the shares: alpha is for research" in choice.detail


def test_exit_when_its_venue_is_not_set_up_then_it_is_refused_by_name() -> None:
    choice = rank([venue(BETA)], ticket(Side.SELL), {ALPHA: held(10)})
    assert choice.reason is DenyReason.HELD_ELSEWHERE
    assert "held at alpha, which is not set up" in choice.detail


def test_exit_when_two_hold_enough_then_the_closer_position_is_closed() -> None:
    holdings = {ALPHA: held(50), BETA: held(12), GAMMA: held(5)}
    assert rank([venue(ALPHA), venue(BETA), venue(GAMMA)], ticket(Side.SELL), holdings).venues == (BETA,)


def test_exit_when_only_all_together_hold_enough_then_it_says_how_much_is_where() -> None:
    choice = rank([venue(ALPHA), venue(BETA)], ticket(Side.SELL), {ALPHA: held(9, 3), BETA: held(4)})
    assert choice.reason is DenyReason.HELD_ELSEWHERE
    assert "6 at alpha, 4 at beta" in choice.detail


def test_cover_when_a_venue_is_short_then_buying_goes_there() -> None:
    choice = rank([venue(ALPHA), venue(BETA, 0.1)], ticket(), {BETA: held(-10)})
    assert choice.venues == (BETA,)


def test_order_when_it_turns_a_position_then_it_goes_to_the_holder_while_that_is_healthy() -> None:
    candidates = [venue(ALPHA, 0.1), venue(BETA)]
    assert rank(candidates, ticket(Side.SELL, 15), {ALPHA: held(10)}).venues == (ALPHA,)
    candidates[0] = venue(ALPHA, healthy=False)
    assert rank(candidates, ticket(Side.SELL, 15), {ALPHA: held(10)}).reason is DenyReason.NO_VENUE


def test_order_when_all_shares_are_being_closed_then_it_goes_to_no_other_venue() -> None:
    choice = rank([venue(ALPHA), venue(BETA)], ticket(Side.SELL, 5), {ALPHA: held(10, 10)})
    assert choice.venues == (ALPHA,)


def test_entry_when_it_adds_to_a_position_then_it_may_go_to_any_venue() -> None:
    assert rank([venue(ALPHA, 0.1), venue(BETA)], ticket(), {ALPHA: held(10)}).venues == (BETA, ALPHA)


names = st.sampled_from([ALPHA, BETA, GAMMA])
candidates_of = st.lists(
    st.builds(venue, names, st.floats(0, 1), healthy=st.booleans(), live_orders=st.booleans(), shorting=st.booleans()),
    unique_by=lambda each: each.venue,
)
holdings_of = st.dictionaries(
    names,
    st.builds(
        lambda quantity, share: held(quantity, abs(quantity) * share // 4), st.integers(-20, 20), st.integers(0, 4)
    ),
)
tickets = st.builds(ticket, st.sampled_from(Side), st.integers(1, 30))
in_use_of = st.none() | names


@UNHURRIED
@given(candidates_of, tickets, holdings_of, in_use_of)
def test_exit_when_anything_is_held_against_it_then_it_never_leaves_the_holders(
    candidates: list[Candidate], order: OrderTicket, holdings: dict[VenueName, Held], in_use: VenueName | None
) -> None:
    choice = rank(candidates, order, holdings, in_use)
    holders = {name for name, each in holdings.items() if each.quantity * order.side.sign < 0}
    if holders:
        assert len(choice.venues) <= 1
        assert set(choice.venues) <= holders


@UNHURRIED
@given(candidates_of, tickets, in_use_of)
def test_entry_when_venues_are_ranked_then_no_unhealthy_one_is_among_them_and_all_others_are(
    candidates: list[Candidate], order: OrderTicket, in_use: VenueName | None
) -> None:
    choice = rank(candidates, order, {}, in_use)
    able = {
        each.venue
        for each in candidates
        if each.healthy and each.capabilities.live_orders and (order.side is Side.BUY or each.capabilities.shorting)
    }
    assert set(choice.venues) == able
    assert len(choice.venues) == len(able)


@UNHURRIED
@given(candidates_of, tickets, holdings_of, in_use_of)
def test_choice_when_it_names_no_venue_then_it_says_why(
    candidates: list[Candidate], order: OrderTicket, holdings: dict[VenueName, Held], in_use: VenueName | None
) -> None:
    choice = rank(candidates, order, holdings, in_use)
    assert bool(choice.venues) is (choice.reason is None)
    assert bool(choice.venues) is (choice.detail == "")
    assert (choice.nearest is not None) is (choice.reason is DenyReason.NO_VENUE)


@UNHURRIED
@given(candidates_of, tickets, holdings_of, in_use_of)
def test_research_source_when_anything_is_chosen_then_it_never_is(
    candidates: list[Candidate], order: OrderTicket, holdings: dict[VenueName, Held], in_use: VenueName | None
) -> None:
    sources = {each.venue for each in candidates if not each.capabilities.live_orders}
    assert not sources & set(rank(candidates, order, holdings, in_use).venues)


@UNHURRIED
@given(st.lists(st.tuples(st.floats(0.5, 0.58), st.floats(0.5, 0.58)), min_size=2, max_size=20))
def test_venues_when_they_stay_about_equal_then_they_never_take_turns(scores: list[tuple[float, float]]) -> None:
    in_use: VenueName | None = None
    chosen = set()
    for alpha, beta in scores:
        in_use = rank([venue(ALPHA, alpha), venue(BETA, beta)], ticket(), {}, in_use).venues[0]
        chosen.add(in_use)
    assert len(chosen) == 1
