"""Where the content service is put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from services.content.api import knowledge_router
from services.content.instruments import TABLE
from services.content.knowledge.base import KnowledgeBase
from services.content.knowledge.library import Places
from services.content.knowledge.meeting import LogFollower, meeting_consumer
from services.content.settings import ContentSettings
from services.content.writing.api import document_router
from services.content.writing.desk import DocumentDesk, incident_consumer
from services.content.writing.gathering import Gatherer
from services.kit.app import ServiceApp
from services.kit.chassis import Background, Chassis
from services.kit.clock import Clock
from services.kit.repeating import repeating
from telemetry.emit.redaction import Redactor
from telemetry.query.open import Readers, ReadersOptions, open_readers

_MIGRATIONS = Path(__file__).parent / "migrations" / "versions"
_REFRESH_SECONDS = 10.0
_FOLLOW_SECONDS = 15.0
_WRITE_SECONDS = 2.0


def build(settings: ContentSettings, *, clock: Clock | None = None) -> ServiceApp:
    """Make the application. Raises `StartError` or `DatabaseError`."""
    chassis = Chassis.open(settings, migrations=[_MIGRATIONS], instruments=TABLE, clock=clock)
    readers = open_readers(
        ReadersOptions(
            loki_url=settings.loki_url,
            tempo_url=settings.tempo_url,
            prometheus_url=settings.prometheus_url,
            embedded_path=settings.embedded_path,
        )
    )
    base = _knowledge(chassis)
    follower = LogFollower(
        base, readers.logs, chassis.facts, chassis.database, chassis.telemetry.metrics, chassis.clock
    )
    documents = DocumentDesk(chassis.facts, chassis.database, Gatherer(readers, Redactor()), chassis.clock)
    base.open()
    follower.open()
    return chassis.create_app(
        "Sightline content",
        routers=[knowledge_router(base), document_router(documents)],
        consumers=[meeting_consumer(base), incident_consumer(documents)],
        background=[partial(_closing, readers), *_background(base, follower, documents)],
    )


def _knowledge(chassis: Chassis[ContentSettings]) -> KnowledgeBase:
    settings = chassis.settings
    return KnowledgeBase(
        Places(docs=settings.docs_path, own=settings.own_knowledge_path),
        chassis.facts,
        chassis.database,
        chassis.telemetry.metrics,
        chassis.clock,
        stale_after=timedelta(days=settings.knowledge_stale_days),
        families=settings.knowledge_venues,
    )


def _background(base: KnowledgeBase, follower: LogFollower, documents: DocumentDesk) -> list[Background]:
    return [
        partial(repeating, base.refresh, every_seconds=_REFRESH_SECONDS, purpose="read knowledge entries again"),
        partial(repeating, follower.follow, every_seconds=_FOLLOW_SECONDS, purpose="look at the log's error lines"),
        partial(repeating, documents.write_due, every_seconds=_WRITE_SECONDS, purpose="write postmortems"),
    ]


@asynccontextmanager
async def _closing(readers: Readers) -> AsyncIterator[None]:
    yield
    await asyncio.to_thread(readers.close)
