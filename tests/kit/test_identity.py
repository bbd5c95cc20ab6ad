"""Caller tokens: each way to be refused, and that nothing but the signed request gets through."""

import asyncio
import base64
import json
import logging
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from services.kit.callers import CallerEntry, public_key_text, write_callers
from services.kit.database import Database
from services.kit.identity import CallerVerifier, hash_of
from services.kit.identity_errors import CallerRefusedError, TokenReplayedError
from services.kit.spent_tokens import DatabaseSpentTokens
from services.kit.tables import SPENT_TOKENS
from tests.fakes.clock import FakeClock
from tests.fakes.spent_tokens import FakeSpentTokens
from tests.kit.conftest import RecordedTelemetry
from tests.kit.web import AUDIENCE, WEBHOOK_TOKEN, AppClient, SignedBy, Web

TARGET = "/orders/1"
HEADER = {"typ": "sightline-caller+jwt"}


@pytest.fixture
def web(tmp_path: Path, telemetry: RecordedTelemetry, clock: FakeClock) -> Web:
    return Web(tmp_path, telemetry, clock)


@pytest.fixture
def client(web: Web) -> AppClient:
    return web.client()


def claims(clock: FakeClock, **changes: object) -> dict[str, object]:
    now = int(clock.now().timestamp())
    right: dict[str, object] = {
        "iss": "tester",
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 60,
        "jti": "0123456789abcdef",
        "htm": "GET",
        "htp": TARGET,
        "bh": hash_of(b""),
    }
    return {name: value for name, value in (right | changes).items() if value is not None}


def token_of(web: Web, payload: dict[str, object], *, algorithm: str = "EdDSA", header: dict[str, Any] = HEADER) -> str:
    key: Any = web.key if algorithm == "EdDSA" else "" if algorithm == "none" else b"k" * 64
    return jwt.encode(payload, key, algorithm=algorithm, headers=header)


def ask(client: AppClient, token: str, target: str = TARGET) -> httpx.Response:
    return client.get(target, headers={"authorization": f"Bearer {token}"})


def test_request_when_it_is_signed_then_it_is_served(web: Web, client: AppClient) -> None:
    assert client.get(TARGET, auth=web.signed()).json() == {"order_id": 1}


def test_request_when_its_query_is_signed_as_sent_then_it_is_served(web: Web, client: AppClient) -> None:
    assert client.get(TARGET, params={"note": "a b/ü&c"}, auth=web.signed()).status_code == 200


def test_request_when_its_caller_is_known_then_the_span_names_it(web: Web, client: AppClient) -> None:
    client.get(TARGET, auth=web.signed())
    (span,) = web.telemetry.spans.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["sightline.caller"] == "tester"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "stranger"}, "token_unknown_caller"),
        ({"aud": "other"}, "token_wrong_request"),
        ({"aud": [AUDIENCE]}, "token_malformed"),
        ({"htm": "POST"}, "token_wrong_request"),
        ({"htm": "get"}, "token_wrong_request"),
        ({"htp": "/orders/2"}, "token_wrong_request"),
        ({"htp": f"{TARGET}?x=1"}, "token_wrong_request"),
        ({"bh": hash_of(b"other")}, "token_wrong_request"),
        ({"jti": "short"}, "token_malformed"),
        ({"jti": "j" * 65}, "token_malformed"),
        ({"jti": None}, "token_malformed"),
        ({"bh": None}, "token_malformed"),
        ({"admin": True}, "token_malformed"),
        ({"nbf": 1}, "token_malformed"),
    ],
)
def test_token_when_a_claim_is_not_right_then_it_is_refused_for_that_reason(
    web: Web, client: AppClient, clock: FakeClock, changes: dict[str, object], reason: str
) -> None:
    response = ask(client, token_of(web, claims(clock, **changes)))
    assert response.status_code == 401
    assert response.json()["code"] == reason
    assert web.refused(reason) == 1


