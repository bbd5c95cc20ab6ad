"""What an import offers."""

from dataclasses import dataclass, field

from services.auth.totp.seeds import TotpSeed


@dataclass(frozen=True, slots=True)
class SeedOffer:
    """A seed that was read and has not yet proven itself.

    Attributes:
        issuer: Who gave it out, as the import says; "" if it does not.
        name: The account's name at the issuer, as the import says.
    """

    seed: TotpSeed
    issuer: str = field(repr=False)
    name: str = field(repr=False)
