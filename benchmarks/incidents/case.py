"""What a fault or a control of the benchmark is."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np

from benchmarks.incidents.house import House

Injection = Callable[[House, np.random.Generator], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Case:
    """One fault, or one control.

    Attributes:
        name: The fault's; for most also its cause.
        causes: Any of these is right; empty for a control.
        inject: A context manager: the fault lasts as long as its block.
        contained: A check of the state: whether, while the fault lasts, the platform does what it should without a
            person.
        containment: The same in words.
        well: A check of the state once the fault is gone: whether all is as it was before.
        prepare: What has to be there before the fault, and takes time.
        tidy: What a person does in the end about what was left to a person.
    """

    name: str
    causes: tuple[str, ...]
    inject: Injection
    containment: str = ""
    contained: Callable[[House], bool] = lambda _house: False
    well: Callable[[House], bool] = lambda _house: True
    prepare: Callable[[House, np.random.Generator], None] = lambda _house, _random: None
    tidy: Callable[[House], None] = lambda _house: None


@contextmanager
def working(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Do something in a thread while the block runs; `work` returns soon after its event is set."""
    stopping = threading.Event()
    thread = threading.Thread(target=work, args=(stopping,))
    with ExitStack() as stack:
        thread.start()
        stack.callback(thread.join)
        stack.callback(stopping.set)
        yield