@pytest.mark.parametrize(
    ("made_seconds_ago", "life_seconds", "reason"),
    [
        (64, 60, None),
        (65, 60, "token_expired"),
        (3600, 60, "token_expired"),
        (-5, 60, None),
        (-6, 60, "token_not_yet_valid"),
        (0, 61, "token_malformed"),
        (0, 86_400, "token_malformed"),
        (0, 0, "token_malformed"),
        (0, -10, "token_malformed"),
    ],
)
def test_token_when_its_time_is_not_right_then_it_is_refused_with_five_seconds_of_leeway(
    web: Web, clock: FakeClock, made_seconds_ago: int, life_seconds: int, reason: str | None
) -> None:
    issued = int(clock.now().timestamp()) - made_seconds_ago
    response = ask(web.client(), token_of(web, claims(clock, iat=issued, exp=issued + life_seconds)))
    assert response.json().get("code") == reason


@pytest.mark.parametrize(
    ("algorithm", "header"),
    [
        ("none", HEADER),
        ("HS256", HEADER),
        ("HS512", HEADER),
        ("EdDSA", {"typ": "JWT"}),
        ("EdDSA", HEADER | {"kid": "tester"}),
        ("EdDSA", HEADER | {"jku": "http://127.0.0.1/keys"}),
    ],
)
def test_token_when_its_header_is_not_ours_then_it_is_malformed(
    web: Web, client: AppClient, clock: FakeClock, algorithm: str, header: dict[str, Any]
) -> None:
    token = token_of(web, claims(clock), algorithm=algorithm, header=header)
    assert ask(client, token).json()["code"] == "token_malformed"


def test_token_when_the_public_key_is_used_as_a_shared_secret_then_it_is_malformed(
    web: Web, client: AppClient, clock: FakeClock
) -> None:
    secret = public_key_text(web.key)
    token = jwt.encode(claims(clock), secret, algorithm="HS256", headers={"typ": HEADER["typ"], "alg": "HS256"})
    assert ask(client, token).json()["code"] == "token_malformed"


def test_token_when_another_key_signed_it_then_the_signature_is_refused(web: Web, client: AppClient) -> None:
    signed = SignedBy(web.signer(key=Ed25519PrivateKey.generate()))
    assert client.get(TARGET, auth=signed).json()["code"] == "token_bad_signature"
    assert web.refused("token_bad_signature") == 1


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic dTpw", "Bearer a.b", "Bearer a.b.c.d", "Bearer ....", "Bearer ü.ü.ü"]
)
def test_token_when_it_is_no_token_then_it_is_malformed(web: Web, client: AppClient, header: str) -> None:
    response = client.get(TARGET, headers={"authorization": header.encode()})
    assert (response.status_code, response.json()["code"]) == (401, "token_malformed")


@pytest.mark.parametrize("payload", [b"[]", b"1", b"null", b'"text"', b"{", b"[" * 2000, b"\xff", b'{"iss":"tester"}'])
def test_token_when_its_payload_is_no_set_of_claims_then_it_is_refused(
    web: Web, client: AppClient, payload: bytes
) -> None:
    head = _encoded(json.dumps({"alg": "EdDSA", "typ": HEADER["typ"]}).encode())
    signing_input = f"{head}.{_encoded(payload)}"
    token = f"{signing_input}.{_encoded(web.key.sign(signing_input.encode()))}"
    response = ask(client, token)
    assert (response.status_code, response.json()["code"]) == (401, "token_malformed")


def test_token_when_it_is_very_long_then_it_is_malformed(web: Web, client: AppClient) -> None:
    assert ask(client, f"{'a' * 2000}.{'b' * 2000}.{'c' * 2000}").json()["code"] == "token_malformed"


def test_token_when_the_header_is_sent_twice_then_it_is_malformed(web: Web, client: AppClient) -> None:
    first = web.signer().headers("GET", TARGET, b"", audience=AUDIENCE)["authorization"]
    response = client.get(TARGET, headers=[("authorization", first), ("authorization", "Bearer x")])
    assert response.json()["code"] == "token_malformed"


@pytest.mark.parametrize("path", [TARGET, "/nothing", "/healthz/", "//healthz", "/HEALTHZ", "/metrics/x", "/docs"])
def test_request_when_it_carries_no_token_then_it_is_refused_whatever_the_path(
    web: Web, client: AppClient, path: str
) -> None:
    response = client.get(f"http://127.0.0.1{path}")
    assert (response.status_code, response.json()["code"]) == (401, "token_missing")
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert web.refused("token_missing") == 1


def test_request_when_it_is_refused_then_its_body_is_not_parsed(web: Web, client: AppClient) -> None:
    response = client.post("/orders", content=b"{", headers={"content-type": "application/json"})
    assert response.json()["code"] == "token_missing"


