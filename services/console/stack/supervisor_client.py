"""Talks to supervisord over its unix socket, by the XML-RPC interface that it documents."""

import http.client
import socket
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from supervisor.states import getProcessStateDescription  # type: ignore[import-untyped]  # the package ships no types

from services.console.stack.errors import StackError

_ALREADY_STARTED = 60
_NOT_RUNNING = 70
_REPLY_MARGIN_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessState:
    """What the supervisor knows of a process.

    Attributes:
        state: stopped, starting, running, backoff (ended too soon, waits for its next start), stopping, exited,
            fatal or unknown.
        pid: 0 when it does not run.
        uptime_seconds: Time since its last start; 0 when it does not run.
        exit_status: Of its last end, or 0.
        spawn_error: Why it could not be started at all, or "".
    """

    name: str
    state: str
    pid: int
    uptime_seconds: int
    exit_status: int
    spawn_error: str

    @property
    def is_up(self) -> bool:
        """Whether its process exists and is not being stopped."""
        return self.state in {"starting", "running"}


class SupervisorClient:
    """The supervisor of one platform. Every method raises StackError when it does not answer."""

    def __init__(self, socket_path: Path, *, timeout_seconds: float = 10.0) -> None:
        self._socket_path = socket_path
        self._timeout_seconds = timeout_seconds

    def is_running(self) -> bool:
        """Whether a supervisor answers on the socket."""
        if not self._socket_path.exists():
            return False
        try:
            self._call("supervisor.getState")
        except StackError:
            return False
        return True

    def pid(self) -> int:
        """The supervisor's own process id."""
        return cast("int", self._call("supervisor.getPID"))

    def states(self) -> dict[str, ProcessState]:
        """Every process by name."""
        return {info["name"]: _state(info) for info in self._call("supervisor.getAllProcessInfo")}

    def start(self, name: str) -> None:
        """Start a process without waiting until it is ready. One that runs already is left alone."""
        self._call("supervisor.startProcess", name, False, expected_fault=_ALREADY_STARTED)

    def stop(self, name: str, *, stop_seconds: int) -> None:
        """Stop a process and wait until it has ended: TERM first, KILL after `stop_seconds`."""
        self._call(
            "supervisor.stopProcess",
            name,
            True,
            expected_fault=_NOT_RUNNING,
            timeout_seconds=stop_seconds + _REPLY_MARGIN_SECONDS,
        )

    def shut_down(self) -> None:
        """Ask the supervisor to stop what still runs and to end."""
        self._call("supervisor.shutdown")

    def _call(
        self, method: str, *arguments: str | bool, expected_fault: int = 0, timeout_seconds: float | None = None
    ) -> Any:  # noqa: ANN401 -- XML-RPC: whatever the method returns
        transport = _UnixTransport(self._socket_path, timeout_seconds or self._timeout_seconds)
        with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as proxy:
            try:
                return getattr(proxy, method)(*arguments)
            except xmlrpc.client.Fault as fault:
                if fault.faultCode == expected_fault:
                    return None
                raise StackError(f"the supervisor refused {method} {arguments}: {fault.faultString}") from fault
            except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
                raise StackError(
                    f"the supervisor does not answer on {self._socket_path}: {error}",
                    remedy="run `sightline down`, then `sightline up`",
                ) from error


def _state(info: dict[str, Any]) -> ProcessState:
    running = info["pid"] > 0
    return ProcessState(
        name=info["name"],
        state=str(getProcessStateDescription(info["state"])).lower(),
        pid=info["pid"],
        uptime_seconds=max(0, info["now"] - info["start"]) if running else 0,
        exit_status=info["exitstatus"],
        spawn_error=info["spawnerr"],
    )


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path
        self._timeout_seconds = timeout_seconds

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._timeout_seconds)
        self.sock.connect(str(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__()
        self._unix = _UnixConnection(path, timeout_seconds)

    def make_connection(self, host: object) -> http.client.HTTPConnection:  # noqa: ARG002 -- the base's signature
        return self._unix

    def close(self) -> None:
        self._unix.close()
        super().close()
