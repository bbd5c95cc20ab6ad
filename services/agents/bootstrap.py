"""Where the agents service is put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from services.agents.analyst.analyst import Analyst, AnalystParts, Writer
from services.agents.analyst.causes import load_causes
from services.agents.analyst.language_model import named_model
from services.agents.analyst.prose import ProseWriter
from services.agents.api import anomaly_router, diagnosis_router
from services.agents.detectors.watch import Parts, Watch
from services.agents.instruments import TABLE
from services.agents.ledger.keeping import Ledger
from services.agents.settings import AgentsSettings
from services.agents.signals.table import SIGNALS
from services.clients.content import ContentClient
from services.kit.app import ServiceApp
from services.kit.chassis import Background, Chassis
from services.kit.clock import Clock
from services.kit.http_client import Timeouts
from services.kit.repeating import repeating
from telemetry.query.open import Readers, ReadersOptions, open_readers

_MIGRATIONS = Path(__file__).parent / "migrations" / "versions"
_KNOWLEDGE_TIMEOUTS = Timeouts(connect_seconds=0.5, read_seconds=2.0, total_seconds=3.0)


def build(settings: AgentsSettings, *, clock: Clock | None = None) -> ServiceApp:
    """Make the application. Raises `StartError` or `DatabaseError`."""
    table = load_causes()
    chassis = Chassis.open(settings, migrations=[_MIGRATIONS], instruments=TABLE, clock=clock)
    readers = open_readers(
        ReadersOptions(
            loki_url=settings.loki_url,
            tempo_url=settings.tempo_url,
            prometheus_url=settings.prometheus_url,
            embedded_path=settings.embedded_path,
        )
    )
    ledger = Ledger(chassis.database, chassis.clock)
    watch = Watch(
        Parts(chassis.facts, chassis.database, readers, chassis.telemetry.metrics, chassis.clock, chassis.ids),
        SIGNALS,
        tellers={"order_balance": ledger.balance, "strategy_results": ledger.results},
        step_seconds=settings.detect_seconds,
    )
    watch.open()
    chassis.telemetry.metrics.before_collecting(watch.measure)
    knowledge = ContentClient(chassis.client("content", settings.content_base_url, timeouts=_KNOWLEDGE_TIMEOUTS))
    analyst = Analyst(
        AnalystParts(
            readers=readers,
            facts=chassis.facts,
            database=chassis.database,
            clock=chassis.clock,
            table=table,
            knowledge=knowledge,
            writer=_writer(settings),
        )
    )
    look = partial(repeating, watch.look, every_seconds=settings.detect_seconds, purpose="look at signals")
    background: list[Background] = [partial(_closing, readers, watch), look]
    return chassis.create_app(
        "Sightline agents",
        routers=[anomaly_router(watch), diagnosis_router(analyst)],
        consumers=[ledger.consumer()],
        background=background,
    )


def _writer(settings: AgentsSettings) -> Writer | None:
    if settings.language_model is None:
        return None
    key = settings.language_model_key.get_secret_value() if settings.language_model_key else None
    return ProseWriter(named_model(settings.language_model, key), seconds=settings.language_model_seconds)


@asynccontextmanager
async def _closing(readers: Readers, watch: Watch) -> AsyncIterator[None]:
    try:
        yield
    finally:
        watch.keep()
        readers.close()
