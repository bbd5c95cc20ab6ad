"""Nothing is lost and nothing takes effect twice when producer, server or consumer are killed at any moment."""

import asyncio
import json
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.js.api import ConsumerConfig
from sqlalchemy import text

from services.kit.bus_nats import STREAM
from services.kit.database import Database
from tests.kit.conftest import NatsServer
from tests.kit.line_process import SUBJECTS, Orders

_SECONDS = 90.0
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class _Scale:
    facts: int
    rounds: int


@dataclass
class _Stage:
    """A database, a server and the processes between them."""

    database: Database
    server: NatsServer
    orders: Orders
    scale: _Scale
    running: list[subprocess.Popen[bytes]]

    def start(self, role: str, **changes: object) -> "subprocess.Popen[bytes]":
        orders = json.dumps(asdict(replace(self.orders, **changes)))  # type: ignore[arg-type]
        process = subprocess.Popen(  # noqa: S603 -- our own program and arguments
            [sys.executable, "-m", "tests.kit.line_process", role, orders], cwd=_ROOT
        )
        self.running.append(process)
        return process

    def count(self, statement: str) -> int:
        with self.database.reading() as connection:
            count: int = connection.execute(text(statement)).scalar_one()
        return count

    def wait_for_effects(self, count: int) -> None:
        deadline = time.monotonic() + _SECONDS
        while self.count("SELECT count(*) FROM effects") < count:
            assert time.monotonic() < deadline, f"fewer than {count} effects after {_SECONDS:.0f} s"
            time.sleep(0.02)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()


@pytest.fixture(
    params=[
        pytest.param(("sqlite", _Scale(facts=10_000, rounds=12)), id="sqlite"),
        pytest.param(
            ("postgresql", _Scale(facts=800, rounds=4)), id="postgresql", marks=pytest.mark.needs("initdb", "postgres")
        ),
    ]
)
def stage(request: pytest.FixtureRequest, nats_server: NatsServer, tmp_path: Path) -> Iterator[_Stage]:
    dialect, scale = request.param
    url = f"sqlite:///{tmp_path}/ledger.db" if dialect == "sqlite" else str(request.getfixturevalue("postgres_url"))
    service = f"crash_{secrets.token_hex(4)}"
    database = Database(url, service=service)
    database.migrate()
    key = "INTEGER PRIMARY KEY" if dialect == "sqlite" else "BIGSERIAL PRIMARY KEY"
    with database.transaction() as connection:
        # No constraint on the number: a second effect must show, not be refused.
        connection.execute(text(f"CREATE TABLE effects (id {key}, number INTEGER, subject TEXT)"))
    orders = Orders(
        database_url=url,
        service=service,
        nats_url=nats_server.url,
        token=nats_server.token,
        notes=str(tmp_path / "duplicates"),
    )
    stage = _Stage(database, nats_server, orders, scale, [])
    yield stage
    for process in stage.running:
        if process.poll() is None:
            _kill(process)
    database.close()


def _in_order(numbers: dict[str, list[int]]) -> bool:
    return all(found == sorted(found) for found in numbers.values())


def _effects(stage: _Stage) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {f"book{book}": [] for book in range(SUBJECTS)}
    with stage.database.reading() as connection:
        for subject, number in connection.execute(text("SELECT subject, number FROM effects ORDER BY id")):
            found[subject].append(number)
    return found


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.needs("nats-server")
def test_consume_when_consumer_and_server_are_killed_then_every_event_takes_effect_once_and_in_order(
    stage: _Stage, tmp_path: Path
) -> None:
    total = stage.scale.facts
    producer = stage.start("producer", facts=total)
    # The first consumer ends between its commit and its answer, so that a duplicate is certain.
    first = stage.start("consumer", dies="before_answer", dies_at=total // 4)
    assert first.wait(timeout=_SECONDS) == -signal.SIGKILL
    second = stage.start("consumer")
    stage.wait_for_effects(total // 2)
    stage.server.kill()
    stage.server.start()
    stage.wait_for_effects(3 * total // 4)
    _kill(second)
    stage.server.kill()
    stage.server.start()
    third = stage.start("consumer")
    assert producer.wait(timeout=_SECONDS) == 0
    stage.wait_for_effects(total)
    third.send_signal(signal.SIGTERM)
    assert third.wait(timeout=_SECONDS) == 0
    effects = _effects(stage)
    assert sorted(number for numbers in effects.values() for number in numbers) == list(range(total))
    assert _in_order(effects)
    assert len((tmp_path / "duplicates").read_text().splitlines()) >= 1


def _points(rounds: int, facts: int) -> Iterator[tuple[str, int]]:
    for number in range(rounds):
        yield ("after_commit", "before_publish", "after_publish")[number % 3], 1 + secrets.randbelow(facts)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.needs("nats-server")
def test_publish_when_producer_is_killed_at_any_point_then_every_commit_reaches_the_stream_once(stage: _Stage) -> None:
    facts_each = 60
    points = list(_points(stage.scale.rounds, facts_each))
    for dies, dies_at in points:
        killed = stage.start("producer", facts=facts_each, dies=dies, dies_at=dies_at)
        assert killed.wait(timeout=_SECONDS) == -signal.SIGKILL, (dies, dies_at)
    assert stage.start("producer", facts=1).wait(timeout=_SECONDS) == 0
    committed = stage.count("SELECT count(*) FROM outbox")
    stored = asyncio.run(_stored(stage.server))
    assert sorted(number for numbers in stored.values() for number in numbers) == list(range(committed)), points
    assert _in_order(stored), points


@pytest.mark.needs("nats-server")
def test_publish_when_producer_is_killed_by_surprise_then_every_commit_reaches_the_stream_once(stage: _Stage) -> None:
    for _ in range(2):
        before = stage.count("SELECT count(*) FROM outbox")
        killed = stage.start("producer", facts=100_000)
        _wait(lambda known=before: stage.count("SELECT count(*) FROM outbox") > known + secrets.randbelow(200))
        _kill(killed)
    assert stage.start("producer", facts=1).wait(timeout=_SECONDS) == 0
    stored = asyncio.run(_stored(stage.server))
    committed = stage.count("SELECT count(*) FROM outbox")
    assert sorted(number for numbers in stored.values() for number in numbers) == list(range(committed))


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


async def _stored(server: NatsServer) -> dict[str, list[int]]:
    """The numbers in the stream, by subject, in the stream's order."""
    found: dict[str, list[int]] = {}
    client = Client()
    await client.connect(server.url, token=server.token, allow_reconnect=False)
    stream = client.jetstream()
    await stream.add_consumer(STREAM, ConsumerConfig(name="reader", durable_name="reader", max_ack_pending=100_000))
    reader = await stream.pull_subscribe_bind(durable="reader", stream=STREAM)
    left = (await stream.stream_info(STREAM)).state.messages
    while left:
        for message in await reader.fetch(min(left, 500), timeout=5):
            envelope = json.loads(message.data)
            found.setdefault(envelope["subject"], []).append(envelope["payload"]["number"])
            await message.ack()
            left -= 1
    await client.close()
    return found
