"""Money and positions of one account, moved by executions. What may be bought is the caller's decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from services.contracts.market import Symbol
from services.matching.happenings import Filled
from services.matching.splits import split_quantity

_ZERO: Final = Decimal(0)


@dataclass(slots=True)
class Holding:
    """What is held of one symbol.

    Attributes:
        quantity: Shares; negative when short.
        cost: What they were bought for in dollars, fees left out; negative when short: what they were sold for.
        realised: Profit of what was closed, in dollars, fees left out.
    """

    quantity: Decimal = _ZERO
    cost: Decimal = _ZERO
    realised: Decimal = _ZERO

    @property
    def average_price(self) -> Decimal:
        """Mean price of the shares held, in dollars; 0 for none."""
        return self.cost / self.quantity if self.quantity else _ZERO

    def value(self, price: Decimal) -> Decimal:
        """What it is worth at this price, negative when short."""
        return self.quantity * price

    def unrealised(self, price: Decimal) -> Decimal:
        """Profit if it were closed at this price, in dollars."""
        return self.quantity * price - self.cost


@dataclass(slots=True)
class Account:
    """One account.

    Attributes:
        cash: In dollars; proceeds of short sales are in it, fees are out of it.
        holdings: By symbol; one that was closed stays, with what it realised.
        fees: Paid so far, in dollars.
    """

    cash: Decimal
    holdings: dict[Symbol, Holding] = field(default_factory=dict)
    fees: Decimal = _ZERO

    @property
    def realised(self) -> Decimal:
        """Profit of all that was closed, in dollars, fees left out."""
        return sum((each.realised for each in self.holdings.values()), _ZERO)

    def quantity(self, symbol: Symbol) -> Decimal:
        """Shares held, negative when short."""
        holding = self.holdings.get(symbol)
        return holding.quantity if holding else _ZERO

    def apply(self, fill: Filled) -> None:
        """Book an execution. It closes what is held on the other side first and opens with the rest."""
        signed = fill.quantity * fill.side.sign
        self.cash -= signed * fill.price + fill.fee
        self.fees += fill.fee
        holding = self.holdings.get(fill.symbol)
        if holding is None:
            holding = self.holdings[fill.symbol] = Holding()
        _move(holding, signed, fill.price)

    def apply_split(self, symbol: Symbol, ratio: Decimal) -> None:
        """Make `ratio` new shares of each old one: 2 for two for one, 0.1 for one for ten. What they cost stays.

        Fractions of a share stay, to a billionth; nobody pays cash in their place.
        """
        holding = self.holdings.get(symbol)
        if holding is not None:
            holding.quantity = split_quantity(holding.quantity, ratio)

    def equity(self, prices: Mapping[Symbol, Decimal]) -> Decimal:
        """Cash and the worth of all positions, in dollars. `prices` has one for each symbol that is held."""
        return self.cash + sum(
            (each.value(prices[symbol]) for symbol, each in self.holdings.items() if each.quantity), _ZERO
        )

    def exposure(self, prices: Mapping[Symbol, Decimal]) -> Decimal:
        """Worth of all positions without regard to their sign, in dollars."""
        return sum((abs(each.value(prices[symbol])) for symbol, each in self.holdings.items() if each.quantity), _ZERO)

    def buying_power(self, prices: Mapping[Symbol, Decimal], *, multiplier: int = 2) -> Decimal:
        """What new positions may cost, in dollars, never below zero: `multiplier` times equity less the exposure.

        With 2 this is the initial margin of half the price that Regulation T asks (12 CFR 220.12); 1 lends nothing.
        What working orders reserve is the caller's to take off.
        """
        return max(multiplier * self.equity(prices) - self.exposure(prices), _ZERO)


def _move(holding: Holding, signed: Decimal, price: Decimal) -> None:
    held = holding.quantity
    if held * signed >= 0:
        holding.cost += signed * price
    elif abs(signed) < abs(held):
        released = holding.cost * -signed / held
        holding.realised += -signed * price - released
        holding.cost -= released
    else:
        holding.realised += held * price - holding.cost
        holding.cost = (held + signed) * price
    holding.quantity = held + signed
