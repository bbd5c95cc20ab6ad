"""What a strategy can be set to: typed parameters with bounds, and which combinations make sense."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

Value = int | float | str
Params = Mapping[str, Value]
"""A value for each parameter of a space."""

_LARGEST_GRID: Final = 1_000_000


class ParameterError(ValueError):
    """A parameter, or a space of them, is not right. The message names it and says what is."""


class UnknownParameterError(ParameterError):
    """No parameter of the strategy has that name."""


class EmptySpaceError(ParameterError):
    """No combination of values is left to try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer:
    """A whole number from `low` to `high`, both included, in steps."""

    name: str
    low: int
    high: int
    default: int
    step: int = 1
    log: bool = False

    def check(self, value: Value) -> int:
        """The value as this parameter takes it. Raises `ParameterError`."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise ParameterError(f"{self.name} is a whole number, not {value!r}")
        if not self.low <= value <= self.high:
            raise ParameterError(f"{self.name} lies between {self.low} and {self.high}, not at {value}")
        return value

    def choices(self) -> Sequence[int]:
        """Every value."""
        return range(self.low, self.high + 1, self.step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Real:
    """A number from `low` to `high`, both included; `step` is only how finely a grid divides them."""

    name: str
    low: float
    high: float
    default: float
    step: float
    log: bool = False

    def check(self, value: Value) -> float:
        """The value as this parameter takes it. Raises `ParameterError`."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise ParameterError(f"{self.name} is a number, not {value!r}")
        if not self.low <= value <= self.high:
            raise ParameterError(f"{self.name} lies between {self.low:g} and {self.high:g}, not at {value:g}")
        return float(value)

    def choices(self) -> Sequence[float]:
        """The values of a grid."""
        count = int((self.high - self.low) / self.step + 1e-9) + 1
        return [round(self.low + number * self.step, 12) for number in range(max(0, count))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of several words."""

    name: str
    options: tuple[str, ...]
    default: str

    def check(self, value: Value) -> str:
        """The value as this parameter takes it. Raises `ParameterError`."""
        if not isinstance(value, str) or value not in self.options:
            raise ParameterError(f"{self.name} is one of {', '.join(self.options)}, not {value!r}")
        return value

    def choices(self) -> Sequence[str]:
        """Every value."""
        return self.options


Parameter = Integer | Real | Choice


@dataclass(frozen=True, slots=True)
class Below:
    """The value of `smaller` is less than that of `larger`."""

    smaller: str
    larger: str

    def holds(self, params: Params) -> bool:
        """Whether it is so."""
        return _number(params[self.smaller]) < _number(params[self.larger])

    def __str__(self) -> str:
        return f"{self.smaller} is below {self.larger}"


class ParameterSpace:
    """Every setting that a strategy takes.

    Args:
        parameters: Each with a name of its own.
        constraints: What must hold between them.

    Raises:
        ParameterError: Two have one name, or a constraint names none.
        EmptySpaceError: No setting is left, or the defaults are none.
    """

    def __init__(self, parameters: Sequence[Parameter], constraints: Sequence[Below] = ()) -> None:
        self.parameters = tuple(parameters)
        self.constraints = tuple(constraints)
        self._by_name = {parameter.name: parameter for parameter in self.parameters}
        if len(self._by_name) < len(self.parameters):
            raise ParameterError("two parameters have the same name")
        named = {name for constraint in self.constraints for name in (constraint.smaller, constraint.larger)}
        if unknown := sorted(named - self._by_name.keys()):
            raise ParameterError(f"a constraint names {', '.join(unknown)}, which is no parameter")
        for parameter in self.parameters:
            if not parameter.choices():
                raise EmptySpaceError(f"{parameter.name} has no value: its lower bound is above the upper one")
        if any(not constraint.holds(self.default) for constraint in self.constraints):
            raise EmptySpaceError("the default values break a constraint")

    @property
    def default(self) -> Params:
        """The setting that the strategy's author chose."""
        return {parameter.name: parameter.default for parameter in self.parameters}

    def check(self, given: Mapping[str, Value]) -> Params:
        """A whole setting: the values that are given, and the defaults of the others.

        Raises:
            UnknownParameterError: A name is no parameter.
            ParameterError: A value does not fit, or a constraint does not hold.
        """
        if unknown := sorted(given.keys() - self._by_name.keys()):
            raise UnknownParameterError(
                f"there is no parameter {', '.join(unknown)}; there are {', '.join(sorted(self._by_name))}"
            )
        whole = {**self.default, **{name: self._by_name[name].check(value) for name, value in given.items()}}
        for constraint in self.constraints:
            if not constraint.holds(whole):
                raise ParameterError(f"this does not hold: {constraint}")
        return whole

    def allows(self, params: Params) -> bool:
        """Whether every constraint holds."""
        return all(constraint.holds(params) for constraint in self.constraints)

    def narrowed(self, bounds: Mapping[str, tuple[float, float]]) -> "ParameterSpace":
        """The same space within narrower bounds.

        Raises:
            UnknownParameterError: A name is no parameter with bounds.
            EmptySpaceError: Nothing is left.
        """
        kept: list[Parameter] = []
        for parameter in self.parameters:
            if parameter.name not in bounds:
                kept.append(parameter)
                continue
            low, high = bounds[parameter.name]
            kept.append(_narrowed(parameter, low, high))
        if unknown := sorted(bounds.keys() - self._by_name.keys()):
            raise UnknownParameterError(f"there is no parameter {', '.join(unknown)}")
        space = ParameterSpace(kept)
        space.constraints = self.constraints
        if not any(space.allows(point) for point in _some(space)):
            raise EmptySpaceError("no setting within these bounds keeps every constraint; widen them")
        return space

    def grid(self) -> list[Params]:
        """Every setting of the grid that keeps the constraints, in a fixed order.

        Raises:
            EmptySpaceError: There is none.
            ParameterError: There are more than a million.
        """
        size = 1
        for parameter in self.parameters:
            size *= len(parameter.choices())
        if size > _LARGEST_GRID:
            raise ParameterError(f"the grid has {size:,} points; narrow the bounds, or let a study choose")
        points: list[dict[str, Value]] = [{}]
        for parameter in self.parameters:
            points = [{**point, parameter.name: value} for point in points for value in parameter.choices()]
        kept = [point for point in points if self.allows(point)]
        if not kept:
            raise EmptySpaceError("no setting keeps every constraint")
        return [dict(point) for point in kept]


def _narrowed(parameter: Parameter, low: float, high: float) -> Parameter:
    if isinstance(parameter, Choice):
        raise UnknownParameterError(f"{parameter.name} has no bounds: it is one of {', '.join(parameter.options)}")
    if low > high or high < parameter.low or low > parameter.high:
        raise EmptySpaceError(f"{parameter.name} has no value between {low:g} and {high:g}")
    if isinstance(parameter, Integer):
        least, most = max(parameter.low, int(low)), min(parameter.high, int(high))
        default = min(max(parameter.default, least), most)
        return Integer(
            name=parameter.name, low=least, high=most, default=default, step=parameter.step, log=parameter.log
        )
    bottom, top = max(parameter.low, low), min(parameter.high, high)
    return Real(
        name=parameter.name,
        low=bottom,
        high=top,
        default=min(max(parameter.default, bottom), top),
        step=parameter.step,
        log=parameter.log,
    )


def _some(space: ParameterSpace) -> list[dict[str, Value]]:
    """The corners and the middle: a constraint of this form holds at one of the corners if it holds anywhere."""
    points: list[dict[str, Value]] = [{}]
    for parameter in space.parameters:
        choices = parameter.choices()
        ends = (choices[0], choices[-1])
        points = [{**point, parameter.name: value} for point in points for value in ends]
    return points


def _number(value: Value) -> float:
    if isinstance(value, str):
        raise ParameterError("a constraint compares numbers")
    return float(value)
