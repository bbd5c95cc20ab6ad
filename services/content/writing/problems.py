"""What can keep a document from being shown, written or reviewed."""

from collections.abc import Mapping
from http import HTTPStatus

from services.kit.errors import SightlineError, UnavailableError

SETTLED_SECONDS = 10
"""Lines reach the log's store in batches, some of them seconds late: before that a text would lack the end."""


class NoSuchDocumentError(SightlineError):
    """No document has this id."""

    status_code = HTTPStatus.NOT_FOUND
    code = "no_such_document"
    title = "There is no such document"


class NotOverError(UnavailableError):
    """The end of the incident was not told yet, or its last log lines are on their way."""

    code = "incident_not_over"
    title = "The incident cannot be written up yet"

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": str(SETTLED_SECONDS)}


class ReviewOrderError(SightlineError):
    """A document cannot go from its status to that one."""

    status_code = HTTPStatus.CONFLICT
    code = "review_out_of_order"
    title = "The document cannot go there from where it is"
