"""The core on the kit's real facts: outbox rows in the same transaction, log lines without a secret."""

import logging

import pytest
from opentelemetry import trace
from sqlalchemy import select

from services.auth.secret import Secret
from services.auth.vault.vault import Vault
from services.contracts.auth import CredentialKind, SecretOpened, SecretStored, VaultUnsealed
from services.kit.database import Database
from services.kit.facts import Facts
from services.kit.instruments import Instrument, Instruments
from services.kit.tables import OUTBOX
from telemetry.emit.metrics import Metrics
from tests.auth.support import ACCOUNT, OPERATOR, passphrase
from tests.fakes.clock import FakeClock

CANARY = "canary-8231-hunter2"


class _Telemetry:
    """Metrics of its own and no tracing."""

    def __init__(self) -> None:
        self.metrics = Metrics(_NoTime())

    def tracer(self, name: str, /) -> trace.Tracer:
        return trace.NoOpTracerProvider().get_tracer(name)


class _NoTime:
    def time_ns(self) -> int:
        return 0


def test_vault_when_on_real_facts_then_its_events_are_in_the_outbox_and_in_the_log_without_the_secret(
    database: Database, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    table = [
        Instrument(event=VaultUnsealed, level="info", message="the vault was unsealed with {kek_id}"),
        Instrument(event=SecretStored, level="info", message="{actor} stored the {kind} of {subject}"),
        Instrument(event=SecretOpened, level="info", message="{actor} opened the {kind} of {subject} for {purpose}"),
    ]
    facts = Facts(database, Instruments(table), _Telemetry(), clock, "auth")
    vault = Vault(facts, database, clock)
    vault.initialise(passphrase(), actor=OPERATOR)
    vault.put(ACCOUNT, CredentialKind.PASSWORD, Secret(CANARY), actor=OPERATOR)
    assert vault.open(ACCOUNT, CredentialKind.PASSWORD, actor="flow", purpose="login") == Secret(CANARY)
    with database.reading() as connection:
        rows = connection.execute(select(OUTBOX).order_by(OUTBOX.c.position)).all()
    assert [row.event_type for row in rows] == ["auth.vault_unsealed", "auth.secret_stored", "auth.secret_opened"]
    assert f"flow opened the password of {ACCOUNT} for login" in caplog.text
    assert CANARY not in caplog.text + repr(rows)
