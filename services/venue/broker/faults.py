"""What a venue does wrong, on demand: each fault says what goes wrong, and at which requests, news or moments."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.contracts.market import SYMBOL_PATTERN, Symbol
from services.venue.broker.frames import News


class Kind(StrEnum):
    """What a request asks for: its method and path."""

    ACCOUNT = "account"
    ACTIVITIES = "activities"
    ASSETS = "assets"
    ASSET = "asset"
    POSITIONS = "positions"
    POSITION = "position"
    CLOSE = "close"
    CLOSE_ALL = "close_all"
    SUBMIT = "submit"
    ORDERS = "orders"
    ORDER = "order"
    FIND = "find"
    REPLACE = "replace"
    CANCEL = "cancel"
    CANCEL_ALL = "cancel_all"
    CLOCK = "clock"
    CALENDAR = "calendar"
    BARS = "bars"
    LATEST = "latest"
    STREAM = "stream"


class FaultKind(StrEnum):
    """A way to fail."""

    # at a request; `when` says whether it is carried out all the same
    LATENCY = "latency"
    FORBIDDEN = "forbidden"  # 403
    THROTTLED = "throttled"  # 429
    SERVER_ERROR = "server_error"  # 500
    GATEWAY_TIMEOUT = "gateway_timeout"  # 504
    DROP = "drop"  # the connection is closed without an answer
    HANG = "hang"  # no answer, and the connection stays open
    GARBAGE = "garbage"  # 200 and a body that is no JSON
    UNKNOWN_STATUS = "unknown_status"  # orders in the answer have a status that no client knows
    EXPIRED_KEY = "expired_key"  # 401, and for every request with this key from then on

    # at a submit, cancel or replace that is carried out
    PARTIAL_FILLS = "partial_fills"
    SLOW_CANCEL = "slow_cancel"  # pending_cancel for a while
    FILL_BEFORE_CANCEL = "fill_before_cancel"  # answered 204, then filled
    FILL_AFTER_CANCEL = "fill_after_cancel"  # canceled, then filled all the same
    SLOW_REPLACE = "slow_replace"  # pending_replace for a while
    FILL_BEFORE_REPLACE = "fill_before_replace"  # answered with the new order, then the old one fills

    # at news on the stream
    DUPLICATE_FRAME = "duplicate_frame"
    REORDER_FRAMES = "reorder_frames"  # the frame comes after the one that follows it
    DROP_FRAME = "drop_frame"
    DELAY_FRAME = "delay_frame"
    MUTE = "mute"  # nothing comes any more; pings are answered
    FRAME_STATUS = "frame_status"  # the order has a status that no client knows
    GARBAGE_FRAME = "garbage_frame"  # a frame that is no JSON comes first
    DISCONNECT = "disconnect"  # the stream is closed instead

    # of the venue, when a request comes or after a time
    HALT = "halt"
    RESUME = "resume"
    SPLIT = "split"
    CLOCK_OFFSET = "clock_offset"


OF_FRAMES: Final = frozenset(
    {
        FaultKind.DUPLICATE_FRAME,
        FaultKind.REORDER_FRAMES,
        FaultKind.DROP_FRAME,
        FaultKind.DELAY_FRAME,
        FaultKind.MUTE,
        FaultKind.FRAME_STATUS,
        FaultKind.GARBAGE_FRAME,
        FaultKind.DISCONNECT,
    }
)
OF_VENUE: Final = frozenset({FaultKind.HALT, FaultKind.RESUME, FaultKind.SPLIT, FaultKind.CLOCK_OFFSET})
_AT: Final = {
    FaultKind.PARTIAL_FILLS: Kind.SUBMIT,
    FaultKind.SLOW_CANCEL: Kind.CANCEL,
    FaultKind.FILL_BEFORE_CANCEL: Kind.CANCEL,
    FaultKind.FILL_AFTER_CANCEL: Kind.CANCEL,
    FaultKind.SLOW_REPLACE: Kind.REPLACE,
    FaultKind.FILL_BEFORE_REPLACE: Kind.REPLACE,
}
_Seconds = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]
_Shares = Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=9, allow_inf_nan=False)]


class Fault(BaseModel):
    """One fault, planned.

    Attributes:
        on: At requests of these kinds; all when empty. A fault of the venue with none happens by time alone.
        news: At news of these names; all when empty.
        skip: Let so many matching requests or news pass first.
        count: How often it happens; None for until it is taken back.
        probability: Of happening when it could; drawn from the plan's seed.
        after_seconds: Not before so many seconds have passed since it was planned.
        when: Before the request is carried out, or after.
        seconds: Of a latency, a delay, a hang, a clock's offset, or until a cancel or replacement is done.
        to_seconds: A latency that grows (or falls) from `seconds` to this.
        ramp_seconds: How long that takes, from `after_seconds` on.
        quantities: Shares of scripted fills; of a race, the first is filled, or everything when empty.
        price: Of these fills, in dollars; the limit, else the last price, when None.
        then_match: The market works what scripted fills leave.
        status: The word for the status that nobody knows.
        symbol, ratio: Of a halt or a split.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fault: FaultKind
    on: tuple[Kind, ...] = ()
    news: tuple[News, ...] = ()
    skip: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    count: Annotated[int, Field(ge=1, le=1_000_000)] | None = 1
    probability: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    after_seconds: _Seconds = 0.0
    when: Literal["before", "after"] = "before"
    seconds: Annotated[float, Field(ge=-86_400, le=86_400, allow_inf_nan=False)] | None = None
    to_seconds: _Seconds | None = None
    ramp_seconds: _Seconds = 0.0
    quantities: Annotated[tuple[_Shares, ...], Field(max_length=1000)] = ()
    price: Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=6, allow_inf_nan=False)] | None = None
    then_match: bool = False
    status: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")] = "under_quantum_review"
    symbol: Annotated[Symbol, Field(pattern=SYMBOL_PATTERN)] | None = None
    ratio: Annotated[Decimal, Field(gt=0, le=1000, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.fault in {FaultKind.LATENCY, FaultKind.DELAY_FRAME, FaultKind.CLOCK_OFFSET} and self.seconds is None:
            raise ValueError(f"{self.fault} says how many seconds")
        if (self.seconds or 0) < 0 and self.fault is not FaultKind.CLOCK_OFFSET:
            raise ValueError("only a clock's offset may be negative")
        if self.fault is FaultKind.PARTIAL_FILLS and not self.quantities:
            raise ValueError("partial_fills says which quantities")
        if self.fault in {FaultKind.HALT, FaultKind.RESUME, FaultKind.SPLIT} and self.symbol is None:
            raise ValueError(f"{self.fault} says of which symbol")
        if self.fault is FaultKind.SPLIT and self.ratio is None:
            raise ValueError("split says its ratio")
        return self

    def concerns(self, kind: Kind) -> bool:
        """Whether it can happen at a request of this kind."""
        only = _AT.get(self.fault)
        return kind is only if only is not None else not self.on or kind in self.on
