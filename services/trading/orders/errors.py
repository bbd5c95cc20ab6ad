"""What the book of orders refuses."""

from http import HTTPStatus

from services.contracts.orders import ClientOrderId
from services.kit.errors import SightlineError
from services.trading.orders.order import Order


class OrderError(SightlineError):
    """Root of the book's errors."""

    code = "order_error"
    title = "The book of orders refused"


class OrderNotFoundError(OrderError):
    """There is no order of that name in our books."""

    status_code = HTTPStatus.NOT_FOUND
    code = "order_not_found"
    title = "There is no such order"

    def __init__(self, client_order_id: ClientOrderId) -> None:
        super().__init__(f"There is no order {client_order_id}. `sightline orders` lists those that there are.")


class OrderNotWorkingError(OrderError):
    """The venue cannot be asked to change the order."""

    status_code = HTTPStatus.CONFLICT
    code = "order_not_working"
    title = "The order does not work"

    def __init__(self, order: Order) -> None:
        hint = (
            f"It has ended: `sightline order {order.client_order_id}` shows how."
            if order.status.terminal
            else "Try again when the venue has said how it stands."
        )
        super().__init__(f"{order.client_order_id} is {order.status}. {hint}")


class RouteNotProvenError(OrderError):
    """An intent may not go on to another venue: an earlier order of it may still trade, or has traded."""

    status_code = HTTPStatus.CONFLICT
    code = "route_not_proven"
    title = "An earlier order of this intent may still trade"

    def __init__(self, order: Order) -> None:
        super().__init__(
            f"{order.client_order_id} is {order.status} with {order.filled} filled. Another order follows only when"
            " nothing was sent, the venue rejected it, or confirmed a cancel with nothing filled."
        )
