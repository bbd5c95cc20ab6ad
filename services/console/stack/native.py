"""The platform without Docker: supervisord keeps the components, this starts and stops them in order."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from services.console.stack import processes
from services.console.stack.errors import StackError
from services.console.stack.files import tail, write_atomically
from services.console.stack.layout import HOST, Layout
from services.console.stack.plan import Plan, code_fingerprint
from services.console.stack.progress import Progress
from services.console.stack.ready import port_is_free
from services.console.stack.record import RunRecord, Unit, exclusively, units_of
from services.console.stack.staging import Staged, stage
from services.console.stack.starting import Starter
from services.console.stack.supervisor_client import SupervisorClient
from services.console.stack.supervisor_config import render

# What a component may see of the operator's environment: no secret of another program gets to it by accident.
_PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "PYTHONPATH")
_END_SECONDS = 10.0


class NativePlatform:
    """One native platform. `up` and `down` are safe to repeat, and raise StackError with what to do."""

    def __init__(self, layout: Layout, progress: Progress) -> None:
        self.client = SupervisorClient(layout.socket)
        self._layout = layout
        self._progress = progress

    def up(self, make_plan: Callable[[], Plan], *, timeout_seconds: float) -> RunRecord:
        """Start what does not run yet and wait until all is ready.

        When a first start fails or is interrupted, all of it is stopped again. When a platform that runs is brought
        back to full, an interrupt stops what this call started, and a component that fails is left to the supervisor,
        which goes on trying.
        """
        layout = self._layout
        with exclusively(layout.run_dir):
            plan = make_plan()
            staged = stage(plan)
            wanted = RunRecord(
                mode="native",
                units=units_of(plan),
                configuration=staged.digest(render(plan)),
                code=code_fingerprint(layout.root),
            )
            if self.client.is_running():
                return self._heal(wanted, timeout_seconds)
            self._end_leftovers()
            self._require_free_ports(wanted.units)
            self._prepare(plan, staged)
            wanted.save(layout.run_dir)
            try:
                self._start_supervisor()
                Starter(self.client, layout, self._progress).start(wanted.units, timeout_seconds=timeout_seconds)
            except BaseException:  # also Ctrl-C: what was started is stopped, then the reason goes on its way
                self._progress.waiting([])
                self._progress.note("stopping what was started")
                self._stop(wanted.units)
                raise
            return wanted

    def down(self) -> bool:
        """Stop everything and see that nothing is left. Returns whether anything ran."""
        with exclusively(self._layout.run_dir):
            record = RunRecord.load(self._layout.run_dir)
            return self._stop(record.units if record else ())

    def _heal(self, wanted: RunRecord, timeout_seconds: float) -> RunRecord:
        running = RunRecord.load(self._layout.run_dir)
        if running is None:
            raise StackError(
                "a supervisor runs, but the record of what it was started with is gone",
                remedy="run `sightline down && sightline up`",
            )
        starter = Starter(self.client, self._layout, self._progress)
        try:
            starter.start(running.units, timeout_seconds=timeout_seconds)
        except KeyboardInterrupt:
            for unit in reversed(running.units):
                if unit.name in starter.started:
                    self.client.stop(unit.name, stop_seconds=unit.stop_seconds)
            raise
        self._note_differences(running, wanted, starter.started)
        return running

    def _note_differences(self, running: RunRecord, wanted: RunRecord, started: Sequence[str]) -> None:
        changed = [
            what
            for what, before, now in (
                ("the configuration", running.configuration, wanted.configuration),
                ("the code", running.code, wanted.code),
            )
            if before != now
        ]
        if not started:
            self._progress.note("already running")
        if changed:
            self._progress.note(
                f"{' and '.join(changed)} changed since the start: `sightline down && sightline up` takes it over"
            )

    def _stop(self, units: Sequence[Unit]) -> bool:
        supervisor = self._supervisor_pid()
        if supervisor and self.client.is_running():
            states = self.client.states()
            for unit in reversed(units):
                if unit.name in states:
                    self.client.stop(unit.name, stop_seconds=unit.stop_seconds)
                    self._progress.stopped(unit.name)
            self.client.shut_down()
            processes.wait_until(lambda: not processes.is_alive(supervisor), timeout_seconds=_END_SECONDS)
        left_over = self._end_leftovers()
        self._require_freed_ports(units)
        self._remove_socket()
        RunRecord.remove(self._layout.run_dir)
        return bool(supervisor) or left_over

    def _remove_socket(self) -> None:
        socket = self._layout.socket
        socket.unlink(missing_ok=True)
        if socket.parent != self._layout.run_dir and socket.parent.is_dir():
            socket.parent.rmdir()  # made for the socket alone

    def _end_leftovers(self) -> bool:
        """End a supervisor that does not answer, and components whose supervisor is gone."""
        supervisor = self._supervisor_pid()
        supervisors = [supervisor] if supervisor else []
        left = processes.end(supervisors, grace_seconds=_END_SECONDS)
        orphans = processes.with_environment(f"SUPERVISOR_SERVER_URL=unix://{self._layout.socket}")
        if orphans:
            self._progress.note("stopping what an earlier run left: " + ", ".join(map(processes.describe, orphans)))
        left += processes.end(orphans, grace_seconds=_END_SECONDS)
        if left:
            raise StackError(
                "could not stop " + ", ".join(map(processes.describe, left)),
                remedy="end it as the user that started it, then run `sightline down` again",
            )
        return bool(supervisors or orphans)

    def _supervisor_pid(self) -> int | None:
        """The supervisor named by its pid file, if that process is the supervisor of this very platform."""
        try:
            pid = int((self._layout.run_dir / "supervisord.pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if processes.is_alive(pid) and processes.command_holds(pid, str(self._configuration())) else None

    def _require_free_ports(self, units: Sequence[Unit]) -> None:
        taken = [
            f"port {port} ({unit.name}) is taken by {_holder(port)}"
            for unit in units
            for port in unit.ports.values()
            if not port_is_free(HOST, port)
        ]
        if taken:
            raise StackError(
                "; ".join(taken),
                remedy="stop that program, or move all of Sightline's ports: SIGHTLINE_PORT_OFFSET=1000 sightline up",
            )

    def _require_freed_ports(self, units: Sequence[Unit]) -> None:
        ports = [port for unit in units for port in unit.ports.values()]
        if not processes.wait_until(lambda: all(port_is_free(HOST, port) for port in ports), timeout_seconds=5.0):
            held = [f"port {port} by {_holder(port)}" for port in ports if not port_is_free(HOST, port)]
            self._progress.note(f"all of Sightline has stopped, yet another program holds {', '.join(held)}")

    def _prepare(self, plan: Plan, staged: Staged) -> None:
        layout = self._layout
        data_dirs = [layout.data_dir / name for process in plan.processes for name in process.component.directories]
        for directory in (layout.log_dir, layout.socket.parent, layout.telemetry_file.parent, *data_dirs):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if layout.socket.parent.stat().st_uid != os.getuid():
            raise StackError(
                f"{layout.socket.parent} belongs to another user",
                remedy="set SIGHTLINE_DATA_DIR to a shorter path of your own",
            )
        staged.write(layout.run_dir)
        write_atomically(self._configuration(), render(plan).encode(), mode=0o600)

    def _start_supervisor(self) -> None:
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._configuration())]
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        # It puts itself into the background once its socket answers; Ctrl-C at this terminal then reaches us alone.
        result = subprocess.run(  # noqa: S603 -- our interpreter with a file that we wrote
            command,
            capture_output=True,
            check=False,
            cwd=self._layout.root,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            text=True,
        )
        if result.returncode != 0 or not self.client.is_running():
            raise StackError(
                "supervisord did not start",
                remedy="`sightline doctor` says what is missing",
                detail=result.stdout + result.stderr or tail(self._layout.log_file("supervisord"), lines=10),
            )

    def _configuration(self) -> Path:
        return self._layout.run_dir / "supervisord.conf"


def _holder(port: int) -> str:
    pid = processes.holder_of_port(port)
    return "a process of another user" if pid is None else processes.describe(pid)
