"""The form in which an order is checked and sent."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.market import OrderClass, OrderType
from services.contracts.orders import OrderTicket, StopLoss
from services.trading.risk.form import fitted
from tests.trading.risk.sights import ticket


@pytest.mark.parametrize(
    ("written", "sent"),
    [("100.500000", "100.50"), ("100", "100.00"), ("0.1234", "0.1234"), ("0.12", "0.1200"), ("100.005", "100.005")],
)
def test_price_when_fitted_then_it_is_written_to_the_tick_and_never_rounded(written: str, sent: str) -> None:
    order = fitted(ticket(order_type=OrderType.LIMIT, limit_price=Decimal(written)))
    assert str(order.limit_price) == sent


@pytest.mark.parametrize(("written", "sent"), [("10.000", "10"), ("1E+2", "100"), ("0.100000000", "0.1")])
def test_quantity_when_fitted_then_it_has_no_trailing_zeros_and_no_exponent(written: str, sent: str) -> None:
    assert str(fitted(ticket(quantity=Decimal(written))).quantity) == sent


def test_sum_of_floats_when_fitted_then_it_stays_what_it_is() -> None:
    order = fitted(ticket(quantity=Decimal("0.1") + Decimal("0.2")))
    assert str(order.quantity) == "0.3"


def test_bracket_when_fitted_then_its_legs_are_written_to_the_tick_too() -> None:
    legs = {
        "take_profit": Decimal("110.5"),
        "stop_loss": StopLoss(stop_price=Decimal("95.1"), limit_price=Decimal("94.9")),
    }
    order = fitted(ticket(order_class=OrderClass.BRACKET, **legs))
    assert order.stop_loss is not None
    assert (str(order.take_profit), str(order.stop_loss.stop_price), str(order.stop_loss.limit_price)) == (
        "110.50",
        "95.10",
        "94.90",
    )


@settings(deadline=None)
@given(
    st.decimals("0.000000001", 10**8, places=9),
    st.decimals("0.000001", 10**6, places=6),
)
def test_ticket_when_fitted_then_it_asks_for_the_same_and_is_a_ticket(quantity: Decimal, price: Decimal) -> None:
    order = ticket(quantity=quantity, order_type=OrderType.LIMIT, limit_price=price)
    sent = fitted(order)
    assert sent == order
    assert OrderTicket.model_validate(sent.model_dump()) == sent
    assert fitted(sent) == sent
