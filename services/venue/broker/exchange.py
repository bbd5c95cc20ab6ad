"""One venue's market: takes orders, works them with the matching core, and follows bars, sessions, halts and splits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.contracts.market import Bar, Instrument, OrderClass, Symbol, TimeInForce
from services.matching.happenings import Filled, Rejected
from services.matching.market import Matcher
from services.matching.orders import Links, WorkingOrder
from services.venue.broker.books import Books
from services.venue.broker.errors import MissingError, UnprocessableError
from services.venue.broker.frames import Frame, News
from services.venue.broker.hours import Hours, VenueTime, trades_in
from services.venue.broker.ledger import Ledger
from services.venue.broker.orders import PaperOrder, Status
from services.venue.broker.prices import end_of


@dataclass(frozen=True, slots=True)
class Script:
    """Fills that do not follow from the market.

    Attributes:
        quantities: Shares of each fill, at once when the order is taken in.
        price: In dollars; the limit, else the last price, when None.
        then_match: Whether the market works what is left; otherwise it stays open until it is canceled or filled by
            hand.
    """

    quantities: tuple[Decimal, ...]
    price: Decimal | None = None
    then_match: bool = False


class Exchange:
    """The market of one venue. Used from one thread; each call leaves everything consistent.

    Args:
        books: Where things stand.
        matcher: Works the orders.
        hours: When the market is open.
        time: The venue's time.
        new_id: Makes UUIDs.
    """

    def __init__(
        self, books: Books, matcher: Matcher, hours: Hours, time: VenueTime, new_id: Callable[[], str]
    ) -> None:
        self.books = books
        self.instruments: dict[Symbol, Instrument] = {}
        self.hours = hours
        self.time = time
        self._matcher = matcher
        self._ledger = Ledger(books, new_id, time.stamp)
        self._closes_at: datetime | None = None
        self._was_open = False

    # --- the market

    def open(self, instruments: Sequence[Instrument]) -> None:
        """Begin with what the books hold."""
        for instrument in instruments:
            self.instruments[instrument.symbol] = instrument
        for symbol in self.books.prices.symbols:
            bar = self.books.prices.newest(symbol)
            if bar is not None:
                self._matcher.on_bar(bar)
                self.time.traded(bar)
        for instrument in self.instruments.values():
            if instrument.halted:
                self._matcher.halt(instrument.symbol, self.time.market())
        now = self.time.market()
        for order in list(self.books.all_working()):
            closed = self.hours.next_close(order.submitted_at)
            if order.time_in_force is not TimeInForce.GTC and closed is not None and closed <= now:
                self._ledger.become(order, Status.EXPIRED, News.EXPIRED, closed)  # while the venue was down
        self._matcher.restore([order.work for order in self.books.all_working() if order.work is not None])
        self._note_session(now)

    def take_frames(self) -> list[Frame]:
        """The news since the last call."""
        return self._ledger.take_frames()

    def instrument(self, symbol: Symbol) -> Instrument:
        """What may be traded. Raises `MissingError`."""
        found = self.instruments.get(symbol)
        if found is None:
            raise MissingError(f"asset not found for {symbol}")
        return found

    def put_instrument(self, instrument: Instrument) -> None:
        """List a symbol, or change what holds for it."""
        before = self.instruments.get(instrument.symbol)
        self.instruments[instrument.symbol] = instrument
        self.books.changes.markets.add(instrument.symbol)
        if instrument.halted is (before is not None and before.halted):
            return
        now = self.time.market()
        if instrument.halted:
            self._ledger.apply(self._matcher.halt(instrument.symbol, now))
        else:
            self._matcher.resume(instrument.symbol, now)

    def on_bar(self, bar: Bar) -> bool:
        """Take a bar in; False, and nothing happens, for one that is not newer than the last of its length.

        One that overlaps what came before, of another length, is kept for those who ask for bars; nothing trades.
        """
        newest = self.books.prices.newest(bar.symbol)
        follows = newest is None or bar.start >= end_of(newest)
        self._advance(bar.start)
        if not self.books.prices.add(bar):
            return False
        if bar.symbol not in self.instruments:
            self.put_instrument(Instrument(symbol=bar.symbol))
        self.books.changes.markets.add(bar.symbol)
        self.time.replayed(bar.start)
        # A bar outside of the session tells a price and trades with nobody.
        if follows and trades_in(self.hours, bar):
            self._release(bar.start)
            self._ledger.apply(self._matcher.on_bar(bar))
        self.time.traded(bar)
        return True

    def recall(self, bars: Sequence[Bar]) -> None:
        """Know bars of one symbol that were made before all that came. Nothing trades in them."""
        if bars and self.books.prices.recall(bars):
            self._matcher.on_bar(bars[-1])
            self.time.traded(bars[-1])

    def advance(self) -> None:
        """Do what the passing of time brings: day orders expire at the close, waiting orders go in at the open."""
        now = self.time.market()
        self._advance(now)
        if self.hours.is_open(now):
            self._release(now)
        else:
            self._was_open = False

    def split(self, symbol: Symbol, ratio: Decimal) -> None:
        """Make `ratio` new shares of each old one, in positions, orders and the last price. Raises `MissingError`."""
        self.instrument(symbol)
        self._ledger.apply(self._matcher.split(symbol, ratio, self.time.market()))
        self.books.prices.split(symbol, ratio)
        for account in self.books.accounts.values():
            account.money.apply_split(symbol, ratio)
            self.books.put_account(account)
        self.books.changes.markets.add(symbol)

    # --- orders

    def submit(self, order: PaperOrder, legs: Sequence[PaperOrder] = (), script: Script | None = None) -> None:
        """Take an order in, with its legs: a target, then a stop."""
        now = self.time.market()
        for each in (order, *legs):
            self.books.put_order(each)
        self._ledger.tell(News.ACCEPTED if order.status is Status.ACCEPTED else News.PENDING_NEW, order)
        if script is not None:
            self._play(order, script, now)
        elif order.status is not Status.ACCEPTED:
            self._work(order, now)

    def cancel(self, order: PaperOrder) -> None:
        """Cancel an order. Raises `UnprocessableError` if it has ended."""
        now = self.time.market()
        self._require_open(order)
        if order.work is None:
            for each in (order, *(self.books.orders[leg] for leg in order.legs)):
                if each.working:
                    self._ledger.become(each, Status.CANCELED, News.CANCELED, now)
            return
        self._ledger.apply(self._matcher.cancel(order.order_id, now))

    def replace(self, order: PaperOrder, new: PaperOrder) -> None:
        """Work `new` instead of `order`. Raises `UnprocessableError` if that has ended, or the terms do not fit."""
        now = self.time.market()
        self._require_open(order)
        if order.work is None:
            self._take_place(order, new)
            order.replaced_by = new.order_id
            self._ledger.become(order, Status.REPLACED, News.REPLACED, now)
            self._ledger.tell(News.ACCEPTED, new)
            return
        new.carried = order.work.filled
        new.work = _work_of(new, now)
        new.work.quantity += new.carried
        happenings = self._matcher.replace(order.order_id, new.work, now)
        first = happenings[0]
        if isinstance(first, Rejected):
            raise UnprocessableError(first.reason)
        self._take_place(order, new)
        self._ledger.apply(happenings)

    def suspend(self, order: PaperOrder, status: Status, news: News) -> None:
        """Put an order into a state in between, such as pending_cancel. Raises `UnprocessableError` if it has ended."""
        self._require_open(order)
        self._ledger.become(order, status, news, self.time.market())

    def announce(self, new: PaperOrder) -> None:
        """Note a replacement that is under way, so that it can be found."""
        self.books.put_order(new)
        self._ledger.tell(News.PENDING_NEW, new)

    def reject(self, order: PaperOrder) -> None:
        """Turn down what was taken in before."""
        self._ledger.become(order, Status.REJECTED, News.REJECTED, self.time.market())

    def resume_order(self, order: PaperOrder) -> None:
        """Put an order back to work after a state in between that came to nothing."""
        if order.working:
            status = Status.PARTIALLY_FILLED if order.filled else Status.NEW
            self._ledger.become(order, status, News.RESTATED, self.time.market())

    def fill_by_hand(self, order: PaperOrder, quantity: Decimal, price: Decimal | None = None) -> None:
        """Fill an order whatever the market says, and whatever state it is in: also one that was canceled.

        Raises:
            UnprocessableError: There is no price, or it is one of several that depend on each other.
        """
        if order.order_class is not OrderClass.SIMPLE:
            raise UnprocessableError("only simple orders are filled by hand")
        price = price or order.limit_price or self.books.prices.last(order.symbol)
        if price is None:
            raise UnprocessableError(f"no price is known for {order.symbol}")
        work = order.work
        fill = Filled(
            order_id=order.order_id,
            at=self.time.market(),
            execution=0,
            symbol=order.symbol,
            side=order.side,
            quantity=quantity,
            price=price,
            fee=Decimal(0),
            cumulative=order.filled + quantity,
            done=quantity >= order.rest,
        )
        if work is not None:
            if fill.done:
                self._matcher.cancel(order.order_id, fill.at)
            else:
                work.filled += quantity
        self._ledger.fill(order, fill)

    def is_open(self) -> bool:
        """Whether the market is open now."""
        return self.hours.is_open(self.time.market())

    def _take_place(self, order: PaperOrder, new: PaperOrder) -> None:
        self.books.put_order(new)
        for leg in map(self.books.orders.__getitem__, order.legs):
            leg.parent = new.order_id
            self.books.put_order(leg)
        if order.parent is not None:
            entry = self.books.orders[order.parent]
            entry.legs = tuple(new.order_id if leg == order.order_id else leg for leg in entry.legs)
            self.books.put_order(entry)

    def _play(self, order: PaperOrder, script: Script, now: datetime) -> None:
        self._ledger.become(order, Status.NEW, News.NEW, now)
        for quantity in script.quantities:
            self.fill_by_hand(order, quantity, script.price)
        if script.then_match and order.working:
            self._queue(order, now)

    def _work(self, order: PaperOrder, now: datetime) -> None:
        members = (order, *(self.books.orders[leg] for leg in order.legs))
        works = [_work_of(each, now) for each in members]
        for each, work in zip(members, works, strict=True):
            each.work = work
        match order.order_class:
            case OrderClass.BRACKET:
                happenings = self._matcher.submit_bracket(works[0], works[1], works[2], now)
            case OrderClass.OCO:
                happenings = self._matcher.submit_oco(works[0], works[1], now)
            case _:
                happenings = self._matcher.submit(works[0], now)
        self._ledger.apply(happenings)

    def _release(self, at: datetime) -> None:
        """At the open, hand over what waited for it. The first bar trades it, not yesterday's price."""
        if not self._was_open:
            for order in list(self.books.all_working()):
                if order.status is Status.ACCEPTED and order.parent is None:
                    self._queue(order, at)
                    self._ledger.become(order, Status.NEW, News.NEW, at)
        self._was_open = True

    def _queue(self, order: PaperOrder, at: datetime) -> None:
        """Have an order, and what depends on it, trade from the next bar on."""
        legs = [self.books.orders[leg] for leg in order.legs]
        links = None
        if order.order_class is OrderClass.BRACKET:
            links = Links(entry=order.order_id, target=legs[0].order_id, stop=legs[1].order_id)
        elif order.order_class is OrderClass.OCO:
            links = Links(entry=None, target=order.order_id, stop=legs[0].order_id)
        place = max((each.sequence for each in self._matcher.working()), default=0)
        works = []
        for number, each in enumerate((order, *legs), start=1):
            work = each.work = _work_of(each, at)
            work.links, work.sequence, work.filled = links, place + number, each.filled
            if work.is_exit and order.order_class is OrderClass.BRACKET:
                work.held = work.quantity
            else:
                work.works_from = at
            works.append(work)
            self.books.put_order(each)
        self._matcher.restore(works)

    def _advance(self, at: datetime) -> None:
        while self._closes_at is not None and self._closes_at <= at:
            closed = self._closes_at
            self._ledger.apply(self._matcher.end_of_session(closed))
            for account in self.books.accounts.values():
                account.last_equity = account.money.equity(self.books.marks(account))
                self.books.put_account(account)
            self._closes_at = self.hours.next_close(closed)
            self._was_open = False
        if self._closes_at is None:
            self._note_session(at)

    def _note_session(self, at: datetime) -> None:
        self._closes_at = self.hours.next_close(at)
        self._was_open = self.hours.is_open(at)

    def _require_open(self, order: PaperOrder) -> None:
        if not order.working:
            raise UnprocessableError(f'order is already in "{order.status}" state')


def _work_of(order: PaperOrder, at: datetime) -> WorkingOrder:
    return WorkingOrder(
        order_id=order.order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        submitted_at=at,
        order_type=order.order_type,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        time_in_force=order.time_in_force,
    )
