"""What becomes of an order: proven by a server of bare sockets, through the real alpaca-py."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

from services.contracts.market import OrderType
from services.contracts.orders import ClientOrderId, VenueOrderId
from services.trading.brokers.port import (
    Accepted,
    CancelTaken,
    Change,
    NotSent,
    OutcomeUnknown,
    Rejected,
    VenueRefusesKeysError,
    VenueUnavailableError,
)
from services.trading.wire.calls import Patience
from tests.fakes.clock import FakeClock
from tests.trading.brokers.papers import NAME, TICKET, broker_at, new_keys, order_document
from tests.trading.brokers.sockets import (
    HandshakeServer,
    Play,
    SocketServer,
    answer,
    answer_bytes,
    close,
    full_backlog,
    garbage,
    half,
    hang,
    reset,
    trickle,
)
from tests.venue.broker.serving import serving

ORDER_ID = VenueOrderId("61e69015-8549-4bfd-b9c3-01e75843f47d")
DUPLICATE = answer(422, {"code": 40010001, "message": "client_order_id must be unique"})
NO_SUCH_ORDER = answer(404, {"code": 40410000, "message": "order not found"})


# --- before the first byte


def test_a_submit_when_nobody_listens_is_not_sent() -> None:
    with SocketServer(close) as server:
        url = server.url
    assert isinstance(broker_at(url).submit(NAME, TICKET), NotSent)


def test_a_submit_when_the_name_has_no_address_is_not_sent() -> None:
    assert isinstance(broker_at("https://nowhere.invalid").submit(NAME, TICKET), NotSent)


def test_a_submit_when_no_connection_comes_about_is_not_sent() -> None:
    listener, waiting = full_backlog()
    try:
        outcome = broker_at(f"http://127.0.0.1:{listener.getsockname()[1]}").submit(NAME, TICKET)
    finally:
        for each in (listener, *waiting):
            each.close()
    assert outcome == NotSent("no connection within 0.5 s")


@pytest.mark.parametrize("play", [close, reset, garbage, hang], ids=lambda play: str(play.__name__))
def test_a_submit_when_the_tls_handshake_fails_is_not_sent(play: Play) -> None:
    with HandshakeServer(play) as server:
        assert isinstance(broker_at(f"https://127.0.0.1:{server.port}").submit(NAME, TICKET), NotSent)
        assert server.connections == 1


def test_a_submit_without_keys_is_not_sent() -> None:
    with SocketServer(close) as server:
        outcome = broker_at(server.url, {"Authorization": "Bearer of something else"}).submit(NAME, TICKET)
        assert isinstance(outcome, NotSent)
        assert server.heard == []


# --- after it


@pytest.mark.parametrize(
    "play",
    [
        close,
        reset,
        hang,
        half,
        trickle,
        garbage,
        answer(500, {"code": 50010000, "message": "internal server error"}),
        answer(503),
        answer(504, {"message": "gateway timeout"}),
        answer(302, location="http://127.0.0.1/elsewhere"),
        answer(408),
        answer(200),
        answer(200, ["an", "array"]),
        answer(200, {"id": "61e69015"}),
        answer(200, order_document(client_order_id="another")),
        answer(200, order_document(qty="NaN")),
        answer_bytes(200, b'{"status": NaN}'),
        answer_bytes(200, b"<html>It works</html>"),
    ],
    ids=[
        *("closed", "reset", "silent", "half-an-answer", "trickle", "no-http"),
        *("500", "503", "504", "redirect", "408", "empty", "array", "fields-missing", "another-order", "nan-quantity"),
        *("nan", "html"),
    ],
)
def test_a_submit_when_its_answer_cannot_be_trusted_is_unknown_and_sent_once(play: Play) -> None:
    with SocketServer(play) as server:
        assert isinstance(broker_at(server.url).submit(NAME, TICKET), OutcomeUnknown)
        assert [heard.method for heard in server.heard] == ["POST"]


@pytest.mark.parametrize("play", [close, reset], ids=["closed", "reset"])
def test_a_submit_on_a_kept_connection_that_ends_is_unknown_and_sent_once(play: Play) -> None:
    with SocketServer(NO_SUCH_ORDER, play) as server:
        broker = broker_at(server.url)
        assert broker.find(NAME) is None
        assert isinstance(broker.submit(NAME, TICKET), OutcomeUnknown)
        assert [heard.method for heard in server.heard] == ["GET", "POST"]
        assert server.connections == 1


@pytest.mark.parametrize("status", [429, 504])
def test_a_submit_is_sent_once_where_alpaca_py_by_itself_would_send_it_again(status: int) -> None:
    with SocketServer(answer(status, {"message": "later"})) as server:
        assert isinstance(broker_at(server.url).submit(NAME, TICKET), OutcomeUnknown)
        assert isinstance(broker_at(server.url).replace(ORDER_ID, NAME, Change(quantity=Decimal(5))), OutcomeUnknown)
        assert [heard.method for heard in server.heard] == ["POST", "PATCH"]


@pytest.mark.parametrize("mark", [{"x_ratelimit_remaining": "0"}, {"retry_after": "7"}], ids=["remaining", "retry"])
def test_a_submit_that_the_rate_limiter_turned_away_is_not_sent(mark: dict[str, str]) -> None:
    with SocketServer(answer(429, {"code": 42910000, "message": "too many requests."}, **mark)) as server:
        assert isinstance(broker_at(server.url).submit(NAME, TICKET), NotSent)
        assert len(server.heard) == 1


# --- refusals


def test_a_submit_that_the_venue_refuses_is_rejected_with_its_code_and_words() -> None:
    with SocketServer(answer(403, {"code": 40310000, "message": "insufficient buying power"})) as server:
        outcome = broker_at(server.url).submit(NAME, TICKET)
    assert outcome == Rejected("40310000", "insufficient buying power")


@pytest.mark.parametrize(
    ("status", "document"),
    [
        (401, {"code": 40110000, "message": "request is not authorized"}),
        (403, {"code": 40310000, "message": "forbidden."}),
        (403, {"message": "forbidden."}),
    ],
)
def test_a_submit_whose_keys_are_refused_says_so(status: int, document: object) -> None:
    with SocketServer(answer(status, document)) as server:
        outcome = broker_at(server.url).submit(NAME, TICKET)
        assert isinstance(outcome, Rejected)
        assert outcome.unauthorised
        with pytest.raises(VenueRefusesKeysError):
            broker_at(server.url).find(NAME)


@pytest.mark.parametrize(
    ("status", "code", "message", "venue_side"),
    [
        (403, 40310000, "trading is blocked for the account", True),
        (422, 42210000, "new orders are rejected by user request", True),
        (403, 40310000, "account is not allowed to trade", True),
        (403, 40310000, "insufficient qty available for order (requested: 10, available: 0)", False),
        (403, 40310000, "potential wash trade detected. use complex orders", False),
        (422, 42210000, "asset AAPL is not tradable", False),
    ],
)
def test_a_submit_that_is_rejected_says_whether_the_whole_account_is_blocked(
    status: int,
    code: int,
    message: str,
    venue_side: bool,  # noqa: FBT001 -- a parameter
) -> None:
    with SocketServer(answer(status, {"code": code, "message": message})) as server:
        assert broker_at(server.url).submit(NAME, TICKET) == Rejected(str(code), message, venue_side=venue_side)


def test_a_submit_that_the_venue_had_before_is_accepted() -> None:
    with SocketServer(DUPLICATE, answer(200, order_document(status="filled", filled_qty="10"))) as server:
        outcome = broker_at(server.url).submit(NAME, TICKET)
    assert isinstance(outcome, Accepted)
    assert outcome.order.filled == 10


@pytest.mark.parametrize("play", [NO_SUCH_ORDER, answer(500), close], ids=["not-found", "500", "closed"])
def test_a_submit_that_the_venue_had_before_is_unknown_when_it_does_not_show_it(play: Play) -> None:
    with SocketServer(DUPLICATE, play) as server:
        assert isinstance(broker_at(server.url).submit(NAME, TICKET), OutcomeUnknown)
        assert [heard.method for heard in server.heard].count("POST") == 1


def test_a_submit_with_another_field_refused_under_the_code_of_duplicates_is_rejected() -> None:
    refusal = answer(422, {"code": 40010001, "message": "limit price must be a multiple of 0.01"})
    with SocketServer(refusal, NO_SUCH_ORDER) as server:
        assert isinstance(broker_at(server.url).submit(NAME, TICKET), Rejected)


# --- cancels and questions, which may be sent again


@pytest.mark.parametrize("play", [close, reset, answer(500), answer(504)], ids=["closed", "reset", "500", "504"])
def test_a_cancel_is_asked_again_when_no_answer_came(play: Play) -> None:
    with SocketServer(play, answer(204)) as server:
        assert broker_at(server.url).cancel(ORDER_ID) == CancelTaken()
        assert [heard.method for heard in server.heard] == ["DELETE", "DELETE"]


def test_a_cancel_that_is_refused_after_one_without_answer_is_unknown() -> None:
    refusal = answer(422, {"code": 42210000, "message": "order is already canceled"})
    with SocketServer(close, refusal) as server:
        assert isinstance(broker_at(server.url).cancel(ORDER_ID), OutcomeUnknown)


def test_a_cancel_that_is_refused_at_once_is_rejected() -> None:
    with SocketServer(answer(422, {"code": 42210000, "message": "order is already filled"})) as server:
        assert broker_at(server.url).cancel(ORDER_ID) == Rejected("42210000", "order is already filled")


def test_a_cancel_is_given_up_after_three_attempts() -> None:
    with SocketServer(close) as server:
        assert isinstance(broker_at(server.url).cancel(ORDER_ID), OutcomeUnknown)
        assert len(server.heard) == 3


def test_a_cancel_of_everything_is_taken_when_each_order_is() -> None:
    told = [{"id": "a", "status": 200}, {"id": "b", "status": 422, "body": {"code": 42210000}}]
    with SocketServer(answer(207, told)) as server:
        assert broker_at(server.url).cancel_all() == CancelTaken()


def test_a_cancel_of_everything_is_unknown_when_one_failed() -> None:
    with SocketServer(answer(207, [{"id": "a", "status": 200}, {"id": "b", "status": 500}])) as server:
        assert broker_at(server.url).cancel_all() == OutcomeUnknown("1 of 2 orders were not canceled")


def test_a_question_is_asked_again_and_then_given_up() -> None:
    with SocketServer(answer(500)) as server:
        with pytest.raises(VenueUnavailableError, match="answered 500"):
            broker_at(server.url).find(NAME)
        assert len(server.heard) == 3


def test_a_question_is_not_asked_again_once_its_time_is_up() -> None:
    brief = Patience(connect_seconds=0.5, read_seconds=0.2, total_seconds=0.1)
    with SocketServer(hang) as server:
        with pytest.raises(VenueUnavailableError, match=r"no answer within 0\.2 s"):
            broker_at(server.url, patience=brief).find(NAME)
        assert len(server.heard) == 1


def test_a_question_waits_as_long_as_the_venue_asks_for() -> None:
    clock = FakeClock()
    later = answer(429, {"code": 42910000}, retry_after="1")
    with SocketServer(later, NO_SUCH_ORDER) as server:
        assert broker_at(server.url, sleep=clock.advance, clock=clock).find(NAME) is None
    assert clock.monotonic() == 1.0


def test_a_question_does_not_wait_longer_than_it_has_patience() -> None:
    waits: list[float] = []
    with SocketServer(answer(429, {"code": 42910000}, retry_after="60")) as server:
        with pytest.raises(VenueUnavailableError):
            broker_at(server.url, sleep=waits.append).find(NAME)
        assert len(server.heard) == 1
    assert waits == []


def test_keys_go_out_once_however_their_headers_are_written() -> None:
    keys = {name.lower(): value for name, value in new_keys().items()}
    with SocketServer(NO_SUCH_ORDER) as server:
        broker_at(server.url, keys).find(NAME)
        assert server.heard[0].headers["apca-api-key-id"] == keys["apca-api-key-id"]


def test_a_404_that_the_venue_did_not_write_is_no_word_about_an_order() -> None:
    page = answer_bytes(404, b"<html>no such page</html>")
    with SocketServer(page) as server, pytest.raises(VenueUnavailableError):
        broker_at(server.url).find(NAME)


def test_renewed_keys_are_used_at_the_next_call() -> None:
    keys, renewed = new_keys(), new_keys()
    with SocketServer(NO_SUCH_ORDER) as server:
        broker = broker_at(server.url, keys)
        broker.find(NAME)
        keys.update(renewed)
        broker.find(NAME)
        sent = [heard.headers["apca-api-key-id"] for heard in server.heard]
    assert sent[1] == renewed["APCA-API-KEY-ID"]
    assert sent[0] != sent[1]


def test_many_threads_at_once_each_get_the_answer_to_their_own_order(tmp_path: Path) -> None:
    waiting = TICKET.model_copy(update={"order_type": OrderType.LIMIT, "limit_price": Decimal(50)})
    names = [ClientOrderId(f"sl-{number}.0") for number in range(200)]
    with serving(tmp_path) as served, ThreadPoolExecutor(16) as threads:
        broker = broker_at(served.base_url, served.headers, patience=Patience(read_seconds=30.0))
        outcomes = list(threads.map(lambda name: broker.submit(name, waiting), names))
        broker.close()
    assert [each for each in outcomes if not isinstance(each, Accepted)] == []
    assert [each.order.client_order_id for each in outcomes if isinstance(each, Accepted)] == names
