"""Bars as a source's documents tell them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np

from services.contracts.bars import nanoseconds_of
from services.contracts.columns import Columns


def columns_in(
    documents: Sequence[Mapping[str, Any]], fields: Sequence[str], start: Callable[[Mapping[str, Any]], datetime]
) -> Columns:
    """Take bars over, or none.

    Args:
        documents: A bar each, oldest first.
        fields: Names of open, high, low, close and volume.
        start: When a bar begins.

    Raises:
        KeyError, TypeError, ValueError: These are no bars, or not in ascending order.
    """
    times = [nanoseconds_of(start(each)) for each in documents]
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise ValueError("bars are not in ascending order")
    numbers = np.array([[float(each[name]) for name in fields] for each in documents]).reshape(-1, len(fields))
    if not (np.isfinite(numbers).all() and (numbers[:, :-1] > 0).all() and (numbers[:, -1] >= 0).all()):
        raise ValueError("bars have numbers that are none")
    opened, high, low, close, volume = np.ascontiguousarray(numbers.T)
    return Columns(np.array(times, dtype=np.int64), opened, high, low, close, volume)


def moment(text: str) -> datetime:
    """An aware moment out of ISO 8601. Raises `TypeError`, `ValueError` when it is none."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a start does not say its offset from UTC")
    return found
