"""The one error that running the platform raises: what happened, and what to do about it."""


class StackError(Exception):
    """Something keeps the platform from starting, stopping or being looked at.

    Attributes:
        message: What happened, in words for the operator.
        remedy: What to do about it, often a command; "" when the message says it all.
        detail: Lines to show below, such as the end of a component's log; "" when there are none.
    """

    def __init__(self, message: str, *, remedy: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.detail = detail
