"""Why the core will not work an order, in words; "" when it will. Accounts and ticks are the venue's to check."""

from services.contracts.market import OrderType, TimeInForce
from services.matching.orders import AT_ONCE, STOPS, WorkingOrder


def order_problem(order: WorkingOrder) -> str:
    """What keeps a single order from being worked."""
    if order.time_in_force in AT_ONCE and order.order_type in STOPS:
        return f"a {order.order_type} order waits for its price: it is day or gtc, not {order.time_in_force}"
    return ""


def oco_problem(target: WorkingOrder, stop: WorkingOrder) -> str:
    """What keeps a pair of exits from being worked."""
    if target.order_type is not OrderType.LIMIT:
        return "the target of a pair of exits is a limit order"
    if stop.order_type not in STOPS:
        return "the stop of a pair of exits is a stop or a stop-limit order"
    if (target.symbol, target.side, target.quantity) != (stop.symbol, stop.side, stop.quantity):
        return "both exits have the same symbol, side and quantity"
    if target.time_in_force in AT_ONCE or target.time_in_force is not stop.time_in_force:
        return "both exits are day orders, or both are gtc"
    return ""


def bracket_problem(entry: WorkingOrder, target: WorkingOrder, stop: WorkingOrder) -> str:
    """What keeps a bracket from being worked."""
    if problem := order_problem(entry) or oco_problem(target, stop):
        return problem
    if (target.symbol, target.side, target.quantity) != (entry.symbol, entry.side.opposite, entry.quantity):
        return "exits have the entry's symbol and quantity, and the opposite side"
    if entry.time_in_force is TimeInForce.GTC and target.time_in_force is TimeInForce.DAY:
        return "exits do not end before their entry: with a gtc entry they are gtc"
    return ""


def replacement_problem(old: WorkingOrder, new: WorkingOrder) -> str:
    """What keeps `new` from taking the place of `old`."""
    if (new.symbol, new.side) != (old.symbol, old.side):
        return "a replacement has the symbol and the side of the order"
    if old.is_exit:
        return _exit_replacement_problem(old, new)
    if new.quantity <= old.filled:
        return f"{old.filled} shares are filled: a replacement is for more than these"
    if old.is_entry and new.time_in_force is not old.time_in_force:
        return "a replacement of an entry has its time in force"
    return order_problem(new)


def _exit_replacement_problem(old: WorkingOrder, new: WorkingOrder) -> str:
    if new.quantity != old.quantity:
        return f"the quantity of an exit follows its entry and the other exit: it is {old.quantity}"
    if new.time_in_force is not old.time_in_force:
        return "a replacement of an exit has its time in force"
    if (new.order_type in STOPS) is not (old.order_type in STOPS) or new.order_type is OrderType.MARKET:
        return "a replacement of a target is a limit order, of a stop a stop or stop-limit order"
    return ""
