"""What one bar leads to, for all symbols of a strategy: signals, and those that its budget refuses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from services.contracts.market import Symbol
from services.contracts.orders import DenyReason
from services.trading.engine.account import Ledger
from services.trading.engine.config import StrategyConfig
from services.trading.engine.deciding import RESIZE, Decision, Stand, Wish, act_of
from services.trading.engine.store import Signal

_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Refused:
    """A signal that the strategy's own budget does not let pass, and why; `used` is what it would use, in dollars."""

    signal: Signal
    reason: DenyReason
    detail: str
    used: Decimal


@dataclass(slots=True)
class Plan:
    """What is to be done.

    Attributes:
        acting: The symbols whose orders are canceled first, and whether a close that works goes on.
        signals: In the order in which they are sent.
        opened: How many orders of the day open something, these included.
    """

    acting: dict[Symbol, bool] = field(default_factory=dict)
    signals: list[Signal] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    opened: int = 0


class Planner:
    """Plans for one strategy.

    Args:
        ledger: Its account, as of the bar's close.
    """

    def __init__(self, config: StrategyConfig, ledger: Ledger) -> None:
        self._config = config
        self._ledger = ledger
        self._resizes = config.strategy.resizes

    def plan(
        self,
        decided: Mapping[Symbol, Decision],
        last: Mapping[Symbol, Decimal],
        *,
        bar_at: datetime,
        now: datetime,
        day: date,
    ) -> Plan:
        """What the decisions at a bar lead to.

        Args:
            decided: By symbol.
            last: The last close of each symbol that has had a bar.
            bar_at: Start of the bar.
            now: The clock's.
            day: That orders are counted on.

        Raises:
            BadDecisionError: The strategy broke its protocol.
        """
        account = self._ledger.account
        plan = Plan(opened=account.opened if account.day == day else 0)
        equity = self._ledger.equity(last)
        worth = self._ledger.exposures(last)
        wanted: list[_Wanted] = []
        for symbol in self._config.symbols:
            if symbol not in last or symbol not in decided:
                continue
            held = self._ledger.held(symbol)
            stand = Stand(held, self._ledger.closing(symbol), last[symbol], equity, self._config.part)
            act = act_of(symbol, decided[symbol], stand, resizes=self._resizes)
            if act is None:
                continue
            plan.acting[symbol] = act.keeps_close
            wanted += [_Wanted(wish, last[symbol], held) for wish in act.wishes]
        # What takes away goes first: it makes room, for the budget and at the venue.
        for number, each in enumerate(sorted(wanted, key=lambda one: one.adds)):
            signal = Signal(
                strategy=self._config.name,
                leg=each.wish.leg,
                number=number,
                bar_at=bar_at,
                decided_at=now,
                ticket=each.wish.ticket,
                last=each.last,
            )
            self._take(plan, signal, each, worth)
        return plan

    def _take(self, plan: Plan, signal: Signal, wanted: "_Wanted", worth: dict[Symbol, Decimal]) -> None:
        if wanted.adds:
            others = sum((each for symbol, each in worth.items() if symbol != signal.symbol), _ZERO)
            refused = self._refusal(plan, signal, others + wanted.worth)
            if refused is not None:
                plan.refused.append(refused)
                return
            plan.opened += 1
        worth[signal.symbol] = wanted.worth
        plan.signals.append(signal)

    def _refusal(self, plan: Plan, signal: Signal, after: Decimal) -> Refused | None:
        most, orders = self._config.largest_exposure, self._config.budget.orders_a_day
        if after > most:
            detail = (
                f"{signal.strategy} would come to {after:,.2f} dollars, its budget is {most:,.2f} (largest_exposure). "
                "It sends no more until it holds less"
            )
            return Refused(signal, DenyReason.GROSS_EXPOSURE, detail, after)
        if orders is not None and plan.opened >= orders:
            detail = f"{signal.strategy} has sent {plan.opened} orders today, its budget is {orders} (orders_a_day)"
            return Refused(signal, DenyReason.ORDER_RATE, detail, after)
        return None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An order that a decision leads to, and what it is about.

    Attributes:
        last: The symbol's last close, in dollars.
        held: Shares before.
    """

    wish: Wish
    last: Decimal
    held: Decimal

    @property
    def adds(self) -> bool:
        """Whether more is held after it."""
        if self.wish.leg == RESIZE:
            return abs(self.held + self._signed) > abs(self.held)
        return self.wish.opens

    @property
    def worth(self) -> Decimal:
        """Of what is held of the symbol after it, in dollars."""
        ticket = self.wish.ticket
        price = ticket.limit_price or ticket.stop_price or self.last
        if self.wish.leg == RESIZE:
            return abs(self.held + self._signed) * price
        return abs(self._signed) * price if self.wish.opens else _ZERO

    @property
    def _signed(self) -> Decimal:
        return self.wish.ticket.quantity * self.wish.ticket.side.sign
