"""Settings drawn from a strategy's whole space."""

import numpy as np

from services.trading.strategies.parameters import Integer, ParameterSpace, Params, Real, Value


def random_setting(space: ParameterSpace, random: np.random.Generator) -> Params:
    """One that keeps every constraint."""
    while True:
        drawn: dict[str, Value] = {}
        for each in space.parameters:
            if isinstance(each, Integer):
                drawn[each.name] = int(random.integers(each.low, each.high + 1))
            elif isinstance(each, Real):
                drawn[each.name] = float(random.uniform(each.low, each.high))
            else:
                drawn[each.name] = str(random.choice(each.options))
        if space.allows(drawn):
            return drawn
