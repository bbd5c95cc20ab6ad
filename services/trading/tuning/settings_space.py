"""Settings as a search sees them: written down in one way, drawn at random, with their neighbours."""

import json
from collections.abc import Collection
from math import exp, log
from typing import Final

import numpy as np

from services.trading.strategies.parameters import (
    Choice,
    EmptySpaceError,
    Integer,
    Parameter,
    ParameterSpace,
    Params,
    Real,
    Value,
)

_DIGITS: Final = 12
_MOST_DRAWS: Final = 10_000
_LARGEST_LISTED: Final = 100_000
# A neighbour is about as far away as prices of another year would move the best setting.
_NEARBY: Final = 0.1
# Steps away within which a setting beside another is looked for, one after another.
_REACHES: Final = (1, 2, 4, 8, 16)
_DRAWS_PER_REACH: Final = 20
_OTHER_WORD: Final = 0.2


def written(setting: Params) -> str:
    """The setting as text, the same for the same values."""
    values = {name: round(value, _DIGITS) if isinstance(value, float) else value for name, value in setting.items()}
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def read(text: str) -> Params:
    """The setting that `written` wrote."""
    values: Params = json.loads(text)
    return values


def described(space: ParameterSpace) -> list[str]:
    """The space in words, one line for each parameter and constraint, the same for the same space."""
    return [*(repr(parameter) for parameter in space.parameters), *(str(rule) for rule in space.constraints)]


def listed(space: ParameterSpace) -> list[Params] | None:
    """Every setting of the grid, or None where there are too many to list (or a parameter has no grid).

    Raises:
        EmptySpaceError: There is none.
    """
    size = 1
    for parameter in space.parameters:
        if isinstance(parameter, Real) and parameter.log:
            return None
        size *= len(parameter.choices())
    return space.grid() if size <= _LARGEST_LISTED else None


def unseen(space: ParameterSpace, seen: Collection[str], random: np.random.Generator) -> Params:
    """A setting that keeps the constraints and was not seen yet, at random.

    Raises:
        EmptySpaceError: None was found.
    """
    for _ in range(_MOST_DRAWS):
        setting = {parameter.name: _drawn(parameter, random) for parameter in space.parameters}
        if space.allows(setting) and written(setting) not in seen:
            return setting
    # So many misses: what is left, if anything, has to be looked for one by one.
    left = [setting for setting in listed(space) or () if written(setting) not in seen]
    if not left:
        raise EmptySpaceError("no setting that keeps the constraints is left to try; widen the bounds")
    return left[int(random.integers(len(left)))]


def near(space: ParameterSpace, setting: Params, seen: Collection[str], random: np.random.Generator) -> Params:
    """A setting that keeps the constraints and was not seen yet, as few steps away from another as chance finds it.

    Raises:
        EmptySpaceError: None was found.
    """
    for reach in _REACHES:
        for _ in range(_DRAWS_PER_REACH):
            moved = dict(setting)
            for parameter in space.parameters:
                moved[parameter.name] = _moved(parameter, setting[parameter.name], reach, random)
            if space.allows(moved) and written(moved) not in seen:
                return moved
    return unseen(space, seen, random)


def neighbours(space: ParameterSpace, setting: Params) -> list[Params]:
    """Settings that differ in one number by about a tenth of it, at least by a step; all keep the constraints."""
    found: list[Params] = []
    for parameter in space.parameters:
        value = setting[parameter.name]
        if isinstance(parameter, Choice) or isinstance(value, str):
            continue
        distance = parameter.step * max(1, round(_NEARBY * abs(value) / parameter.step))
        for moved in (value - distance, value + distance):
            beside = {**setting, parameter.name: _rounded(parameter, moved)}
            if parameter.low <= moved <= parameter.high and space.allows(beside):
                found.append(beside)
    return found


def highest(parameter: Integer | Real) -> float:
    """The highest value that the steps reach."""
    return parameter.choices()[-1]


def _rounded(parameter: Integer | Real, value: float) -> Value:
    return round(value) if isinstance(parameter, Integer) else round(float(value), _DIGITS)


def _moved(parameter: Parameter, value: Value, reach: int, random: np.random.Generator) -> Value:
    if isinstance(parameter, Choice) or isinstance(value, str):
        return _drawn(parameter, random) if random.random() < _OTHER_WORD else value
    step = max(parameter.step, _NEARBY * abs(value)) if parameter.log else parameter.step
    away = value + step * int(random.integers(-reach, reach + 1))
    return _rounded(parameter, min(max(away, parameter.low), highest(parameter)))


def _drawn(parameter: Parameter, random: np.random.Generator) -> Value:
    if isinstance(parameter, Integer | Real) and parameter.log:
        value = exp(random.uniform(log(parameter.low), log(parameter.high)))
        return _rounded(parameter, min(max(value, parameter.low), parameter.high))
    choices = parameter.choices()
    return choices[int(random.integers(len(choices)))]
