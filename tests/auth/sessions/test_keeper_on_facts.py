"""The keeper on the kit's real facts: metrics and outbox from the same commits, and on a real Postgres too."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from services.auth.instruments import TABLE
from services.auth.vault.vault import Vault
from services.contracts.auth import Broker
from services.kit.database import Database
from services.kit.facts import Facts
from services.kit.instruments import Instruments
from services.kit.tables import OUTBOX
from services.venue.logins.customers import Factor
from services.venue.logins.faults import Fault
from telemetry.catalogue import AUTH_ATTEMPTS, AUTH_FLOW_DURATION, emitted_by
from telemetry.emit.metrics import Metrics
from tests.auth.sessions.keeping import NAMES, PASSWORD, Keeping, RealWaiter
from tests.auth.support import OPERATOR, SEED, VERSIONS, House, passphrase
from tests.fakes.clock import FakeClock
from tests.kit.conftest import RecordedTelemetry

ROBINHOOD = NAMES[Broker.ROBINHOOD]


class _NoTime:
    def time_ns(self) -> int:
        return 0


async def _look(keeping: Keeping) -> None:
    await keeping.keeper.tick()
    await keeping.keeper.settled()


def _outbox(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(select(OUTBOX.c.event_type).order_by(OUTBOX.c.position)).scalars())


def test_logins_when_made_on_real_facts_then_metrics_and_outbox_tell_of_them_and_the_spans_name_the_facts(
    database: Database, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="facts.auth")
    telemetry = RecordedTelemetry(Metrics(_NoTime(), metrics=emitted_by("auth")))
    house = House(database, clock)
    house.facts = Facts(database, Instruments(TABLE), telemetry, clock, "auth")  # type: ignore[assignment] # the real one
    house.vault = Vault(house.facts, database, clock)
    house.vault.initialise(passphrase(), actor=OPERATOR)
    keeping = Keeping(house, clock)
    customer = keeping.robinhood()
    keeping.venue.faults.plan(Broker.ROBINHOOD, Fault.ERROR)
    resume_at = keeping.run(keeping.keeper.login(ROBINHOOD)).resume_at
    assert resume_at is not None
    clock.advance((resume_at - clock.now()).total_seconds())
    assert keeping.run(keeping.keeper.login(ROBINHOOD)).usable

    def counted(outcome: str) -> float:
        return telemetry.value(AUTH_ATTEMPTS.name, flow="login", method="totp", outcome=outcome)

    assert (counted("outcome_unknown"), counted("succeeded")) == (1, 1)
    assert telemetry.value(f"{AUTH_FLOW_DURATION.name}_count", method="totp", outcome="succeeded") == 1
    renew_at = keeping.run(keeping.keeper.view(ROBINHOOD)).resume_at
    assert renew_at is not None
    clock.advance((renew_at - clock.now()).total_seconds())
    keeping.venue.faults.plan(Broker.ROBINHOOD, Fault.THROTTLED)
    keeping.run(_look(keeping))
    refused = telemetry.value(AUTH_ATTEMPTS.name, flow="refresh", method="totp", outcome="broker_asked_to_wait")
    assert (refused, counted("broker_asked_to_wait")) == (1, 0)
    told = [event for event in _outbox(database) if event.startswith("auth.login")]
    made = ["auth.login_started", "auth.login_failed", "auth.login_started", "auth.login_succeeded"]
    assert told == [*made, "auth.login_failed"]
    named = {event.name for span in keeping.spans.get_finished_spans() for event in span.events}
    assert {"auth.login_started", "auth.login_succeeded", "auth.code_issued", "auth.secret_opened"} <= named
    said = caplog.text + "".join(span.to_json() for span in keeping.spans.get_finished_spans())
    secrets = (PASSWORD, SEED, *customer.codes, *customer.tokens, *customer.refresh_tokens)
    assert [secret for secret in secrets if secret in said] == []


@pytest.fixture
def on_postgres(postgres_url: str) -> Iterator[Keeping]:
    postgres = Database(postgres_url, service="auth_keeping", versions=(VERSIONS,), connections=16)
    postgres.migrate()
    clock = FakeClock()
    house = House(postgres, clock)
    house.vault.initialise(passphrase(), actor=OPERATOR)
    yield Keeping(house, clock)
    postgres.close()


@pytest.mark.needs("initdb", "postgres")
def test_logins_when_two_processes_share_a_postgres_then_one_is_sent_and_renewed(on_postgres: Keeping) -> None:
    customer = on_postgres.robinhood(Factor.TOTP)
    keepers = [on_postgres.another(RealWaiter()), on_postgres.another(RealWaiter())]

    async def storm() -> set[str]:
        views = await asyncio.gather(*(keepers[number % 2].login(ROBINHOOD) for number in range(20)))
        return {view.state for view in views}

    assert on_postgres.run(storm()) == {"active"}
    assert (len(customer.codes), on_postgres.told()) == (1, ["login_started", "login_succeeded"])
    on_postgres.clock.advance(60_000)

    on_postgres.run(_look(on_postgres))
    assert on_postgres.told()[-1] == "session_refreshed"
