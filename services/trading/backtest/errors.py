"""What a backtest does not run. The message says what is wrong and what to do."""

from http import HTTPStatus

from services.kit.errors import SightlineError


class BadPanelError(SightlineError):
    """The bars cannot be traded on: no bars, no common time axis, prices at or below zero or out of order."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "bad_panel"
    title = "These bars cannot be backtested"


class BadDecisionError(SightlineError):
    """The strategy broke its protocol: a fault of the strategy, not of the data."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "bad_decision"
    title = "The strategy decided something that nobody can do"


class MoneyTooLargeError(SightlineError):
    """Sums left the range in which both tiers count exactly, about four thousand billion dollars."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "money_too_large"
    title = "The account grew beyond what is counted"
