"""The limits that the gate holds orders to, and the digest by which auth's verdict is bound to them."""

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

from services.contracts.orders import StrategyName, VenueName
from services.contracts.verdict import SettingsDigest

Dollars = Annotated[Decimal, Field(ge=0, allow_inf_nan=False, max_digits=18)]
Ratio = Annotated[Decimal, Field(gt=0, lt=1, allow_inf_nan=False)]
Multiple = Annotated[Decimal, Field(gt=0, allow_inf_nan=False, max_digits=6)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VenueLimits(_Model):
    """What holds at one venue alone.

    Attributes:
        pattern_day_trader: The broker still enforces the US rule for pattern day traders, which ended on 2026-06-04:
            below 25,000 dollars of equity no new exposure after three day trades in five sessions.
    """

    pattern_day_trader: bool = False


class StrategyLimits(_Model):
    """What holds for one strategy instead of the general limit; what is not given stays general.

    Attributes: as in `Limits`.
    """

    order_notional: Dollars | None = None
    symbol_notional: Dollars | None = None
    gross_exposure: Dollars | None = None
    net_exposure: Dollars | None = None
    open_orders: NonNegativeInt | None = None
    orders_in_window: NonNegativeInt | None = None
    daily_loss: Dollars | None = None
    price_collar: Ratio | None = None
    price_band: Ratio | None = None
    signal_age_seconds: Seconds | None = None


class Limits(_Model):
    """The limits. Money is in dollars, ratios are of 1, exposures are over all venues.

    Attributes:
        order_notional: Most that one order may be worth.
        symbol_notional: Most that one symbol may come to, with all that works or may work.
        gross_exposure: Most that long and short may come to together.
        net_exposure: Most that long and short may differ.
        open_orders: Most orders that may work at once.
        orders_in_window, rate_window_seconds: Most orders sent within any window of that length.
        daily_loss: From this loss in a session on, only what reduces exposure passes.
        price_collar: How far a limit may lie beyond the reference price, on the side where it trades at once.
        price_band: How far any price of an order may lie from the reference price, on either side.
        reference_age_seconds: Oldest reference price that counts while the market is open.
        signal_age_seconds: Oldest signal that is still acted on.
        clock_tolerance_seconds: How far in the future a signal may lie.
        leverage: Most gross exposure for each dollar of equity.
        market_cushion: What a market order may cost more than the reference price, when buying power is counted.
        queue_when_closed: Day and good-till-canceled orders may be sent while the market is closed, and wait.
        venues, strategies: What holds at one venue and for one strategy, by name.
    """

    order_notional: Dollars = Decimal(10_000)
    symbol_notional: Dollars = Decimal(25_000)
    gross_exposure: Dollars = Decimal(100_000)
    net_exposure: Dollars = Decimal(100_000)
    open_orders: NonNegativeInt = 50
    orders_in_window: NonNegativeInt = 60
    rate_window_seconds: Seconds = 60.0
    daily_loss: Dollars = Decimal(2_000)
    price_collar: Ratio = Decimal("0.05")
    price_band: Ratio = Decimal("0.50")
    reference_age_seconds: Seconds = 120.0
    signal_age_seconds: Seconds = 300.0
    clock_tolerance_seconds: Seconds = 2.0
    leverage: Multiple = Decimal(2)
    market_cushion: Ratio = Decimal("0.03")
    queue_when_closed: bool = False
    venues: Mapping[VenueName, VenueLimits] = Field(default_factory=dict)
    strategies: Mapping[StrategyName, StrategyLimits] = Field(default_factory=dict)

    def of(self, strategy: str) -> Self:
        """The limits with a strategy's own ones in their place."""
        own = self.strategies.get(strategy)
        return self if own is None else self.model_copy(update=own.model_dump(exclude_none=True))

    def at(self, venue: VenueName) -> VenueLimits:
        """What holds at one venue alone."""
        return self.venues.get(venue, _ANY_VENUE)


_ANY_VENUE = VenueLimits()


def digest(*settings: BaseModel) -> SettingsDigest:
    """SHA-256, in hex, over settings in a canonical form: equal numbers give equal digests however they are written."""
    told = [each.model_dump() for each in settings]
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_canonical)
    return SettingsDigest(hashlib.sha256(text.encode()).hexdigest())


def _canonical(value: object) -> str:
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)
