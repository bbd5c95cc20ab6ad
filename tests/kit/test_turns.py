import itertools
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from services.kit.database import Database
from services.kit.database_errors import DatabaseBusyError
from services.kit.turns import Turns, TurnTimeoutError

_GREEDY = 4
_TURNS_OF_THE_MODEST = 20


def test_transaction_when_others_write_without_pause_then_its_turn_comes(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/turns.db", service="turns", busy_timeout_seconds=5.0)
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE writes (writer INTEGER)"))
    enough = threading.Event()
    failures: list[Exception] = []

    def write_without_pause(writer: int) -> None:
        try:
            while not enough.is_set():
                with database.transaction() as connection:
                    connection.execute(text("INSERT INTO writes VALUES (:writer)"), {"writer": writer})
        except DatabaseBusyError as error:
            failures.append(error)

    greedy = [threading.Thread(target=write_without_pause, args=(writer,)) for writer in range(_GREEDY)]
    for thread in greedy:
        thread.start()
    counts = []
    try:
        for _ in range(_TURNS_OF_THE_MODEST):
            with database.transaction() as connection:
                counts.append(connection.execute(text("SELECT count(*) FROM writes")).scalar_one())
    finally:
        enough.set()
        for thread in greedy:
            thread.join()

    assert failures == []
    # Whoever asks again queues up behind all others, so nobody gets two turns between two of another's.
    between = [later - earlier for earlier, later in itertools.pairwise(counts)]
    assert max(between) <= _GREEDY
    database.close()


def test_transaction_when_the_turn_does_not_come_then_it_says_that_the_database_is_busy(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/turns.db", service="turns", busy_timeout_seconds=0.05)
    with database.transaction():
        failures: list[Exception] = []

        def wait_in_vain() -> None:
            try:
                with database.transaction():
                    pass
            except DatabaseBusyError as error:
                failures.append(error)

        other = threading.Thread(target=wait_in_vain)
        other.start()
        other.join()
    assert len(failures) == 1
    database.close()


def test_turn_when_one_gave_up_waiting_then_the_next_in_line_gets_it() -> None:
    turns = Turns()
    got = threading.Event()

    def take() -> None:
        with turns.turn(timeout_seconds=30):
            got.set()

    with turns.turn(timeout_seconds=1):
        with pytest.raises(TurnTimeoutError), turns.turn(timeout_seconds=0.01):
            pass
        follower = threading.Thread(target=take)
        follower.start()
        assert not got.is_set()
    assert got.wait(30)
    follower.join()
