"""The one place where numba, which ships no types, meets ours."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from llvmlite import ir  # type: ignore[import-untyped] # it ships no types
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

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


def _prefetch(_context: Any, array: Any, row: Any, place: Any) -> Any:  # noqa: ANN401 -- what numba hands over
    def written(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401 -- the same
        of, *where = arguments
        kind = signature.args[0]
        made = context.make_array(kind)(context, builder, of)
        pointer = cgutils.get_item_pointer(context, builder, kind, made, where)  # type: ignore[no-untyped-call] # numba's
        number = ir.IntType(32)
        call = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, number, number, number])
        instruction = builder.module.declare_intrinsic("llvm.prefetch", [cgutils.voidptr_t], call)
        to_read, to_keep, data = number(0), number(3), number(1)
        builder.call(instruction, [builder.bitcast(pointer, cgutils.voidptr_t), to_read, to_keep, data])
        return context.get_dummy_value()

    return types.void(array, row, place), written


fetch = cast("Callable[[Any, int, int], None]", intrinsic(_prefetch))
"""In a compiled function: begin to bring a place of an array near, without waiting; one beyond its end does no harm."""
