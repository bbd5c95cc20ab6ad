"""What the operator's side of the paper venues takes and answers."""

from decimal import Decimal
from typing import Annotated, Final, Self

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.contracts.market import SYMBOL_PATTERN, Bar, Symbol
from services.venue.broker.faults import Fault
from services.venue.broker.plan import Planned

_KEY_PATTERN: Final = r"^[A-Za-z0-9_-]{4,128}$"
VenuePath = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
SymbolPath = Annotated[Symbol, Path(pattern=SYMBOL_PATTERN)]
KeyPath = Annotated[str, StringConstraints(pattern=_KEY_PATTERN)]
OrderPath = Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{36}$")]
_Key = Annotated[str, StringConstraints(pattern=_KEY_PATTERN)]
_Price = Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=6, allow_inf_nan=False)]
_Shares = Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=9, allow_inf_nan=False)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class NewAccount(_Model):
    """An account to open. Keys are made up when they are not given.

    Attributes:
        cash: In dollars.
        multiplier: Dollars of buying power for each dollar of equity.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 ._-]{1,64}$")]
    key_id: _Key | None = None
    secret_key: _Key | None = None
    cash: Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=2, allow_inf_nan=False)] = Decimal(100_000)
    multiplier: Annotated[int, Field(ge=1, le=4)] = 2


class OpenedAccount(_Model):
    """The account with its keys; the secret key is told this once."""

    account_id: str
    key_id: str
    secret_key: str


class AccountState(_Model):
    """What an account may do. Left out: as it is."""

    trading_blocked: bool | None = None
    expired: bool | None = None
    shorting: bool | None = None


class NewBar(_Model):
    """A bar; prices in dollars, `volume` in shares."""

    symbol: Annotated[Symbol, Field(pattern=SYMBOL_PATTERN)]
    start: AwareDatetime
    seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    open: _Price
    high: _Price
    low: _Price
    close: _Price
    volume: Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=3, allow_inf_nan=False)]

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        if not self.low <= min(self.open, self.close) <= max(self.open, self.close) <= self.high:
            raise ValueError("a bar's low is its lowest price and its high the highest")
        return self

    def as_bar(self) -> Bar:
        """The same as the market's word."""
        return Bar(self.symbol, self.start, self.seconds, self.open, self.high, self.low, self.close, self.volume)


class NewBars(_Model):
    """Bars, in the order in which they ended."""

    bars: Annotated[tuple[NewBar, ...], Field(max_length=5_000)]


class Taken(_Model):
    """How many of the bars were new."""

    taken: int


class NewFaults(_Model):
    """Faults to plan, behind those that are planned: together they make a scenario."""

    faults: Annotated[tuple[Fault, ...], Field(min_length=1, max_length=1_000)]


class PlannedFault(_Model):
    """A fault that may still happen.

    Attributes:
        seen: Requests or news that it could have happened at so far.
        used: How often it happened.
    """

    number: int
    fault: Fault
    seen: int
    used: int

    @classmethod
    def of(cls, planned: Planned) -> Self:
        """The same, as the plan has it."""
        return cls(number=planned.number, fault=planned.fault, seen=planned.seen, used=planned.used)


class PlannedFaults(_Model):
    """In the order in which they were planned."""

    faults: tuple[PlannedFault, ...]


class Cleared(_Model):
    """How many faults were taken back."""

    cleared: int


class InstrumentTerms(_Model):
    """What a venue lets trade."""

    tradable: bool = True
    shortable: bool = True
    fractionable: bool = True


class NewSplit(_Model):
    """`ratio` new shares for each old one: 2 for two for one, 0.1 for one for ten."""

    symbol: Annotated[Symbol, Field(pattern=SYMBOL_PATTERN)]
    ratio: Annotated[Decimal, Field(gt=0, le=1000, allow_inf_nan=False)]


class NewFill(_Model):
    """A fill that does not follow from the market; the limit, else the last price, when no price is given."""

    quantity: _Shares
    price: _Price | None = None


class ClockOffset(_Model):
    """How far the venue's clock is ahead, in seconds."""

    offset_seconds: Annotated[float, Field(ge=-86_400, le=86_400, allow_inf_nan=False)]


class VenueView(_Model):
    """A venue, in figures.

    Attributes:
        listeners: Streams that get trade updates.
        working: Orders that can still trade.
    """

    name: str
    accounts: int
    orders: int
    working: int
    listeners: int
    symbols: tuple[str, ...]
    halted: tuple[str, ...]
    faults: int


class VenueList(_Model):
    """Every venue of this service."""

    venues: tuple[VenueView, ...]
