"""Reading the book of orders: nothing here changes anything."""

from datetime import datetime

from services.contracts.orders import ClientOrderId, IntentId, OrderIntent
from services.trading.orders import store
from services.trading.orders.errors import OrderNotFoundError
from services.trading.orders.history import Denial, Frame, History, denials, history, quarantined
from services.trading.orders.listing import Wanted, listing
from services.trading.orders.order import Order
from services.trading.orders.transactions import Readings

__all__ = ["BookReader", "Wanted"]


class BookReader:
    """What can be read of every order. Methods block and raise `DatabaseError` when the database is away."""

    def __init__(self, database: Readings) -> None:
        self._database = database

    def get(self, client_order_id: ClientOrderId) -> Order:
        """One order.

        Raises:
            OrderNotFoundError: There is no such order.
        """
        with self._database.reading() as connection:
            order = store.order(connection, client_order_id)
        if order is None:
            raise OrderNotFoundError(client_order_id)
        return order

    def intent(self, intent_id: IntentId) -> OrderIntent | None:
        """What was wanted, None when the id is not known."""
        with self._database.reading() as connection:
            return store.intent(connection, intent_id)

    def of_intent(self, intent_id: IntentId) -> list[Order]:
        """The orders of an intent by their route, legs and replacements included; empty when there is none."""
        with self._database.reading() as connection:
            return store.of_intent(connection, intent_id) if store.knows(connection, intent_id) else []

    def begun_after(self, moment: datetime) -> list[datetime]:
        """When orders were begun after a moment, oldest first."""
        with self._database.reading() as connection:
            return store.submitted_after(connection, moment)

    def listing(self, wanted: Wanted) -> list[Order]:
        """Orders, the newest first."""
        with self._database.reading() as connection:
            return listing(connection, wanted)

    def history(self, client_order_id: ClientOrderId) -> History:
        """Everything that happened to an order.

        Raises:
            OrderNotFoundError: There is no such order.
        """
        with self._database.reading() as connection:
            order = store.order(connection, client_order_id)
            if order is None:
                raise OrderNotFoundError(client_order_id)
            return history(connection, order)

    def denials(self, intent_id: IntentId | None = None, *, limit: int = 100) -> list[Denial]:
        """What was refused, the newest first, of one intent or of all."""
        with self._database.reading() as connection:
            return denials(connection, intent_id, limit)

    def quarantined(self, *, limit: int = 100) -> list[Frame]:
        """Frames that could not be handled, the newest first."""
        with self._database.reading() as connection:
            return quarantined(connection, limit)
