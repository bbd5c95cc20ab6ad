"""The operator's side of the paper venues: accounts, bars, halts, splits, and everything that goes wrong on demand."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Depends

from services.contracts.market import Instrument
from services.kit.errors import NotFoundError
from services.kit.guards import require_scope
from services.kit.ids import Randomness
from services.kit.openapi import problem_responses
from services.venue.broker.admin_models import (
    AccountState,
    Cleared,
    ClockOffset,
    InstrumentTerms,
    KeyPath,
    NewAccount,
    NewBars,
    NewFaults,
    NewFill,
    NewSplit,
    OpenedAccount,
    OrderPath,
    PlannedFault,
    PlannedFaults,
    SymbolPath,
    Taken,
    VenueList,
    VenuePath,
    VenueView,
)
from services.venue.broker.venue import PaperVenue

SCOPE: Final = "venue:operate"
_KEY_BITS: Final = 72


class VenueUnknownError(NotFoundError):
    """No venue has this name."""

    code = "venue_unknown"
    title = "There is no such venue"


class Venues:
    """The venues of this service by name."""

    def __init__(self, venues: Mapping[str, PaperVenue]) -> None:
        self._venues = venues

    def named(self, name: str) -> PaperVenue:
        """Raises `VenueUnknownError`."""
        found = self._venues.get(name)
        if found is None:
            raise VenueUnknownError(f"There are {', '.join(sorted(self._venues))}.")
        return found

    def views(self) -> VenueList:
        """All of them, in figures."""
        return VenueList(venues=tuple(_view(venue) for venue in self._venues.values()))


def admin_router(venues: Venues, randomness: Randomness) -> APIRouter:
    """All of it, for callers with the scope `venue:operate`."""
    router = APIRouter(tags=["venues"], dependencies=[Depends(require_scope(SCOPE))])

    @router.get("/venues")
    async def list_venues() -> VenueList:
        """Every venue, in figures."""
        return venues.views()

    one = APIRouter(prefix="/venues/{name}", responses=problem_responses(404))
    _add_accounts(one, venues, randomness)
    _add_market(one, venues)
    _add_orders(one, venues)
    _add_faults(one, venues)
    router.include_router(one)
    return router


def _add_accounts(router: APIRouter, venues: Venues, randomness: Randomness) -> None:
    @router.post("/accounts", status_code=HTTPStatus.CREATED)
    async def open_account(name: VenuePath, new: NewAccount) -> OpenedAccount:
        """Open an account; with the key of one that is open, give that another secret."""
        venue = venues.named(name)
        key_id = new.key_id or f"PK{randomness.bits(_KEY_BITS):018X}"
        secret_key = new.secret_key or f"{randomness.token()}{randomness.token()}"
        account = venue.open_account(new.name, key_id, secret_key, cash=new.cash, multiplier=new.multiplier)
        await venue.settle()
        return OpenedAccount(account_id=account.account_id, key_id=key_id, secret_key=secret_key)

    @router.patch("/accounts/{key_id}", status_code=HTTPStatus.NO_CONTENT)
    async def change_account(name: VenuePath, key_id: KeyPath, change: AccountState) -> None:
        """Block an account or let its key expire, or take that back."""
        venue = venues.named(name)
        account = venue.books.account_of_key(key_id)
        if account is None:
            raise NotFoundError("No account of this venue has that key.")
        for field, value in change.model_dump(exclude_none=True).items():
            setattr(account, field, value)
        venue.books.put_account(account)
        await venue.settle()


def _add_market(router: APIRouter, venues: Venues) -> None:
    @router.post("/bars")
    async def push_bars(name: VenuePath, new: NewBars) -> Taken:
        """Feed bars in the order of their ends; those that are not newer than what came before are passed over."""
        return Taken(taken=await venues.named(name).push(*(bar.as_bar() for bar in new.bars)))

    @router.put("/instruments/{symbol}", status_code=HTTPStatus.NO_CONTENT)
    async def list_instrument(name: VenuePath, symbol: SymbolPath, terms: InstrumentTerms) -> None:
        """List a symbol, or change what holds for it."""
        venue = venues.named(name)
        known = venue.exchange.instruments.get(symbol) or Instrument(symbol=symbol)
        venue.exchange.put_instrument(replace(known, **terms.model_dump()))
        await venue.settle()

    @router.put("/halts/{symbol}", status_code=HTTPStatus.NO_CONTENT)
    async def halt(name: VenuePath, symbol: SymbolPath) -> None:
        """Suspend trading in a symbol."""
        await _set_halted(venues.named(name), symbol, halted=True)

    @router.delete("/halts/{symbol}", status_code=HTTPStatus.NO_CONTENT)
    async def resume(name: VenuePath, symbol: SymbolPath) -> None:
        """Let trading in a symbol go on, with the next bar."""
        await _set_halted(venues.named(name), symbol, halted=False)

    @router.post("/splits", status_code=HTTPStatus.NO_CONTENT)
    async def split(name: VenuePath, new: NewSplit) -> None:
        """Split a symbol's shares, in positions, working orders and the last price. Do it between sessions."""
        venue = venues.named(name)
        venue.exchange.split(new.symbol, new.ratio)
        await venue.settle()

    @router.put("/clock", status_code=HTTPStatus.NO_CONTENT)
    async def set_clock(name: VenuePath, offset: ClockOffset) -> None:
        """Let `/v2/clock` tell another time."""
        venues.named(name).time.offset = timedelta(seconds=offset.offset_seconds)


