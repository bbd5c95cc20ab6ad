import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from services.kit.database import Database
from telemetry.private_file import make_private_file
from telemetry.sinks.embedded_schema import open_for_writing

_LOOK_AND_CLOSE = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT 1 FROM sqlite_master'); c.close()"
)


def test_make_when_nothing_is_there_then_file_and_directory_are_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "store.db"
    make_private_file(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["store.db"]


def test_make_when_the_file_is_there_then_it_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_text("kept")
    make_private_file(path)

    assert path.read_text() == "kept"


def _embedded(path: Path) -> Callable[[], None]:
    first, second = open_for_writing(path), open_for_writing(path)
    second.execute("CREATE TABLE probe (x)")

    def close() -> None:
        first.close()
        second.close()

    return close


def _service(path: Path) -> Callable[[], None]:
    database = Database(f"sqlite:///{path}", service="probe")
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE probe (x INTEGER)"))
    with database.reading() as connection:
        connection.execute(text("SELECT x FROM probe"))
    return database.close


@pytest.mark.parametrize("open_twice", [_embedded, _service])
def test_log_when_another_process_looks_and_closes_then_what_was_committed_is_still_there(
    open_twice: Callable[[Path], Callable[[], None]], tmp_path: Path
) -> None:
    """A process that lost its locks would have its write-ahead log deleted under it, with all that is in it."""
    path = tmp_path / "data" / "store.db"
    close = open_twice(path)
    log = path.with_name("store.db-wal")
    before = log.stat().st_ino

    subprocess.run([sys.executable, "-c", _LOOK_AND_CLOSE, str(path)], check=True)  # noqa: S603 -- our own program

    assert log.exists()
    assert log.stat().st_ino == before
    close()
    with closing(sqlite3.connect(path)) as fresh:
        assert fresh.execute("SELECT count(*) FROM probe").fetchone() == (0,)
