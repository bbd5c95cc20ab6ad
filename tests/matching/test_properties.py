"""What holds for every sequence of orders, bars, cancels, replacements, halts, splits and sessions."""

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.contracts.market import Bar, Side, TimeInForce
from services.contracts.orders import VenueOrderId
from services.matching.account import Account
from services.matching.costs import Costs
from services.matching.happenings import (
    Adjusted,
    Canceled,
    Expired,
    Filled,
    Happening,
    Replaced,
    Resized,
)
from services.matching.market import Matcher
from services.matching.orders import AT_ONCE, WorkingOrder
from services.matching.rules import FillRule, Rules
from tests.matching.market import ACME, minute, of, order

prices = st.integers(90, 110)
sides = st.sampled_from(Side)
lifetimes = st.sampled_from(TimeInForce)
DAY, GTC, IOC, FOK = TimeInForce
FEES = Costs(fee_per_share=Decimal("0.005"), fee_minimum=Decimal(1))
SLIPPING = Costs(slippage_ticks=2, slippage_bps=Decimal(5))


class MatchingMachine(RuleBasedStateMachine):
    """Runs two equal matchers side by side and keeps books of its own about what the first one tells."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.number = 0
        self.halted = False
        self.split_yet = False
        self.filled: dict[VenueOrderId, Decimal] = {}
        self.whole: dict[VenueOrderId, Decimal] = {}
        self.ended: set[VenueOrderId] = set()
        self.terms: dict[VenueOrderId, WorkingOrder] = {}
        self.brackets: list[tuple[VenueOrderId, VenueOrderId, VenueOrderId]] = []
        self.pairs: list[tuple[VenueOrderId, VenueOrderId, Decimal]] = []
        self.executions: list[int] = []

    @initialize(
        fill_rule=st.sampled_from(FillRule),
        participation=st.sampled_from([None, Decimal("0.1"), Decimal(1)]),
        costs=st.sampled_from([Costs(), FEES, SLIPPING]),
    )
    def begin(self, fill_rule: FillRule, participation: Decimal | None, costs: Costs) -> None:
        self.costs, self.rules = costs, Rules(fill_rule=fill_rule, participation=participation)
        self.matcher = Matcher(costs, self.rules)
        self.twin = Matcher(costs, self.rules)

    @property
    def now(self) -> datetime:
        return minute(self.number)

    def name(self) -> str:
        self.count += 1
        return f"o{self.count}"

    def tell(self, ask: Callable[[Matcher], list[Happening]], bar: Bar | None = None) -> list[Happening]:
        last = self.matcher.last_price(ACME)
        told = ask(self.matcher)
        assert ask(self.twin) == told
        for each in told:
            if isinstance(each, Filled):
                self.book(each, bar, last)
            elif isinstance(each, Resized):
                self.whole[each.order_id] = each.quantity
            elif isinstance(each, Adjusted):
                self.whole[each.order_id], self.filled[each.order_id] = each.quantity, each.filled
            elif isinstance(each, Canceled | Expired | Replaced):
                assert each.order_id not in self.ended
                self.ended.add(each.order_id)
        return told

    def book(self, fill: Filled, bar: Bar | None, last: Decimal | None) -> None:
        assert not self.halted
        assert fill.order_id not in self.ended
        assert fill.quantity > 0
        self.executions.append(fill.execution)
        self.filled[fill.order_id] += fill.quantity
        assert fill.cumulative == self.filled[fill.order_id]
        assert fill.done is (fill.cumulative == self.whole[fill.order_id])
        if fill.done:
            self.ended.add(fill.order_id)
        terms = self.terms[fill.order_id]
        assert terms.takes(fill.price)
        if self.costs is not SLIPPING:
            assert bar.low <= fill.price <= bar.high if bar else fill.price == last

    def submitted(self, *orders: WorkingOrder) -> None:
        for each in orders:
            self.filled[each.order_id] = Decimal(0)
            self.whole[each.order_id] = each.quantity
            self.terms[each.order_id] = each

    def make(self, side: Side, quantity: int, limit: int | None, stop: int | None, tif: TimeInForce) -> WorkingOrder:
        made = order(
            self.name(),
            side,
            str(quantity),
            limit=None if limit is None else str(limit),
            stop=None if stop is None else str(stop),
            tif=tif,
        )
        self.submitted(made)
        return made

    @rule(side=sides, quantity=st.integers(1, 30), limit=st.none() | prices, stop=st.none() | prices, tif=lifetimes)
    def submit(self, side: Side, quantity: int, limit: int | None, stop: int | None, tif: TimeInForce) -> None:
        made = self.make(side, quantity, limit, stop, tif)
        copy = deepcopy(made)
        self.tell(lambda m: m.submit(copy if m is self.twin else made, self.now))

    @rule(
        side=sides,
        quantity=st.integers(1, 30),
        entry=st.tuples(st.none() | prices, st.none() | prices),
        exits=st.tuples(prices, st.none() | prices, prices),
        tifs=st.sampled_from([(DAY, DAY), (DAY, GTC), (IOC, DAY), (IOC, GTC), (FOK, GTC), (GTC, GTC), (GTC, DAY)]),
    )
    def bracket(
        self,
        side: Side,
        quantity: int,
        entry: tuple[int | None, int | None],
        exits: tuple[int, int | None, int],
        tifs: tuple[TimeInForce, TimeInForce],
    ) -> None:
        orders = (
            self.make(side, quantity, *entry, tifs[0]),
            self.make(side.opposite, quantity, exits[0], None, tifs[1]),
            self.make(side.opposite, quantity, *exits[1:], tifs[1]),
        )
        self.brackets.append((orders[0].order_id, orders[1].order_id, orders[2].order_id))
        copies = deepcopy(orders)
        self.tell(lambda m: m.submit_bracket(*(copies if m is self.twin else orders), self.now))

    @rule(side=sides, quantity=st.integers(1, 30), limit=prices, stop=prices)
    def pair(self, side: Side, quantity: int, limit: int, stop: int) -> None:
        orders = (self.make(side, quantity, limit, None, GTC), self.make(side, quantity, None, stop, GTC))
        self.pairs.append((orders[0].order_id, orders[1].order_id, Decimal(quantity)))
        copies = deepcopy(orders)
        self.tell(lambda m: m.submit_oco(*(copies if m is self.twin else orders), self.now))

    @rule(numbers=st.lists(prices, min_size=4, max_size=4), volume=st.integers(0, 300))
    def bar(self, numbers: list[int], volume: int) -> None:
        low, first, last, high = (Decimal(each) for each in sorted(numbers))
        opens = (first, last) if numbers[0] % 2 else (last, first)
        bar = Bar(ACME, self.now, 60, opens[0], high, low, opens[1], Decimal(volume))
        self.number += 1
        told = self.tell(lambda m: m.on_bar(bar), bar)
        share = self.rules.participation
        if share is not None:
            assert sum(each.quantity for each in of(Filled, told)) <= share * bar.volume

    @precondition(lambda self: self.matcher.working())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from([each.order_id for each in self.matcher.working()]))
        self.tell(lambda m: m.cancel(chosen, self.now))
        assert self.matcher.get(chosen) is None

    @precondition(lambda self: self.matcher.working())
    @rule(data=st.data(), limit=prices, more=st.integers(-5, 5))
    def replace(self, data: st.DataObject, limit: int, more: int) -> None:
        old = data.draw(st.sampled_from(self.matcher.working()))
        quantity = old.quantity if old.is_exit else max(old.quantity + more, Decimal(1))
        new = deepcopy(old)
        new.order_id, new.quantity = VenueOrderId(self.name()), quantity
        new.limit_price = None if old.limit_price is None else Decimal(limit)
        new.filled = new.held = Decimal(0)
        before, known, copy = old.filled, (old.order_id, new.order_id), deepcopy(new)
        self.submitted(new)
        self.filled[new.order_id] = before
        self.tell(lambda m: m.replace(known[0], copy if m is self.twin else new, self.now))
        if old.order_id in self.ended and old.is_exit:
            names = {known[0]: known[1]}
            self.brackets = [tuple(names.get(i, i) for i in each) for each in self.brackets]  # type: ignore[misc]
            self.pairs = [(names.get(t, t), names.get(s, s), whole) for t, s, whole in self.pairs]
        elif old.order_id in self.ended:
            self.brackets = [(known[1] if e == known[0] else e, t, s) for e, t, s in self.brackets]

    @rule(halted=st.booleans())
    def halt_or_resume(self, *, halted: bool) -> None:
        self.tell(lambda m: m.halt(ACME, self.now) if halted else (m.resume(ACME, self.now), [])[1])
        self.halted = halted

    @rule()
    def end_session(self) -> None:
        self.tell(lambda m: m.end_of_session(self.now))
        assert all(each.time_in_force is GTC for each in self.matcher.working())

    @precondition(lambda self: not self.split_yet)
    @rule(ratio=st.sampled_from([Decimal(2), Decimal(3)]))
    def split(self, ratio: Decimal) -> None:
        self.split_yet = True
        known = {name: quantity * ratio for name, quantity in self.filled.items()}
        self.tell(lambda m: m.split(ACME, ratio, self.now))
        assert {name: known[name] for name in self.filled if self.matcher.get(name)} == {
            name: quantity for name, quantity in self.filled.items() if self.matcher.get(name)
        }
        self.filled = known
        self.pairs = [(target, stop, whole * ratio) for target, stop, whole in self.pairs]

    @rule()
    def move_to_another_matcher(self) -> None:
        """The twin goes on from what was stored; the last price and the volume left come from the first."""
        orders = deepcopy(self.twin.working())
        book = deepcopy(self.twin._register.book(ACME))
        book.orders.clear()
        self.twin = Matcher(self.costs, self.rules, first_execution=len(self.executions) + 1)
        self.twin._register._books[ACME] = book
        self.twin.restore(orders)

    @invariant()
    def executions_are_counted_by_one(self) -> None:
        assert self.executions == list(range(1, len(self.executions) + 1))

    @invariant()
    def no_order_fills_beyond_its_quantity(self) -> None:
        for each in self.matcher.working() if self.count else ():
            assert each.filled == self.filled[each.order_id]
            assert each.quantity == self.whole[each.order_id]
            assert 0 <= each.filled < each.quantity or (each.is_exit and each.held)
            assert each.open >= 0
            assert each.held >= 0

    @invariant()
    def exits_sell_no_more_than_their_entry_bought(self) -> None:
        for entry, target, stop in self.brackets:
            assert self.filled[target] + self.filled[stop] <= self.filled[entry]
        for target, stop, whole in self.pairs:
            assert self.filled[target] + self.filled[stop] <= whole

    @invariant()
    def what_an_entry_bought_is_protected_until_it_is_sold_or_the_exits_are_taken_out(self) -> None:
        for entry, target, stop in self.brackets:
            exits = [self.matcher.get(each) for each in (target, stop)]
            if None not in exits:
                left = self.filled[entry] - self.filled[target] - self.filled[stop]
                assert [each.open for each in exits if each] == [left, left]

    @invariant()
    def immediate_orders_do_not_rest(self) -> None:
        for each in self.matcher.working() if self.count else ():
            if each.time_in_force in AT_ONCE:
                assert self.rules.fill_rule is FillRule.NEXT_BAR
                assert each.works_from == self.now  # no bar has passed since


TestMatching = MatchingMachine.TestCase
TestMatching.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_an_account_holds_what_the_fills_add_up_to() -> None:
    matcher = Matcher(FEES, Rules(participation=Decimal("0.1")))
    account = Account(cash=Decimal(1_000_000))
    fills: list[Filled] = []
    for number in range(200):
        side = Side.BUY if number % 3 else Side.SELL
        matcher.submit(order(f"o{number}", side, str(1 + number % 7)), minute(number))
        price = Decimal(100 + number % 11)
        told = matcher.on_bar(Bar(ACME, minute(number), 60, price, price + 1, price - 1, price, Decimal(40)))
        fills += of(Filled, told)
    for each in fills:
        account.apply(each)
    assert account.quantity(ACME) == sum(each.side.sign * each.quantity for each in fills)
    assert account.fees == sum(each.fee for each in fills)
