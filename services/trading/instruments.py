"""How trading's facts read in the log and which metrics they move.

What is read off the desk instead (open orders, ages, readiness, money) is in `gauges`; what only the order path can
time is in `meter`.
"""

from typing import Final

from services.contracts.trading import (
    CircuitChanged,
    DriftFound,
    FailedOver,
    FillBooked,
    KillSwitchDone,
    KillSwitchPulled,
    OrderAccepted,
    OrderChanged,
    OrderDenied,
    OrderEnded,
    OrderFilled,
    OrderIncident,
    OrderNotSent,
    OrderRejected,
    OrderResolved,
    OrderSubmitting,
    OrderUnknown,
    ReadinessChanged,
    Reconciled,
    ReconciliationFailed,
    SplitBooked,
    StreamConnected,
    StreamLost,
    TradingStateChanged,
    VenueHeld,
    VenueRestored,
)
from services.kit.instruments import Either, Instrument, Measure
from services.trading.strategy_instruments import STRATEGY_TABLE
from telemetry.catalogue import (
    TRADING_CIRCUIT_CHANGES,
    TRADING_DENIALS,
    TRADING_DIFFERENCES,
    TRADING_FAILOVERS,
    TRADING_FILL_DELAY,
    TRADING_FILLS,
    TRADING_INCIDENTS,
    TRADING_KILL_SWITCH_DURATION,
    TRADING_KILL_SWITCH_PULLS,
    TRADING_RECONCILE_DURATION,
    TRADING_RECONCILIATIONS,
    TRADING_SLIPPAGE,
    TRADING_STREAM_CHANGES,
    TRADING_TRANSITION_SOURCES,
    TRADING_TRANSITIONS,
    TRADING_UNKNOWN_DURATION,
)

_BY_VENUE: Final = {"venue": "venue"}
_OF_VENUE: Final = {"venue": "subject"}  # facts about a venue
_ORDER: Final = ("intent_id", "venue", "strategy", "symbol", "side", "sequence", "was", "now", "source", "substatus")
_REASONED: Final = (*_ORDER, "reason")
_MOVED: Final = (
    Measure(metric=TRADING_TRANSITIONS, labels={"from": "was", "to": "now"}),
    Measure(metric=TRADING_TRANSITION_SOURCES, labels={"to": "now", "source": "source"}),
)

_ON_THE_WAY: Final = (
    Instrument(
        event=OrderDenied,
        level="warning",
        message="{side} {quantity} {symbol} for {strategy} was denied, {reason}: {detail}",
        fields=("strategy", "symbol", "side", "quantity", "reason", "detail"),
        counters=(Measure(metric=TRADING_DENIALS, labels={"reason": "reason"}),),
    ),
    Instrument(
        event=OrderSubmitting,
        level="info",
        message="{subject} goes to {venue}: {side} {quantity} {symbol} {order_type} for {strategy}",
        fields=(*_ORDER, "order_type", "quantity"),
        counters=_MOVED,
    ),
    Instrument(
        event=OrderNotSent,
        level="warning",
        message="{subject} never left for {venue}: {reason}",
        fields=_REASONED,
        counters=_MOVED,
    ),
    Instrument(
        event=OrderAccepted,
        level="info",
        message="{venue} has {subject} as {venue_order_id}",
        fields=(*_ORDER, "venue_order_id"),
        counters=_MOVED,
    ),
    Instrument(
        event=OrderRejected,
        level="warning",
        message="{venue} rejected {subject}: {reason}",
        fields=_REASONED,
        counters=_MOVED,
    ),
    Instrument(
        event=OrderUnknown,
        level="error",
        message="nobody knows whether {subject} is at {venue}: {reason}",
        fields=_REASONED,
        counters=_MOVED,
    ),
    Instrument(
        event=OrderResolved,
        level="warning",
        message="{subject} was unknown for {unknown_seconds} s and is {now}, as {source} told",
        fields=(*_REASONED, "unknown_seconds"),
        counters=_MOVED,
        histograms=(Measure(metric=TRADING_UNKNOWN_DURATION, labels=_BY_VENUE, value="unknown_seconds"),),
    ),
)

_WORKING: Final = (
    Instrument(
        event=OrderChanged,
        level="info",
        message="{subject} was {was} and is {now} at {venue}, as {source} told",
        fields=_REASONED,
        counters=_MOVED,
    ),
    Instrument(
        event=FillBooked,
        level="info",
        message="{side} {quantity} {symbol} at {price} on {venue} for {subject}",
        fields=(
            *("venue", "strategy", "symbol", "side", "execution_id", "quantity", "price", "source"),
            *("inferred", "late", "delay_seconds", "slippage_bps", "submit_traceparent"),
        ),
        counters=(Measure(metric=TRADING_FILLS, labels={**_BY_VENUE, "source": "source"}),),
        histograms=(
            Measure(metric=TRADING_FILL_DELAY, labels=_BY_VENUE, value="delay_seconds"),
            Measure(metric=TRADING_SLIPPAGE, labels=_BY_VENUE, value="slippage_bps"),
        ),
    ),
    Instrument(
        event=OrderFilled,
        level="info",
        message="{subject} is filled: {side} {quantity} {symbol} at {average_price} on {venue}",
        fields=(*_ORDER, "quantity", "average_price"),
        counters=_MOVED,
    ),
    Instrument(
        event=OrderEnded,
        level="info",
        message="{subject} ended {now} at {venue} with {filled} {symbol} filled",
        fields=(*_REASONED, "filled"),
        counters=_MOVED,
    ),
    Instrument(
        event=OrderIncident,
        level="error",
        message="{kind} of {subject} at {venue}: {detail}",
        fields=("venue", "kind", "detail"),
        counters=(Measure(metric=TRADING_INCIDENTS, labels={**_BY_VENUE, "kind": "kind"}),),
    ),
    Instrument(
        event=FailedOver,
        level="warning",
        message="{quantity} {symbol} of {subject} went on from {from_venue} to {to_venue}: {cause}",
        fields=("from_venue", "to_venue", "cause", "symbol", "quantity"),
        counters=(
            Measure(
                metric=TRADING_FAILOVERS,
                labels={"from_venue": "from_venue", "to_venue": "to_venue", "cause": "cause"},
            ),
        ),
    ),
)

