"""All simulated brokers' logins as one application: /alpaca, /schwab, /ibkr, /robinhood and /local."""

from typing import Final

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.routing import Mount

from services.kit.clock import Clock
from services.kit.ids import Randomness
from services.venue.logins.alpaca import AlpacaSimulator
from services.venue.logins.control import control_routes, refuse_invalid
from services.venue.logins.customers import Customers
from services.venue.logins.faults import Faults
from services.venue.logins.ibkr import IbkrSimulator
from services.venue.logins.robinhood import RobinhoodSimulator
from services.venue.logins.schwab import SchwabSimulator
from services.venue.logins.sms import SlowSms, SmsSender

PREFIXES: Final = ("/alpaca", "/schwab", "/ibkr", "/robinhood", "/local")


class LoginSimulators:
    """The simulated brokers and what they share.

    Attributes:
        customers: Who has an account.
        faults: What goes wrong next.
        ibkr: The gateway, whose week can be ended.
        app: Serves all of it.
    """

    def __init__(self, clock: Clock, randomness: Randomness, sms: SmsSender) -> None:
        self.customers = Customers()
        self.faults = Faults()
        self.ibkr = IbkrSimulator(self.customers, self.faults, clock)
        carrier = SlowSms(sms)
        robinhood = RobinhoodSimulator(self.customers, self.faults, clock, randomness, carrier)
        self.app = Starlette(
            routes=[
                Mount("/alpaca", routes=AlpacaSimulator(self.customers, self.faults).routes()),
                Mount("/schwab", routes=SchwabSimulator(self.customers, self.faults, clock, randomness).routes()),
                Mount("/ibkr", routes=self.ibkr.routes()),
                Mount("/robinhood", routes=robinhood.routes()),
                Mount("/local", routes=control_routes(self.customers, self.faults, carrier)),
            ],
            exception_handlers={ValidationError: refuse_invalid},
        )
