"""What the checks see of the real vault, the real database, a broker over HTTP and the console."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from opentelemetry import trace
from sqlalchemy import update

from services.auth.audit_watch import AuditWatch
from services.auth.errors import EnrolmentError, SealedError
from services.auth.logins.port import ProbeResult
from services.auth.preflight import device_hosts
from services.auth.preflight.adapters import EmittedTelemetry, StoredAccountState, VaultStore
from services.auth.preflight.broker_access import LiveBroker, VenueAwayError
from services.auth.preflight.endpoints import EndpointForeignError, EndpointTable
from services.auth.preflight.log_search import ConsoleLogSearch
from services.auth.preflight.ports import AuditState
from services.auth.preflight.workers import Workers
from services.auth.secret import Secret
from services.auth.sessions.session import State
from services.auth.tables import AUDIT, VAULT_RECORDS
from services.auth.totp.clock_offset import ClockStatus
from services.auth.totp.seeds import TotpSeed
from services.auth.vault.audit import Anchor, AuditHead
from services.clients.console import ConsoleClient
from services.console.answers import LogLineAnswer, LogsAnswer
from services.contracts.auth import AccountId, Broker, CredentialKind, MfaStage
from services.contracts.verdict import Environment
from services.kit.errors import UnavailableError
from services.kit.http_client import RemoteUnavailableError, ServiceClient
from telemetry.catalogue import TELEMETRY_DROPPED
from telemetry.emit.metrics import Metrics
from tests.auth.preflight.sights import account
from tests.auth.support import ACCOUNT, OPERATOR, SEED, SHORT_SEED, House, cut
from tests.fakes.anchors import FakeAnchors
from tests.fakes.clock import FakeClock

PASSWORD = "made-up-password"
DEVICE = "6f1c1f60-7d3f-4d8e-9a53-0d1a7e5b2c11"


class _NoTime:
    def time_ns(self) -> int:
        return 0


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(4)
    yield made
    made.close()


@pytest.fixture
def logged() -> FakeAnchors:
    return FakeAnchors()


@pytest.fixture
def vault_store(house: House, workers: Workers, tmp_path: Path, logged: FakeAnchors) -> VaultStore:
    house.vault.put(ACCOUNT, CredentialKind.PASSWORD, Secret(PASSWORD), actor=OPERATOR)
    (tmp_path / "auth.db").chmod(0o600)
    watch = AuditWatch(house.vault, house.database, house.clock)
    return VaultStore(house.vault, watch, logged, [tmp_path / "auth.db"], workers)


def _state(house: House, workers: Workers, clock: FakeClock, host: str = "host-1") -> StoredAccountState:
    parts = {"readings": house.database, "clock": clock, "workers": workers}
    return StoredAccountState(house.vault, transactions=house.facts, host=host, **parts)  # type: ignore[arg-type] # of several types


def test_store_when_nobody_touched_it_then_nothing_is_wrong(vault_store: VaultStore) -> None:
    assert asyncio.run(vault_store.exposed_files()) == []
    assert asyncio.run(vault_store.damaged_records()) == []
    assert asyncio.run(vault_store.audit()) == AuditState("")


def test_store_when_a_file_is_open_to_others_then_it_is_named(vault_store: VaultStore, tmp_path: Path) -> None:
    (tmp_path / "auth.db").chmod(0o644)
    (problem,) = asyncio.run(vault_store.exposed_files())
    assert "auth.db is open to others (mode 644)" in problem


def test_store_when_a_record_is_damaged_then_it_is_named_without_its_secret(
    vault_store: VaultStore, house: House
) -> None:
    with house.database.transaction() as connection:
        connection.execute(update(VAULT_RECORDS).where(VAULT_RECORDS.c.account == ACCOUNT).values(generation=7))
    problems = asyncio.run(vault_store.damaged_records())
    assert any("password of robinhood-main does not open" in problem for problem in problems)
    assert PASSWORD not in " ".join(problems)


def test_store_when_the_vault_is_sealed_then_it_cannot_be_looked_at(vault_store: VaultStore, house: House) -> None:
    house.vault.seal()
    with pytest.raises(SealedError):
        asyncio.run(vault_store.damaged_records())


def test_audit_when_a_row_is_edited_then_it_is_found(vault_store: VaultStore, house: House) -> None:
    with house.database.transaction() as connection:
        connection.execute(update(AUDIT).where(AUDIT.c.sequence == 2).values(actor="nobody"))
    assert asyncio.run(vault_store.audit()).problem == "row 2 was edited"
    assert asyncio.run(vault_store.damaged_records()) == [
        "The audit trail is broken, so that nothing tells which record was written last"
    ]


def test_audit_when_its_end_is_cut_together_with_its_head_then_it_is_found_by_the_head_seen_before(
    vault_store: VaultStore, house: House
) -> None:
    before = house.vault.audit_head()
    house.vault.put(ACCOUNT, CredentialKind.API_KEY, Secret(PASSWORD), actor=OPERATOR)
    assert asyncio.run(vault_store.audit()).problem == ""
    cut(house.database, before)
    assert asyncio.run(vault_store.audit()).problem.startswith("the trail was cut")


def test_audit_when_it_was_cut_before_this_process_looked_then_it_is_found_by_what_was_logged(
    vault_store: VaultStore, house: House, logged: FakeAnchors
) -> None:
    before = house.vault.audit_head()
    house.vault.put(ACCOUNT, CredentialKind.API_KEY, Secret(PASSWORD), actor=OPERATOR)
    logged.anchors = [house.vault.open_state().audit.anchor(house.vault.audit_head())]
    cut(house.database, before)
    problem = asyncio.run(vault_store.audit()).problem
    assert problem == f"the trail was cut: it ends at row {before.sequence}, an anchor knows row {before.sequence + 1}"


def test_audit_when_an_anchor_was_not_sealed_by_this_vault_then_it_proves_nothing(
    vault_store: VaultStore, logged: FakeAnchors
) -> None:
    logged.anchors = [Anchor(AuditHead(99, "ab" * 32), "cd" * 32), Anchor(AuditHead(1, "ab" * 32), "no seal at all")]
    assert asyncio.run(vault_store.audit()) == AuditState("")


@pytest.mark.parametrize("away", [UnavailableError("The console is away."), TimeoutError()])
def test_audit_when_the_logs_cannot_be_read_then_it_is_told_and_the_trail_walked_all_the_same(
    vault_store: VaultStore, house: House, logged: FakeAnchors, away: Exception
) -> None:
    logged.away = away
    state = asyncio.run(vault_store.audit())
    assert (state.problem, "console" in state.unread) == ("", True)
    with house.database.transaction() as connection:
        connection.execute(update(AUDIT).where(AUDIT.c.sequence == 2).values(mac="ab" * 32))
    assert asyncio.run(vault_store.audit()).problem == "row 2 differs from its anchor"


def test_account_state_when_nothing_was_ever_stored_then_it_is_that_of_a_new_account(
    house: House, workers: Workers, clock: FakeClock
) -> None:
    state = _state(house, workers, clock)
    assert asyncio.run(state.session(ACCOUNT)).state is State.SIGNED_OUT
    assert asyncio.run(state.budget(ACCOUNT)).remaining == 3
    assert asyncio.run(state.mfa_stage(ACCOUNT)) is MfaStage.SMS_ONLY
    assert asyncio.run(state.seed(ACCOUNT)) is None
    assert asyncio.run(state.device(ACCOUNT)) is None


@pytest.mark.parametrize(("seed", "short"), [(SEED, False), (SHORT_SEED, True)])
def test_seed_when_it_is_stored_then_its_length_is_told(
    house: House, workers: Workers, clock: FakeClock, seed: str, *, short: bool
) -> None:
    house.vault.put(ACCOUNT, CredentialKind.TOTP_SEED, TotpSeed.from_text(seed).to_vault(), actor=OPERATOR)
    found = asyncio.run(_state(house, workers, clock).seed(ACCOUNT))
    assert found is not None
    assert found.short is short


def test_seed_when_it_is_none_then_looking_fails(house: House, workers: Workers, clock: FakeClock) -> None:
    house.vault.put(ACCOUNT, CredentialKind.TOTP_SEED, Secret("no seed"), actor=OPERATOR)
    with pytest.raises(EnrolmentError):
        asyncio.run(_state(house, workers, clock).seed(ACCOUNT))


def test_device_when_the_database_is_carried_to_another_host_then_it_is_noticed_until_a_new_token_is_made(
    house: House, workers: Workers, clock: FakeClock
) -> None:
    here, there = _state(house, workers, clock), _state(house, workers, clock, "host-2")
    house.vault.put(ACCOUNT, CredentialKind.DEVICE_TOKEN, Secret(DEVICE), actor=OPERATOR)
    first = [asyncio.run(state.device(ACCOUNT)) for state in (here, here, there, here)]
    assert [device is not None and device.same_host for device in first] == [True, True, False, True]
    house.vault.put(ACCOUNT, CredentialKind.DEVICE_TOKEN, Secret(DEVICE), actor=OPERATOR)
    second = [asyncio.run(state.device(ACCOUNT)) for state in (there, here)]
    assert [device is not None and device.same_host for device in second] == [True, False]


def test_device_when_two_hosts_see_a_token_first_at_once_then_the_first_to_note_it_counts(house: House) -> None:
    with house.database.transaction() as connection:
        for host in ("first", "second"):
            device_hosts.note(connection, ACCOUNT, 1, host)
        assert device_hosts.host_of(connection, ACCOUNT, 1) == "first"


@pytest.mark.parametrize(("token", "fits"), [(DEVICE, True), ("device", False), (DEVICE + "0", False)])
def test_device_when_its_token_has_another_form_then_it_is_told(
    house: House, workers: Workers, clock: FakeClock, token: str, *, fits: bool
) -> None:
    house.vault.put(ACCOUNT, CredentialKind.DEVICE_TOKEN, Secret(token), actor=OPERATOR)
    device = asyncio.run(_state(house, workers, clock).device(ACCOUNT))
    assert device is not None
    assert device.well_formed is fits


def test_telemetry_when_something_is_dropped_then_it_is_told_for_ten_minutes(
    workers: Workers, clock: FakeClock
) -> None:
    metrics = Metrics(_NoTime())
    health = EmittedTelemetry(metrics, clock, workers)
    told = [asyncio.run(health.losses()).dropped_items]
    metrics.counter(TELEMETRY_DROPPED, signal="logs", reason="queue_full").inc(3)
    for _ in range(13):
        told.append(asyncio.run(health.losses()).dropped_items)
        clock.advance(60)
    assert told == [0] + [3] * 10 + [0] * 3


PAPER = account(environment=Environment.PAPER, base_url="http://127.0.0.1:9")
Handler = Callable[[httpx.Request], httpx.Response]


def _broker(handler: Handler, clock: FakeClock, probes: list[AccountId] | None = None) -> LiveBroker:
    async def probe(name: AccountId) -> ProbeResult:
        if probes is not None:
            probes.append(name)
        await asyncio.sleep(0)
        return ProbeResult(valid=True)

    client = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    return LiveBroker(client, EndpointTable(), probe, clock)


def _dated(clock: FakeClock, ahead: timedelta, status: int = 200) -> Handler:
    date = (clock.now() + ahead).strftime("%a, %d %b %Y %H:%M:%S GMT")
    return lambda _: httpx.Response(status, headers={"date": date})


@pytest.mark.parametrize(
    ("ahead_seconds", "status"), [(0, ClockStatus.OK), (-10, ClockStatus.WARN), (60, ClockStatus.FAIL)]
)
def test_broker_when_it_answers_then_its_date_tells_our_clocks_offset(
    clock: FakeClock, ahead_seconds: int, status: ClockStatus
) -> None:
    broker = _broker(_dated(clock, timedelta(seconds=ahead_seconds)), clock)
    assert asyncio.run(broker.clock_offset(PAPER)).status is status


def test_broker_when_it_answers_without_a_date_then_the_offset_is_unknown(clock: FakeClock) -> None:
    broker = _broker(lambda _: httpx.Response(200), clock)
    assert asyncio.run(broker.clock_offset(PAPER)).status is ClockStatus.UNKNOWN


def test_broker_when_it_needs_a_client_of_its_own_then_that_one_asks(clock: FakeClock) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("its certificate is not known here")

    usual = httpx.AsyncClient(transport=httpx.MockTransport(refuse))
    own = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(204)))

    async def probe(_name: AccountId) -> ProbeResult:
        return ProbeResult(valid=True)

    broker = LiveBroker(usual, EndpointTable(), probe, clock, own_clients={PAPER.broker: own})
    assert asyncio.run(broker.status(PAPER)) == 204


def test_broker_when_two_checks_ask_at_once_then_it_is_asked_once_and_again_later(clock: FakeClock) -> None:
    asked: list[httpx.Request] = []
    probes: list[AccountId] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(401)

    async def ask() -> None:
        broker = _broker(answer, clock, probes)
        both = await asyncio.gather(broker.status(PAPER), broker.clock_offset(PAPER))
        assert both[0] == 401
        await asyncio.gather(broker.probe(PAPER), broker.probe(PAPER))
        await broker.status(PAPER)

    asyncio.run(ask())
    assert (len(asked), len(probes)) == (2, 1)
    assert {request.method for request in asked} == {"HEAD"}


def test_broker_when_one_who_waits_is_given_up_then_the_other_gets_the_answer(clock: FakeClock) -> None:
    async def ask() -> None:
        broker = _broker(lambda _: httpx.Response(200), clock)
        given_up = asyncio.create_task(broker.status(PAPER))
        other = asyncio.create_task(broker.status(PAPER))
        await asyncio.sleep(0)
        given_up.cancel()
        assert await other == 200

    asyncio.run(ask())


def test_broker_when_it_cannot_be_reached_then_the_error_tells_nothing_of_the_transport(clock: FakeClock) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("canary-of-a-transport")

    with pytest.raises(VenueAwayError) as away:
        asyncio.run(_broker(fail, clock).status(PAPER))
    assert "canary" not in f"{away.value!r} {away.value.__cause__!r}"
    assert away.value.__suppress_context__


def test_broker_when_the_address_is_foreign_then_nothing_is_sent_there(clock: FakeClock) -> None:
    asked: list[httpx.Request] = []
    probes: list[AccountId] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200)

    foreign = account(broker=Broker.ALPACA, base_url="https://api.alpaca.markets.evil.example")
    broker = _broker(answer, clock, probes)
    for ask in (broker.probe, broker.status, broker.clock_offset):
        with pytest.raises(EndpointForeignError):
            asyncio.run(ask(foreign))
    assert (asked, probes) == ([], [])


def _console(handler: Handler) -> ConsoleClient:
    tracer = trace.NoOpTracerProvider().get_tracer("test")
    transport = httpx.MockTransport(handler)
    metrics = Metrics(_NoTime())
    client = ServiceClient(
        "http://console", "console", signer=None, metrics=metrics, tracer=tracer, transport=transport
    )
    return ConsoleClient(client)


def test_logs_when_they_are_searched_then_the_consoles_answer_is_read_and_no_text_is_in_the_question(
    clock: FakeClock,
) -> None:
    line = LogLineAnswer(
        time=clock.now(),
        time_ns=1,
        service_name="trading",
        env="local",
        level="info",
        logger="services.trading",
        line="a line",
        trace_id="",
        span_id="",
        fields={"order": "12"},
    )
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=json.loads(LogsAnswer(lines=(line,), truncated=False).model_dump_json()))

    (found,) = asyncio.run(ConsoleLogSearch(_console(answer), clock).recent())
    assert (found.service_name, found.logger, found.texts) == ("trading", "services.trading", ("a line", "12"))
    assert set(asked[0].url.params) == {"start", "end", "limit"}


def test_logs_when_the_console_is_away_then_looking_fails(clock: FakeClock) -> None:
    with pytest.raises(RemoteUnavailableError):
        asyncio.run(ConsoleLogSearch(_console(lambda _: httpx.Response(503)), clock).recent())
