"""The one place where numba, which ships no types, meets ours."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code: made at its first call, kept on disk for the next process.

    A copy on disk is renewed when the function's own file changes, not when one that it calls into does: functions that
    call each other stand in one module. It divides by zero without a word, so nothing in it may. While it runs, other
    threads run as well.
    """
    return cast("Callable[P, R]", njit(cache=True, nogil=True, error_model="numpy")(function))


def part(function: Callable[P, R]) -> Callable[P, R]:
    """A function that a compiled one calls and that makes no arrays: those that it is given are not counted.

    Counting, by instructions that lock the memory bus, took a third of the time of a run with many trades.
    """
    counted_not = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)  # type: ignore[call-overload] # internal
    return cast("Callable[P, R]", counted_not(function))
