"""The one place where numba, which ships no types, meets ours."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code: made at its first call, kept on disk for the next process.

    A copy on disk is renewed when the function's own file changes, not when one that it calls into does: functions that
    call each other stand in one module. While it runs, other threads run as well.
    """
    return cast("Callable[P, R]", njit(cache=True, nogil=True)(function))