_RECONCILING: Final = (
    Instrument(
        event=Reconciled,
        level="info",
        message="{orders} orders were compared with {subject} in {duration_seconds} s, {differences} differed",
        fields=("trigger", "orders", "differences", "duration_seconds"),
        counters=(
            Measure(
                metric=TRADING_RECONCILIATIONS,
                labels={**_OF_VENUE, "trigger": "trigger"},
                fixed={"outcome": "succeeded"},
            ),
        ),
        histograms=(Measure(metric=TRADING_RECONCILE_DURATION, labels=_OF_VENUE, value="duration_seconds"),),
    ),
    Instrument(
        event=ReconciliationFailed,
        level="error",
        message="{subject} could not be compared with ({trigger}): {reason}",
        fields=("trigger", "reason"),
        counters=(
            Measure(
                metric=TRADING_RECONCILIATIONS,
                labels={**_OF_VENUE, "trigger": "trigger"},
                fixed={"outcome": "failed"},
            ),
        ),
    ),
    Instrument(
        event=DriftFound,
        level="warning",
        message="{subject} and we differ in {symbol}, {kind}: {detail}",
        fields=("kind", "symbol", "detail"),
        counters=(Measure(metric=TRADING_DIFFERENCES, labels={**_OF_VENUE, "kind": "kind"}),),
    ),
)

_VENUES: Final = (
    Instrument(
        event=SplitBooked,
        level="warning",
        message="{symbol} was split at {subject}: {ratio} for each of {before} shares",
        fields=("symbol", "ratio", "before"),
    ),
    Instrument(
        event=StreamConnected,
        level="info",
        message="the stream of {subject} stands",
        counters=(Measure(metric=TRADING_STREAM_CHANGES, labels=_OF_VENUE, fixed={"change": "connected"}),),
    ),
    Instrument(
        event=StreamLost,
        level="warning",
        message="the stream of {subject} is lost: {reason}",
        fields=("reason",),
        counters=(Measure(metric=TRADING_STREAM_CHANGES, labels=_OF_VENUE, fixed={"change": "lost"}),),
    ),
    Instrument(
        event=CircuitChanged,
        level="warning",
        message="the circuit of {subject} was {was} and is {now}: {reason}",
        fields=("was", "now", "reason"),
        counters=(Measure(metric=TRADING_CIRCUIT_CHANGES, labels={**_OF_VENUE, "to": "now"}),),
    ),
    Instrument(
        event=ReadinessChanged,
        level="warning",
        message=Either(
            field="ready", true="{subject} is ready for new orders", false="{subject} takes no new orders: {reasons}"
        ),
        fields=("ready", "reasons"),
    ),
)

_ENDED: Final = (
    "the kill switch ended after {duration_seconds} s with {canceled} orders canceled and {flattened} positions"
    " flattened"
)
_TRADING: Final = (
    Instrument(
        event=VenueHeld,
        level="warning",
        message="{actor} holds {subject} back: {reason}",
        fields=("actor", "reason"),
    ),
    Instrument(
        event=VenueRestored,
        level="warning",
        message="{actor} restored {subject} after {held_seconds} s: {reason}",
        fields=("actor", "reason", "held_seconds", "still_held_by"),
    ),
    Instrument(
        event=TradingStateChanged,
        level="warning",
        message="trading was {was} and is {now}, by {actor}: {reason}",
        fields=("was", "now", "actor", "reason"),
    ),
    Instrument(
        event=KillSwitchPulled,
        level="critical",
        message="{actor} pulled the kill switch: {reason}",
        fields=("actor", "reason"),
        counters=(Measure(metric=TRADING_KILL_SWITCH_PULLS),),
    ),
    Instrument(
        event=KillSwitchDone,
        level="warning",
        message=Either(
            field="flat",
            true=f"{_ENDED}, as every venue confirmed",
            false=f"{_ENDED}; something is left: {{left}}",
        ),
        fields=("canceled", "flattened", "duration_seconds", "flat", "left"),
        histograms=(Measure(metric=TRADING_KILL_SWITCH_DURATION, labels={"flat": "flat"}, value="duration_seconds"),),
    ),
)

TABLE: Final = (*_ON_THE_WAY, *_WORKING, *_RECONCILING, *_VENUES, *_TRADING, *STRATEGY_TABLE)
