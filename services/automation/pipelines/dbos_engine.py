"""Pipelines on DBOS: SQLite in a file of its own, or Postgres by URL.

DBOS keeps one state for the whole process, so there is one such engine at a time. It keeps the steps; which runs there
are, what started them and how they ended is ours (`store`).
"""

import fcntl
import json
import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from dbos import DBOS, DBOSConfig, Serializer, SetWorkflowID
from sqlalchemy import Engine as SqlEngine
from sqlalchemy import QueuePool, create_engine, event, make_url

from services.automation.pipelines import store
from services.automation.pipelines.engine import RunEndedError, Started, UnknownRunError
from services.automation.pipelines.executing import Runner
from services.automation.pipelines.pipeline import Cause, Pipeline
from services.contracts.pipelines import RunStatus
from services.kit.database_errors import DatabaseError
from services.kit.errors import StartError
from services.kit.facts import Transaction
from telemetry.private_file import make_private_file

# Runs that a crash cut short are resumed by the code that is there, so the version never changes: DBOS's own default,
# a digest of the source, would resume none after an update.
_VERSION: Final = "1"
_WORKFLOW: Final = "run"
_POLL_SECONDS: Final = 0.1
_THREADS: Final = 64
_CONNECTIONS: Final = 4
_BUSY_SECONDS: Final = 30.0
_MANY_RECOVERIES: Final = 1_000_000
_LOOK_SECONDS: Final = 1.0
_MANY: Final = 1_000

_log = logging.getLogger("services.automation.pipelines")


class TwoEnginesError(StartError):
    """Another process runs the pipelines of this data directory."""

    code = "two_engines"
    title = "Pipelines run already"


class EngineClosedError(StartError):
    """The engine was asked for something before it was opened."""

    code = "engine_closed"
    title = "The engine of pipelines is not open"


class StoppingError(BaseException):
    """The platform stops. Not an Exception: no step may take it for a failure, so that the run goes on next time."""


