"""How far and how long an account lies below its best."""

import numpy as np

from services.contracts.columns import Floats


def drawdowns(equity: Floats) -> Floats:
    """At each moment `equity / highest equity so far - 1`: 0 at a new high, negative below it (Magdon-Ismail 2004)."""
    below: Floats = equity / np.maximum.accumulate(equity) - 1.0
    return below


def max_drawdown(equity: Floats) -> float:
    """The lowest of `drawdowns`, as a negative share."""
    return float(drawdowns(equity).min())


def longest_drawdown(equity: Floats) -> int:
    """The most periods in a row that end below an earlier high, counted in periods; one that has not ended counts."""
    below = drawdowns(equity) < 0
    steps = np.diff(np.concatenate(([0], below.astype(np.int8), [0])))
    lengths = np.flatnonzero(steps < 0) - np.flatnonzero(steps > 0)
    return int(lengths.max()) if len(lengths) else 0