def test_request_when_its_body_is_not_the_signed_one_then_it_is_refused_and_the_token_stays_unspent(
    web: Web, client: AppClient
) -> None:
    headers = web.signer().headers("POST", "/orders", b'{"quantity":1}', audience=AUDIENCE)
    headers["content-type"] = "application/json"
    changed = client.post("/orders", content=b'{"quantity":9}', headers=headers)
    right = client.post("/orders", content=b'{"quantity":1}', headers=headers)
    assert (changed.json()["code"], right.status_code) == ("token_wrong_request", 201)


def test_request_when_it_is_refused_then_the_log_and_the_answer_hold_nothing_of_the_token(
    web: Web, client: AppClient, caplog: pytest.LogCaptureFixture, clock: FakeClock
) -> None:
    token = token_of(web, claims(clock, iss="canary-caller", jti="canary-token-id-0001"))
    with caplog.at_level(logging.DEBUG):
        response = ask(client, token)
    assert [record.name for record in caplog.records if record.levelno == logging.WARNING] == ["services.requests"]
    told = f"{caplog.text} {response.text} {[record.__dict__ for record in caplog.records]}"
    assert not any(part in told for part in (*token.split("."), "canary"))


def test_scope_when_it_is_missing_then_the_caller_is_told_which_and_it_is_counted(web: Web, client: AppClient) -> None:
    response = client.get("/orders/admin/secrets", auth=web.signed())
    assert response.status_code == 403
    assert "`orders:admin`" in response.json()["detail"]
    assert web.refused("scope_missing") == 1


