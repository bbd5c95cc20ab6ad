"""What the desk cannot do, and what to do about it."""

from http import HTTPStatus

from services.contracts.orders import VenueName
from services.kit.errors import ConflictError, NotFoundError, SightlineError, UnavailableError


class VenueNotKnownError(NotFoundError):
    """No venue of that name is set up."""

    code = "venue_not_known"
    title = "There is no such venue"

    def __init__(self, venue: VenueName) -> None:
        super().__init__(f"No venue is called {venue}. `sightline trading` lists them.")


class NotReplaceableError(ConflictError):
    """The venue cannot exchange the order's terms, or what was asked changes nothing."""

    code = "not_replaceable"
    title = "The order's terms cannot be replaced"


class ReplacementDeniedError(SightlineError):
    """The gate does not let the new terms pass."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "replacement_denied"
    title = "The new terms were denied"


class NotOwnerError(UnavailableError):
    """Another process trades on this database; this one may only show."""

    code = "not_owner"
    title = "Another process is the one that trades"

    def __init__(self) -> None:
        super().__init__("Ask the process that trades, or stop it: this one takes over once its lease has run out.")


class HaltUnderWayError(ConflictError):
    """The kill switch is at work; trading cannot be resumed before it has ended."""

    code = "halt_under_way"
    title = "The kill switch is at work"

    def __init__(self) -> None:
        super().__init__("Wait until it is done: `sightline halt --status` shows what is left.")
