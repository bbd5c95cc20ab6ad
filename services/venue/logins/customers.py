"""Who has an account at the simulated brokers, and what each of them was asked so far. Memory only."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.contracts.auth import Broker
from services.kit.errors import StartError


class PaperLoginsError(StartError):
    """The file of customers is not valid."""

    code = "bad_paper_logins"
    title = "The customers of the simulated Robinhood cannot be read"

    def __init__(self) -> None:
        super().__init__("Remove paper_logins.json from the secrets; `sightline up` makes a new one.")


class Factor(StrEnum):
    """What a simulated broker asks for after the password."""

    NONE = "none"
    TOTP = "totp"
    SMS = "sms"
    SMS_CHALLENGE = "sms_challenge"  # of a device that is not known yet
    PROMPT = "prompt"  # the same, approved on the phone


class Decision(StrEnum):
    """What the customer says to a request for approval."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"


@dataclass
class Customer:
    """A customer of a simulated broker.

    Attributes:
        name: User name, Alpaca's key id, or Schwab's app key.
        secret: Password, Alpaca's secret key, or Schwab's app secret.
        totp_seed: In base32, for `Factor.TOTP`.
        phone: Where text messages go.
        decision: The answer to requests for approval.
        restricted: The account may not open positions.
        closed: The broker does not let the customer in at all.
        tokens: Access tokens given out, and until when each is good.
        refresh_tokens: The same for refresh tokens.
        devices: Device tokens that were verified.
        submissions: Logins that arrived, whatever became of them.
        codes: One-time codes that arrived, in order.
    """

    broker: Broker
    name: str
    secret: str = field(repr=False)
    factor: Factor = Factor.NONE
    totp_seed: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    decision: Decision = Decision.PENDING
    restricted: bool = False
    closed: bool = False
    tokens: dict[str, datetime] = field(default_factory=dict, repr=False)
    refresh_tokens: dict[str, datetime] = field(default_factory=dict, repr=False)
    devices: set[str] = field(default_factory=set, repr=False)
    submissions: int = 0
    codes: list[str] = field(default_factory=list, repr=False)


class Customers:
    """The customers of all simulated brokers."""

    def __init__(self) -> None:
        self._customers: dict[tuple[Broker, str], Customer] = {}

    def put(self, customer: Customer) -> Customer:
        """Open an account, in place of the one of that name."""
        self._customers[customer.broker, customer.name] = customer
        return customer

    def find(self, broker: Broker, name: str) -> Customer | None:
        """The customer of a name."""
        return self._customers.get((broker, name))

    def of(self, broker: Broker) -> list[Customer]:
        """Every customer of a broker."""
        return [customer for customer in self._customers.values() if customer.broker is broker]

    def by_token(self, broker: Broker, token: str, now: datetime) -> Customer | None:
        """Whose access token this is, if it is good now."""
        return next((each for each in self.of(broker) if token in each.tokens and now < each.tokens[token]), None)

    def by_refresh_token(self, broker: Broker, token: str, now: datetime) -> Customer | None:
        """Whose refresh token this is, if it is good now."""
        good = (each for each in self.of(broker) if token in each.refresh_tokens and now < each.refresh_tokens[token])
        return next(good, None)

    def end_sessions(self, broker: Broker, name: str) -> bool:
        """Take back every token of a customer, as a broker does that ends sessions; whether there is the customer."""
        customer = self.find(broker, name)
        if customer is None:
            return False
        customer.tokens.clear()
        customer.refresh_tokens.clear()
        return True


class _PaperLogin(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, Field(min_length=1, max_length=200)]
    password: Annotated[str, Field(min_length=1, max_length=200, repr=False)]
    totp_seed: Annotated[str, Field(max_length=200, pattern=r"^[A-Z2-7]+$", repr=False)]


_LOGINS: Final = TypeAdapter(list[_PaperLogin])


def customers_in(text: str) -> list[Customer]:
    """The customers of the simulated Robinhood in a file's text. Raises `PaperLoginsError`."""
    try:
        found = _LOGINS.validate_json(text)
    except ValidationError:
        raise PaperLoginsError from None
    return [Customer(Broker.ROBINHOOD, each.name, each.password, Factor.TOTP, each.totp_seed) for each in found]
