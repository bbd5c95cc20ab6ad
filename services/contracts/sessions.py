"""What auth tells of sessions, and the leases that it gives to trading."""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt

from services.contracts.auth import AccountId, BlockReason, Broker, LoginMethod
from services.contracts.verdict import Environment


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class ApprovalView(_Told):
    """What a person has to do, and by when. `remaining_seconds` counts down."""

    instruction: str
    deadline: AwareDatetime
    remaining_seconds: NonNegativeFloat
    takes_code: bool


class SessionView(_Told):
    """An account's session. Nothing in here is secret.

    Attributes:
        state: A state of the login state machine, such as "active" or "awaiting_approval".
        usable: Calls may be made with it now.
        resume_at: Backing off or cooling down: nothing is tried before. Active: when it is renewed.
        expires_at: When it ends unless it is renewed.
        person_needed_at: When a person has to log in again, whatever is renewed until then.
        failures: Failures in a row that a later try may mend.
        attempts_left: Logins that may be sent now.
        approval: Set while a person is asked.
    """

    account: AccountId
    broker: Broker
    environment: Environment
    method: LoginMethod
    state: str
    usable: bool
    changed_at: AwareDatetime
    resume_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    person_needed_at: AwareDatetime | None = None
    failures: NonNegativeInt = 0
    refused_codes: NonNegativeInt = 0
    block_reason: BlockReason | None = None
    attempts_left: NonNegativeInt = 0
    attempts_allowed_at: AwareDatetime | None = None
    approval: ApprovalView | None = None


class SessionList(_Told):
    """Every account's session, by name."""

    sessions: tuple[SessionView, ...]


class LeaseGrant(_Told):
    """The headers that carry a session, for a few minutes and for the receiver's memory only."""

    account: AccountId
    environment: Environment
    headers: dict[str, str] = Field(repr=False)
    expires_at: AwareDatetime
