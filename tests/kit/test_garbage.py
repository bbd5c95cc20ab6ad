"""Collecting less often, in a process of its own: it changes the whole of one."""

import gc
import weakref
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from services.kit.garbage import collect_seldom


class _Node:
    def __init__(self) -> None:
        self.itself = self


def _what_happens() -> tuple[bool, bool, bool]:
    collect_seldom()
    frozen = gc.get_freeze_count() > 0
    gone = weakref.ref(_Node())
    kept: list[list[int]] = [[] for _ in range(10_000)]
    waits = gone() is not None
    kept += [[] for _ in range(100_000)]
    return frozen, waits, gone() is None


def test_what_is_there_is_left_alone_and_a_circle_that_nobody_holds_goes_after_a_while() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        frozen, waits, goes = process.submit(_what_happens).result(timeout=60)
    assert frozen
    assert waits
    assert goes
