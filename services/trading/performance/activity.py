"""How much is done with the money."""

import numpy as np

from services.contracts.columns import Floats


def exposure_time(invested: Floats) -> float:
    """Share of the periods at whose end something was held."""
    return float((invested > 0).mean())


def mean_exposure(invested: Floats, equity: Floats) -> float:
    """Mean of `invested / equity`: positions without regard to sign, above 1 for borrowed money.

    Periods that end without money of one's own are left out; NaN if there are no others.
    """
    solvent = equity > 0
    return float((invested[solvent] / equity[solvent]).mean()) if solvent.any() else float("nan")


def turnover(traded: float, equity: Floats, periods_per_year: float) -> float:
    """Money that changed hands a year, one side counted, over mean equity: `traded / 2 / mean(equity) / years`.

    Half of all buying and selling equals the lesser of the two (the SEC's definition, Form N-1A, item 13) when as much
    is sold as is bought.
    """
    years = len(equity) / periods_per_year
    mean = float(np.mean(equity))
    return traded / 2.0 / mean / years if mean > 0 else float("nan")
