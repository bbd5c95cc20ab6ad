"""The content service as a whole: a fact on the real bus finds its entry, on SQLite and on Postgres."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from services.content.knowledge import gaps
from services.content.knowledge.normalising import Normaliser
from services.content.knowledge.sightings import Sighting
from services.contracts.events import Envelope
from services.contracts.ids import EventId
from services.contracts.knowledge import GapList, MatchQuery
from services.kit.bus_nats import NatsBus
from services.kit.database import Database
from services.kit.dead_letters import DeadLetters
from services.kit.deliveries import Deliveries
from tests.content.knowledge.conftest import MIGRATIONS, House, house, shelf
from tests.content.running import Platform
from tests.kit.conftest import (
    NatsServer,
    nats_server,
    postgres_server,
    postgres_url,
)
from tests.kit.running import started

__all__ = ["house", "nats_server", "postgres_server", "postgres_url", "shelf"]  # fixtures that are asked for here too

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def rejected(event_id: str, reason: str) -> Envelope:
    return Envelope(
        event_id=EventId(event_id),
        event_type="trading.order_rejected",
        version=1,
        subject="wish.0",
        occurred_at=datetime.now(UTC),
        source="trading",
        traceparent="",
        payload={"venue": "alpha", "reason": reason, "substatus": ""},
    )


def publish(server: NatsServer, house: House, *envelopes: Envelope) -> None:
    deliveries = Deliveries(
        house.facts, DeadLetters(house.database, house.telemetry.metrics, house.clock), house.telemetry, house.clock
    )
    bus = NatsBus(server.url, token=server.token, service="trading", deliveries=deliveries, telemetry=house.telemetry)

    async def send() -> None:
        bus.start()
        await bus.wait_connected()
        for envelope in envelopes:
            await bus.publish(envelope)
        await bus.close()

    asyncio.run(send())


@pytest.mark.needs("nats-server")
def test_rejection_when_it_comes_over_the_bus_twice_then_its_gap_is_counted_once(
    nats_server: NatsServer, house: House, tmp_path: Path
) -> None:
    platform = Platform(tmp_path)
    token = platform.secrets_dir / "nats_token"
    token.touch(mode=0o600)
    token.write_text(nats_server.token)
    environ = platform.environ | {"SIGHTLINE_PORT": "0", "SIGHTLINE_NATS_URL": nats_server.url}
    with started("services.content", environ) as content:
        strange = rejected("0197-1", "49990000: the moon is in the way")
        known = rejected("0197-2", "40310000: insufficient buying power")
        publish(nats_server, house, strange, strange, known)

        def listed() -> GapList:
            with httpx.Client(base_url=content.url, auth=platform.signed("content")) as client:
                return GapList.model_validate_json(client.get("/knowledge/gaps").content)

        def hits() -> bool:
            page = httpx.get(f"{content.url}/metrics").text
            return 'sightline_knowledge_hits_total{how="exact"} 1.0' in page

        wait_until(hits)
        wait_until(lambda: bool(listed().gaps))
        (gap,) = listed().gaps
    assert (gap.signature, gap.code, gap.http_status, gap.sightings) == ("the moon is in the way", "49990000", 499, 1)


def test_gaps_when_the_database_is_postgres_then_they_are_counted_the_same(postgres_url: str) -> None:
    database = Database(postgres_url, service="content_test", versions=[MIGRATIONS])
    database.migrate()
    signature = Normaliser().signature(MatchQuery(text="the moon is in the way"))
    sighting = Sighting(signature, "test", "content", 2, "")
    with database.transaction() as connection:
        first = [gaps.note(connection, sighting, now=NOW) for _ in range(2)]
        gaps.set_followed_until(connection, NOW)
        gaps.set_followed_until(connection, NOW)
    with database.reading() as connection:
        assert (first, gaps.listing(connection, limit=5)[0].sightings) == ([True, False], 4)
        assert (gaps.count(connection), gaps.followed_until(connection)) == (1, NOW)
    database.close()


def wait_until(condition: Callable[[], bool], within_seconds: float = 20.0) -> None:
    deadline = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
