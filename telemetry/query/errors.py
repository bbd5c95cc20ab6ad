"""What can go wrong when telemetry is read back. Every message says what to do."""


class QueryError(Exception):
    """Root of everything a reader raises."""


class InvalidQueryError(QueryError):
    """The question itself cannot be asked: a bad id, name, level, limit or time range. Nothing was sent."""


class RefusedQueryError(QueryError):
    """The backend understood the request and turned it down; the message holds its words."""


class BackendAwayError(QueryError):
    """The backend cannot be reached or does not answer as it should; asking again later may work."""


class QueryTimeoutError(QueryError):
    """No answer within the reader's time limit; a smaller window or a more exact filter helps."""


class ExemplarsUnavailableError(QueryError):
    """This backend keeps no exemplars."""