def test_token_when_it_is_used_again_then_it_is_refused_as_replayed(web: Web, client: AppClient) -> None:
    headers = web.signer().headers("GET", TARGET, b"", audience=AUDIENCE)
    answers = [client.get(TARGET, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 401]
    assert answers[1].json()["code"] == "token_replayed"
    assert web.refused("token_replayed") == 1


def test_token_when_fifty_use_it_at_once_then_one_gets_through(
    tmp_path: Path, telemetry: RecordedTelemetry, database: Database, clock: FakeClock
) -> None:
    web = Web(tmp_path, telemetry, clock, DatabaseSpentTokens(database, clock))
    app = web.app()
    headers = web.signer().headers("GET", TARGET, b"", audience=AUDIENCE)

    async def all_at_once() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            answers = await asyncio.gather(*(client.get(TARGET, headers=headers) for _ in range(50)))
            return [answer.status_code for answer in answers]

    assert Counter(asyncio.run(all_at_once())) == {200: 1, 401: 49}


def test_token_when_two_databases_handles_race_for_it_then_one_gets_it(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    second = Database(f"sqlite:///{tmp_path}/db/ledger.db", service="ledger")
    stores = [DatabaseSpentTokens(each, clock) for each in (database, second)]
    barrier = threading.Barrier(8)

    def spend(number: int) -> bool:
        barrier.wait(5)
        return stores[number % 2].spend("token", clock.now().timestamp() + 60)

    with ThreadPoolExecutor(8) as pool:
        spent = list(pool.map(spend, range(8)))
    second.close()
    assert spent.count(True) == 1


@pytest.mark.needs("initdb", "postgres")
def test_token_when_many_race_for_it_on_postgres_then_one_gets_it(
    postgres_database: Database, clock: FakeClock
) -> None:
    store = DatabaseSpentTokens(postgres_database, clock)
    barrier = threading.Barrier(8)

    def spend(_number: int) -> bool:
        barrier.wait(5)
        return store.spend("token", clock.now().timestamp() + 60)

    with ThreadPoolExecutor(8) as pool:
        spent = list(pool.map(spend, range(8)))
    assert spent.count(True) == 1


def test_token_when_the_service_restarts_then_it_is_still_spent(web: Web, database: Database, clock: FakeClock) -> None:
    token = web.signer().headers("GET", TARGET, b"", audience=AUDIENCE)["authorization"].removeprefix("Bearer ")

    def after_a_start() -> CallerVerifier:
        return CallerVerifier(web.callers, DatabaseSpentTokens(database, clock), clock, audience=AUDIENCE)

    first, second = after_a_start(), after_a_start()
    first.accept(first.verify(token, "GET", TARGET), b"")
    with pytest.raises(TokenReplayedError):
        second.accept(second.verify(token, "GET", TARGET), b"")


def test_spent_tokens_when_they_have_expired_then_they_are_forgotten(database: Database, clock: FakeClock) -> None:
    store = DatabaseSpentTokens(database, clock)
    for number in range(10):
        store.spend(f"old-{number}", clock.now().timestamp() + 65)
    clock.advance(65)
    store.spend("new", clock.now().timestamp() + 65)
    with database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(SPENT_TOKENS)) == 1


def test_token_id_when_two_callers_choose_the_same_then_both_are_served(web: Web, clock: FakeClock) -> None:
    other = Ed25519PrivateKey.generate()
    entry = CallerEntry(public_key=public_key_text(other), scopes=("orders:read",))
    mine = CallerEntry(public_key=public_key_text(web.key), scopes=("orders:read",))
    write_callers(web.callers_path, {"tester": mine, "other": entry})
    client = web.client()
    first = ask(client, token_of(web, claims(clock)))
    web.key = other
    second = ask(client, token_of(web, claims(clock, iss="other")))
    assert (first.status_code, second.status_code) == (200, 200)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_token_when_any_bit_is_altered_then_it_is_refused(web: Web, clock: FakeClock, data: st.DataObject) -> None:
    token = token_of(web, claims(clock)).encode()
    position = data.draw(st.integers(0, len(token) * 8 - 1))
    altered = bytearray(token)
    altered[position // 8] ^= 1 << (position % 8)
    with pytest.raises(CallerRefusedError):
        _accept(web, altered.decode("latin-1"))


def test_token_when_the_unused_bits_of_its_last_character_change_then_it_is_refused(web: Web, clock: FakeClock) -> None:
    token = token_of(web, claims(clock))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]
    with pytest.raises(CallerRefusedError):
        _accept(web, twin)


@pytest.mark.parametrize("suffix", ["=", "==", "\n", " ", "."])
def test_token_when_something_is_added_then_it_is_refused(web: Web, clock: FakeClock, suffix: str) -> None:
    with pytest.raises(CallerRefusedError):
        _accept(web, token_of(web, claims(clock)) + suffix)


def test_fixed_token_when_it_is_right_then_the_webhook_is_served(client: AppClient) -> None:
    headers = {"authorization": f"Bearer {WEBHOOK_TOKEN}"}
    assert client.post("/orders/hook/webhook", json={"a": "b"}, headers=headers).json() == {"notes": 1}


@pytest.mark.parametrize("token", [WEBHOOK_TOKEN[:-1], f"{WEBHOOK_TOKEN}x", WEBHOOK_TOKEN.upper()])
def test_fixed_token_when_it_is_wrong_then_it_is_refused(web: Web, client: AppClient, token: str) -> None:
    response = client.post("/orders/hook/webhook", json={}, headers={"authorization": f"Bearer {token}"})
    assert (response.status_code, web.refused("token_malformed")) == (401, 1)


def test_fixed_token_when_the_route_wants_a_scope_then_it_is_not_enough(client: AppClient) -> None:
    response = client.get(TARGET, headers={"authorization": f"Bearer {WEBHOOK_TOKEN}"})
    assert (response.status_code, response.json()["code"]) == (403, "scope_missing")


def test_caller_token_when_the_route_wants_the_fixed_one_then_it_is_not_enough(web: Web, client: AppClient) -> None:
    response = client.post("/orders/hook/webhook", json={}, auth=web.signed())
    assert (response.status_code, response.json()["code"]) == (403, "scope_missing")


def test_websocket_when_opened_then_it_is_closed_without_a_look(web: Web) -> None:
    sent = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:  # noqa: ANN401 -- an ASGI message
        sent.append(message)

    scope = {"type": "websocket", "path": "/healthz", "headers": [], "query_string": b"", "subprotocols": []}
    asyncio.run(web.app()(scope, receive, send))
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_verifier_when_a_token_is_fresh_then_its_first_use_is_kept_until_nobody_would_take_it(
    web: Web, clock: FakeClock
) -> None:
    _accept(web, token_of(web, claims(clock)))
    assert isinstance(web.spent_tokens, FakeSpentTokens)
    assert list(web.spent_tokens.spent.values()) == [clock.now().timestamp() + 65]


def _accept(web: Web, token: str) -> None:
    web.verifier.accept(web.verifier.verify(token, "GET", TARGET), b"")


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
