"""What the auth service answers over HTTP. Never a seed, a password or a key of the vault."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from services.contracts.auth import Broker, CredentialKind, MfaStage
from services.contracts.verdict import Environment

AccountPath = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
_LONGEST_PASSPHRASE = 1_024


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class CredentialView(_View):
    """That a secret is stored, and nothing of it.

    Attributes:
        generation: How often it was written.
        short_seed: A TOTP seed of fewer than 112 bits.
    """

    kind: CredentialKind
    generation: int
    short_seed: bool
    written_at: AwareDatetime


class AccountView(_View):
    """An account as the operator registered it."""

    name: str
    broker: Broker
    environment: Environment
    mfa: str
    stage: MfaStage
    base_url: str
    credentials: tuple[CredentialView, ...]


class AccountList(_View):
    """Every account, by name."""

    accounts: tuple[AccountView, ...]


class StageView(_View):
    """How far an account has moved from SMS to TOTP."""

    account: str
    stage: MfaStage


class VaultView(_View):
    """How the vault stands; `reason` says why it is sealed, "" when it is not."""

    sealed: bool
    initialised: bool
    needs_person: bool
    reason: str


class StepUpRequest(_View):
    """The second passphrase, for something that cannot be taken back.

    Attributes:
        what_for: Goes into the audit trail when the passphrase is wrong.
    """

    passphrase: Annotated[SecretStr, Field(max_length=_LONGEST_PASSPHRASE)]
    what_for: str = Field(min_length=1, max_length=200)


class UnsealRequest(_View):
    """What a person gives to unseal the vault.

    Attributes:
        passphrases: The passphrase, and the one before it while a rotation is unfinished; none for other key sources.
        first_time: Give a vault without any key its first one.
    """

    passphrases: tuple[Annotated[SecretStr, Field(max_length=_LONGEST_PASSPHRASE)], ...] = Field(
        default=(), max_length=2
    )
    first_time: bool = False


class CodeEntry(_View):
    """What an operator hands in for a login that waits: a code, or the address that a broker's page led to."""

    code: Annotated[SecretStr, Field(min_length=1, max_length=4_096)]


class CodeTaken(_View):
    """The code went to the login that waited for it; what came of that, its session tells."""

    account: str


class VerdictKeys(_View):
    """The public keys that check verdicts: Ed25519, URL-safe base64, by key id."""

    keys: dict[str, str]
