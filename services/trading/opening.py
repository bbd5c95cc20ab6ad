"""Opening what trading stands on: for the service, and for an operator who halts while it does not run."""

from pathlib import Path
from typing import Final

from services.contracts.orders import TradingState
from services.contracts.trading import KillSwitchPulled
from services.kit.chassis import Chassis
from services.kit.clock import Clock
from services.kit.errors import StartError
from services.kit.ids import SystemRandomness
from services.trading.desk import kill_store
from services.trading.desk.kill_store import Pull
from services.trading.desk.state import SUBJECT, StateKeeper
from services.trading.instruments import TABLE
from services.trading.orders.transactions import Transaction
from services.trading.settings import TradingSettings

_MIGRATIONS: Final = Path(__file__).parent / "migrations" / "versions"
# Every order is found again whatever the sampling is.
_ALWAYS_TRACED: Final = ("/orders", "/halt", "/resume", "/reduce")


class HaltNotKeptError(StartError):
    """The halt could not be written down."""

    code = "halt_not_kept"
    title = "The halt could not be kept"

    def __init__(self) -> None:
        super().__init__("The log tells why. Halt at the venues themselves, and look at the disk.")


def open_chassis(settings: TradingSettings, *, clock: Clock | None = None) -> Chassis[TradingSettings]:
    """What the service stands on. Raises `StartError` or `DatabaseError`."""
    return Chassis.open(
        settings, migrations=[_MIGRATIONS], instruments=TABLE, forced_routes=_ALWAYS_TRACED, clock=clock
    )


def latch_halt(settings: TradingSettings, *, actor: str, reason: str, flatten: bool) -> None:
    """Pull the kill switch in the books of a service that does not run: it starts halted and goes on with the pull.

    Raises:
        StartError: The database cannot be used as the settings say.
        DatabaseError: It is away, and nothing was latched.
    """
    chassis = open_chassis(settings)
    try:
        pull = Pull(
            halt_id=SystemRandomness().token(),
            actor=actor,
            reason=reason,
            flatten=flatten,
            pulled_at=chassis.clock.now(),
        )

        def along(transaction: Transaction) -> None:
            kill_store.begin(transaction.connection, pull)
            transaction.record(KillSwitchPulled(subject=SUBJECT, actor=actor, reason=reason))

        state = StateKeeper(chassis.facts, chassis.database, chassis.clock)
        state.load()
        state.narrow(TradingState.HALTED, actor, reason, along)
        with chassis.database.reading() as connection:
            if kill_store.unfinished(connection) != pull:
                raise HaltNotKeptError
    finally:
        chassis.close()
