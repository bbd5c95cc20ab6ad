"""Halting while the service does not run: it is in the books, and whoever starts next goes on with it."""

import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.contracts.market import Side
from services.contracts.orders import TradingState
from services.kit.callers import write_callers
from services.kit.clock import SystemClock
from services.kit.database import Database
from services.trading.desk import kill_store
from services.trading.desk.state import StateKeeper
from services.trading.desk.views import KillReport
from services.trading.opening import HaltNotKeptError, latch_halt
from services.trading.settings import TradingSettings
from tests.auth.support import KeptFacts
from tests.trading.desk.support import VERSIONS, DeskHouse


def settings(directory: Path) -> TradingSettings:
    write_callers(directory / "callers.json", {})
    return TradingSettings(
        data_dir=directory, secrets_dir=directory, console="off", nats_token=SecretStr("made-up"), port_offset=1
    )


def opened(directory: Path) -> Database:
    database = Database(f"sqlite:///{directory / 'db' / 'trading.db'}", service="trading", versions=(VERSIONS,))
    database.migrate()
    return database


def ended(house: DeskHouse) -> KillReport:
    """What the kill switch did, once it has ended: it goes on in a thread of its own."""
    deadline = time.monotonic() + 30
    while (report := house.desk.last_halt()) is None:
        assert time.monotonic() < deadline, "the kill switch never ended"
        time.sleep(0.01)
    return report


def test_a_halt_while_nothing_runs_is_kept_with_the_pull(tmp_path: Path) -> None:
    latch_halt(settings(tmp_path), actor="operator", reason="a drill", flatten=True)

    database = opened(tmp_path)
    state = StateKeeper(KeptFacts(database), database, SystemClock())
    state.load()
    with database.reading() as connection:
        pull = kill_store.unfinished(connection)
    database.close()
    assert (state.now.state, state.now.actor, state.now.reason) == (TradingState.HALTED, "operator", "a drill")
    assert pull is not None
    assert (pull.actor, pull.flatten) == ("operator", True)


def test_the_desk_that_starts_next_is_halted_and_goes_on_with_closing(tmp_path: Path) -> None:
    database = opened(tmp_path)
    before = DeskHouse(database).start()
    before.hold(before.alpha, 10)
    latch_halt(settings(tmp_path), actor="operator", reason="a drill", flatten=True)

    after = before.another()
    after.clock.advance(60)  # the lease of the one before has run out
    after.start()
    report = ended(after)

    assert after.desk.state().state is TradingState.HALTED
    assert report.flattened == 1
    closing = [(ticket.side, ticket.quantity) for _, ticket in after.alpha.submitted][-1]
    assert closing == (Side.SELL, 10)
    database.close()


def test_a_halt_that_cannot_be_kept_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kill_store, "begin", lambda _connection, _pull: None)

    with pytest.raises(HaltNotKeptError):
        latch_halt(settings(tmp_path), actor="operator", reason="a drill", flatten=True)
