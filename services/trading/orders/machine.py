"""The order state machine: what each piece of news makes of an order."""

from datetime import datetime

from services.trading.orders.draft import Step
from services.trading.orders.news import News
from services.trading.orders.order import Order

__all__ = ["News", "Order", "Step", "advance"]


def advance(order: Order, news: News, at: datetime) -> Step:
    """What the order becomes at `at`. Raises nothing for what a venue says: what cannot be becomes an incident."""
    raise NotImplementedError
