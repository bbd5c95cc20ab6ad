"""What `sightline tune` was asked for, option by option."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Which bars."""

    symbols: str
    source: str
    timeframe: str
    adjustment: str
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which study, and how it is made."""

    strategy: str
    within: tuple[str, ...]
    folds: int
    anchored: bool
    purge: int | None
    embargo: int | None
    hold_out: float
    against: str
    seed: int
    prune_after: int
    study: str
    resume: bool
    storage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What to do with it now."""

    trials: int
    batch: int
    budget_seconds: float | None
    open_hold_out: bool
