"""What trading costs: how much worse than the market's price a fill is, and the fees."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from services.contracts.market import Side, tick_at

_ZERO = Decimal(0)
_BASIS_POINT = Decimal("0.0001")
_FEE_STEP = Decimal("0.000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Slippage and fees; `Costs()` is free of both.

    Attributes:
        slippage_bps: Basis points of the price by which a fill that takes liquidity is worse.
        slippage_ticks: Ticks by which it is worse, on top of that.
        fee_per_share: In dollars.
        fee_bps: Basis points of the money that changes hands.
        fee_minimum: In dollars, for an order with all its fills; nothing for one that never fills.
    """

    slippage_bps: Decimal = _ZERO
    slippage_ticks: int = 0
    fee_per_share: Decimal = _ZERO
    fee_bps: Decimal = _ZERO
    fee_minimum: Decimal = _ZERO

    def __post_init__(self) -> None:
        costs = (self.slippage_bps, self.slippage_ticks, self.fee_per_share, self.fee_bps, self.fee_minimum)
        if any(each < 0 for each in costs):
            raise ValueError("slippage and fees are costs: none of them is below zero")

    def slipped(self, price: Decimal, side: Side, limit: Decimal | None) -> Decimal:
        """The price paid or got when the market stands at `price`: worse, on a tick, and never through `limit`.

        Without slippage the price stays as it is, on a tick or not. A sale never brings less than one tick.
        """
        if not self.slippage_bps and not self.slippage_ticks:
            return price
        tick = tick_at(price)
        away = price * self.slippage_bps * _BASIS_POINT + self.slippage_ticks * tick
        if side is Side.BUY:
            worse = (price + away).quantize(tick, ROUND_CEILING)
            return worse if limit is None else min(worse, limit)
        worse = max((price - away).quantize(tick, ROUND_FLOOR), tick)
        return worse if limit is None else max(worse, limit)

    def fee(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Fees of one fill in dollars before the minimum, to a millionth."""
        if not self.fee_per_share and not self.fee_bps:
            return _ZERO
        return (quantity * (self.fee_per_share + price * self.fee_bps * _BASIS_POINT)).quantize(_FEE_STEP)
