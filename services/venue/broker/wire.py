"""What the paper broker sends, field by field as Alpaca names them."""

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Final
from uuid import NAMESPACE_DNS, uuid5

from services.contracts.market import Instrument, OrderClass, Side, Symbol
from services.contracts.orders import VenueOrderId
from services.matching.account import Holding
from services.venue.broker.figures import decimal_text, optional_decimal, optional_time, time_text
from services.venue.broker.orders import Execution, PaperOrder, Status

Document = dict[str, object]
_CLASS: Final = "us_equity"
_EXCHANGE: Final = "NASDAQ"


@lru_cache(maxsize=4096)
def asset_id(symbol: str) -> str:
    """The id of a symbol, the same on every venue."""
    return str(uuid5(NAMESPACE_DNS, f"{symbol}.assets.sightline"))


def order_document(order: PaperOrder, leg: Callable[[VenueOrderId], PaperOrder] | None = None) -> Document:
    """An order; with `leg`, its legs too."""
    legs = [order_document(leg(each)) for each in order.legs] if leg is not None and order.legs else None
    return {
        "id": order.order_id,
        "client_order_id": order.client_order_id,
        "created_at": time_text(order.created_at),
        "updated_at": time_text(order.updated_at),
        "submitted_at": time_text(order.submitted_at),
        "filled_at": optional_time(order.filled_at),
        "expired_at": optional_time(order.expired_at),
        "canceled_at": optional_time(order.canceled_at),
        "failed_at": optional_time(order.failed_at),
        "replaced_at": optional_time(order.replaced_at),
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": asset_id(order.symbol),
        "symbol": order.symbol,
        "asset_class": _CLASS,
        "notional": optional_decimal(order.notional),
        "qty": None if order.notional is not None else decimal_text(order.quantity),
        "filled_qty": decimal_text(order.filled),
        "filled_avg_price": optional_decimal(order.average_price),
        "order_class": "" if order.order_class is OrderClass.SIMPLE else order.order_class.value,
        "order_type": order.order_type.value,
        "type": order.order_type.value,
        "side": order.side.value,
        "position_intent": None,
        "time_in_force": order.time_in_force.value,
        "limit_price": optional_decimal(order.limit_price),
        "stop_price": optional_decimal(order.stop_price),
        "status": order.status.value,
        "extended_hours": order.extended_hours,
        "legs": legs,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
        "subtag": None,
        "source": None,
    }


def position_document(
    symbol: Symbol, holding: Holding, *, price: Decimal, yesterday: Decimal, available: Decimal
) -> Document:
    """A position, valued at `price`; `yesterday` is the last close before today, both in dollars."""
    quantity, entry, cost = holding.quantity, round(holding.average_price, 6), holding.cost
    value = quantity * price
    gain, gain_today = value - cost, quantity * (price - yesterday)
    return {
        "asset_id": asset_id(symbol),
        "symbol": symbol,
        "exchange": _EXCHANGE,
        "asset_class": _CLASS,
        "asset_marginable": True,
        "qty": decimal_text(quantity),
        "qty_available": decimal_text(available),
        "avg_entry_price": decimal_text(entry),
        "side": "long" if quantity > 0 else "short",
        "market_value": decimal_text(value),
        "cost_basis": decimal_text(cost),
        "unrealized_pl": decimal_text(gain),
        "unrealized_plpc": _share(gain, abs(cost)),
        "unrealized_intraday_pl": decimal_text(gain_today),
        "unrealized_intraday_plpc": _share(gain_today, abs(quantity * yesterday)),
        "current_price": decimal_text(price),
        "lastday_price": decimal_text(yesterday),
        "change_today": _share(price - yesterday, yesterday),
    }


def activity_document(execution: Execution, status: Status) -> Document:
    """A fill among the account's activities."""
    return {
        "id": activity_id(execution),
        "activity_type": "FILL",
        "transaction_time": time_text(execution.at),
        "type": "partial_fill" if execution.leaves else "fill",
        "price": decimal_text(execution.price),
        "qty": decimal_text(execution.quantity),
        "side": _activity_side(execution),
        "symbol": execution.symbol,
        "leaves_qty": decimal_text(execution.leaves),
        "order_id": execution.order_id,
        "cum_qty": decimal_text(execution.cumulative),
        "order_status": status.value,
    }


def activity_id(execution: Execution) -> str:
    """`20220203000000000::<execution id>`: sorts by time."""
    return f"{execution.at:%Y%m%d%H%M%S}{execution.at.microsecond // 1000:03d}::{execution.execution_id}"


def asset_document(instrument: Instrument) -> Document:
    """An asset. While it is halted it is not tradable."""
    return {
        "id": asset_id(instrument.symbol),
        "class": _CLASS,
        "exchange": _EXCHANGE,
        "symbol": instrument.symbol,
        "name": f"{instrument.symbol} (paper)",
        "status": "active",
        "tradable": instrument.tradable and not instrument.halted,
        "marginable": True,
        "maintenance_margin_requirement": 30,
        "shortable": instrument.shortable,
        "easy_to_borrow": instrument.shortable,
        "fractionable": instrument.fractionable,
        "attributes": [],
    }


def symbol_of(text: str) -> Symbol:
    """A ticker as customers write it."""
    return Symbol(text.strip().upper())


def _activity_side(execution: Execution) -> str:
    """Alpaca tells short sales apart here, and nowhere else."""
    if execution.side is Side.SELL and execution.position < 0:
        return "sell_short"
    return execution.side.value


def _share(part: Decimal, whole: Decimal) -> str:
    return decimal_text(round(part / whole, 10)) if whole else "0"