def _add_orders(router: APIRouter, venues: Venues) -> None:
    @router.post("/orders/{order_id}/fills", status_code=HTTPStatus.NO_CONTENT, responses=problem_responses(422))
    async def fill(name: VenuePath, order_id: OrderPath, new: NewFill) -> None:
        """Fill an order whatever the market says, also one that has ended."""
        venue = venues.named(name)
        order = venue.books.order(order_id)
        if order is None:
            raise NotFoundError("The venue has no such order.")
        venue.exchange.fill_by_hand(order, new.quantity, new.price)
        await venue.settle()


def _add_faults(router: APIRouter, venues: Venues) -> None:
    @router.post("/faults", status_code=HTTPStatus.CREATED)
    async def plan_faults(name: VenuePath, new: NewFaults) -> PlannedFaults:
        """Plan faults, behind those that are planned already."""
        venue = venues.named(name)
        planned = venue.plan.add(*new.faults)
        await venue.look_at_the_clock()
        return PlannedFaults(faults=tuple(map(PlannedFault.of, planned)))

    @router.get("/faults")
    async def list_faults(name: VenuePath) -> PlannedFaults:
        """What may still happen."""
        return PlannedFaults(faults=tuple(map(PlannedFault.of, venues.named(name).plan.planned)))

    @router.delete("/faults")
    async def clear_faults(name: VenuePath) -> Cleared:
        """Take every fault back."""
        return Cleared(cleared=venues.named(name).plan.clear())

    @router.delete("/faults/{number}")
    async def clear_fault(name: VenuePath, number: int) -> Cleared:
        """Take one fault back."""
        return Cleared(cleared=venues.named(name).plan.clear(number))


async def _set_halted(venue: PaperVenue, symbol: SymbolPath, *, halted: bool) -> None:
    venue.set_halted(symbol, halted=halted)
    await venue.settle()


def _view(venue: PaperVenue) -> VenueView:
    instruments = venue.exchange.instruments
    return VenueView(
        name=venue.name,
        accounts=len(venue.books.accounts),
        orders=len(venue.books.orders),
        working=sum(1 for _ in venue.books.all_working()),
        listeners=venue.hub.listeners,
        symbols=tuple(sorted(instruments)),
        halted=tuple(sorted(symbol for symbol, each in instruments.items() if each.halted)),
        faults=len(venue.plan.planned),
    )