class StoppableWaiter:
    """Waits until the time is over or the engine stops."""

    def __init__(self) -> None:
        self._stopping = threading.Event()

    def wait(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise StoppingError

    def stop(self) -> None:
        """Every wait ends, now and from now on."""
        self._stopping.set()


class _Json(Serializer):
    """What DBOS stores can be read by anyone, and running nothing of it can run code (its default is pickle)."""

    def serialize(self, data: Any) -> str:  # noqa: ANN401 -- DBOS's own signature
        return json.dumps(data, default=lambda thing: f"<{type(thing).__name__}>")

    def deserialize(self, serialized_data: str) -> Any:  # noqa: ANN401 -- as above
        return json.loads(serialized_data)

    def name(self) -> str:
        return "sightline_json"


class DbosDurable:
    """Keeps the steps of the workflow that runs in this thread."""

    def once(self, name: str, function: Callable[[], Any]) -> Any:  # noqa: ANN401 -- JSON
        return DBOS.run_step({"name": name}, function)


class DbosEngine:
    """The engine.

    Args:
        runner: Knows the pipelines.
        waiter: Lets pauses pass; stopped with the engine.
        url: Postgres's URL, or None to keep steps in `directory`.
        directory: For the file of steps and for the lock that keeps a second process out.
    """

    def __init__(self, runner: Runner, waiter: StoppableWaiter, *, url: str | None, directory: Path) -> None:
        self._runner, self._waiter = runner, waiter
        self._url, self._directory = url, directory
        self._closing = ExitStack()
        self._workflow: Callable[[str], None] | None = None
        self._noted, self._wake, self._stopping = threading.Event(), threading.Event(), False
        self._handed: set[str] = set()
        self._starter: threading.Thread | None = None

    def open(self) -> None:
        self._lock()
        address = _by_our_driver(self._url) if self._url else f"sqlite:///{self._directory / 'pipelines.db'}"
        engine = create_engine(address, pool_size=_CONNECTIONS) if self._url else self._sqlite(address)
        config: DBOSConfig = {
            "name": "sightline",
            "system_database_url": address,
            "system_database_engine": engine,
            "application_version": _VERSION,
            "executor_id": "automation",
            "serializer": _Json(),
            "log_level": "WARNING",
            "enable_otlp": False,
            "max_executor_threads": _THREADS,
            "notification_listener_polling_interval_sec": _POLL_SECONDS,
            "use_listen_notify": False,
        }
        DBOS(config=config)
        _speak_as_we_do()

        def run(run_id: str) -> None:
            self._runner.execute(run_id, DbosDurable())

        self._workflow = DBOS.workflow(name=_WORKFLOW, max_recovery_attempts=_MANY_RECOVERIES)(run)
        DBOS.launch()
        self._closing.callback(engine.dispose)
        self._runner.facts.after_commit(self._after_commit)
        self._wake.set()  # for runs that were noted before the process ended
        self._starter = threading.Thread(target=self._set_out, name="pipelines")
        self._starter.start()

    def start(self, pipeline: Pipeline, cause: Cause) -> Started:
        with self._runner.facts.transaction(durable=True) as tx:
            return self.note(tx, pipeline, cause)

    def note(self, tx: Transaction, pipeline: Pipeline, cause: Cause) -> Started:
        new = self._runner.add(tx, pipeline, cause)
        if new:
            self._noted.set()
        return Started(pipeline.run_id(cause), new)

    def cancel(self, run_id: str) -> None:
        with self._runner.facts.transaction() as tx:
            run = store.one(tx.connection, run_id)
        if run is None:
            raise UnknownRunError(f"There is no run {run_id}; `sightline runs` lists them.")
        if not self._runner.end(run_id, RunStatus.CANCELED, "Canceled by a person.", steps=0):
            raise RunEndedError(f"Run {run_id} has {run.status.value}; there is nothing to cancel.")
        DBOS.cancel_workflow(run_id)

    def steps(self, run_id: str) -> list[Any]:
        """What DBOS knows of a run's steps, in the order in which they began."""
        return DBOS.list_workflow_steps(run_id)

    def close(self) -> None:
        self._stopping = True
        self._wake.set()
        if self._starter is not None:
            self._starter.join()
        self._waiter.stop()
        DBOS.destroy(destroy_registry=True)
        self._closing.close()

    def _after_commit(self) -> None:
        if self._noted.is_set():
            self._noted.clear()
            self._wake.set()

    def _set_out(self) -> None:
        """Hand every run that is noted and has not begun to DBOS, which knows each by its id and takes it once."""
        while not self._stopping:
            self._wake.wait(_LOOK_SECONDS)
            self._wake.clear()
            try:
                with self._runner.facts.transaction() as tx:
                    queued = store.queued(tx.connection, _MANY)
            except DatabaseError as error:
                _log.warning("cannot look for runs to start: %s", error.detail)
                continue
            self._handed &= set(queued)
            for run_id in queued:
                if run_id not in self._handed and not self._stopping:
                    self._hand_over(run_id)
                    self._handed.add(run_id)

    def _hand_over(self, run_id: str) -> None:
        if self._workflow is None:
            raise EngineClosedError("Open it first.")
        with SetWorkflowID(run_id):
            DBOS.start_workflow(self._workflow, run_id)

    def _lock(self) -> None:
        """Two processes with one executor's id would each take a run through the same step at the same time."""
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / "pipelines.lock"
        make_private_file(path)
        file = self._closing.enter_context(path.open("w", encoding="utf-8"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._closing.close()
            raise TwoEnginesError(
                f"Another process holds {path}. Stop it, or give this one another data directory."
            ) from error

    def _sqlite(self, address: str) -> SqlEngine:
        engine = create_engine(
            address,
            poolclass=QueuePool,
            pool_size=_CONNECTIONS,
            connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
        )
        make_private_file(self._directory / "pipelines.db")

        def prepare(connection: sqlite3.Connection, _record: object) -> None:
            connection.isolation_level = "IMMEDIATE"
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")

        event.listen(engine, "connect", prepare)
        return engine


def _by_our_driver(url: str) -> str:
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def _speak_as_we_do() -> None:
    """DBOS prints to standard error by itself; what it says belongs with everything else that is said."""
    logger = logging.getLogger("dbos")
    for handler in [*logger.handlers]:
        logger.removeHandler(handler)
    logger.propagate = True
