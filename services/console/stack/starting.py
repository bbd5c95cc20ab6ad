"""Starts components in the order of their dependencies and waits until each is ready."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from services.console.stack.errors import StackError
from services.console.stack.files import size_bytes, tail
from services.console.stack.layout import Layout
from services.console.stack.progress import Progress
from services.console.stack.ready import is_ready
from services.console.stack.record import Unit
from services.console.stack.supervisor_client import ProcessState, SupervisorClient

_POLL_SECONDS = 0.1
_LOG_LINES = 15


class Starter:
    """One start of a set of units. `started` names those that did not run before."""

    def __init__(self, client: SupervisorClient, layout: Layout, progress: Progress) -> None:
        self.started: list[str] = []
        self._client = client
        self._layout = layout
        self._progress = progress
        self._began: dict[str, float] = {}
        self._pids: dict[str, int] = {}
        self._log_starts: dict[str, int] = {}

    def start(self, units: Sequence[Unit], *, timeout_seconds: float) -> None:
        """Start what does not run and wait for all. Raises StackError when one dies or is not ready in time."""
        deadline = time.monotonic() + timeout_seconds
        pending = list(units)
        waiting: list[Unit] = []
        ready: set[str] = set()
        with ThreadPoolExecutor(max_workers=len(units) or 1) as pool:
            while pending or waiting:
                startable = [unit for unit in pending if ready.issuperset(unit.depends_on)]
                self._start_missing(startable)
                pending = [unit for unit in pending if unit not in startable]
                waiting += startable
                self._progress.waiting([unit.name for unit in waiting])
                self._require_alive(waiting)
                answers = list(pool.map(lambda unit: is_ready(unit.ready), waiting))
                for unit, answered in zip(tuple(waiting), answers, strict=True):
                    if answered:
                        waiting.remove(unit)
                        ready.add(unit.name)
                        self._report_ready(unit)
                if waiting and time.monotonic() > deadline:
                    raise self._too_slow(waiting[0], timeout_seconds)
                if waiting and not any(answers):
                    time.sleep(_POLL_SECONDS)
        self._progress.waiting([])

    def _start_missing(self, units: Sequence[Unit]) -> None:
        states = self._client.states() if units else {}
        for unit in units:
            self._began[unit.name] = time.monotonic()
            self._log_starts[unit.name] = size_bytes(self._layout.log_file(unit.name))
            state = states.get(unit.name)
            if state is None:
                raise StackError(
                    f"the supervisor that runs knows no component {unit.name}",
                    remedy="run `sightline down && sightline up`",
                )
            if not state.is_up:
                self.started.append(unit.name)
                self._client.start(unit.name)

    def _require_alive(self, units: Sequence[Unit]) -> None:
        states = self._client.states()
        for unit in units:
            state = states[unit.name]
            if not state.is_up or self._pids.setdefault(unit.name, state.pid) != state.pid:
                raise self._died(unit, state)

    def _report_ready(self, unit: Unit) -> None:
        if unit.name in self.started:
            self._progress.ready(unit.name, time.monotonic() - self._began[unit.name])

    def _died(self, unit: Unit, state: ProcessState) -> StackError:
        # Of a component that ends soon after its start, the supervisor keeps no exit status.
        spawn_error = "" if state.spawn_error.startswith("Exited too quickly") else state.spawn_error
        how = spawn_error or (f"exit status {state.exit_status}" if state.exit_status else "")
        return StackError(
            f"{unit.name} ended while it was starting" + (f" ({how})" if how else ""),
            remedy=f"its whole output is in {self._layout.log_file(unit.name)}",
            detail=self._output(unit),
        )

    def _too_slow(self, unit: Unit, timeout_seconds: float) -> StackError:
        return StackError(
            f"{unit.name} runs but was not ready within {timeout_seconds:.0f} s ({unit.ready} does not answer)",
            remedy=f"read {self._layout.log_file(unit.name)}; on a slow machine try `sightline up --timeout 120`",
            detail=self._output(unit),
        )

    def _output(self, unit: Unit) -> str:
        return tail(self._layout.log_file(unit.name), lines=_LOG_LINES, start=self._log_starts[unit.name])
