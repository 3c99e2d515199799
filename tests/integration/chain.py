"""From a log over a broker to a projection, inside the test's own process: settings, a foreign reader, conditions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import asyncpg
from confluent_kafka import Consumer, TopicPartition
from pydantic import SecretStr

from deploy.dev.broker import Broker
from deploy.dev.environment import session_ms
from schemas.topics import EVENT_TOPICS, Topic
from services.chassis import broker as clients
from services.chassis.db import Database, Listener
from services.chassis.log.writer import CHANNEL
from services.chassis.projection import registry
from services.chassis.projection.live import LiveProjection
from services.chassis.projection.model import ProjectionSpec
from services.chassis.relay import Relay
from services.chassis.settings import Settings
from services.chassis.transport import KafkaTransport, Outgoing
from tests.simulation.audit import leaf
from tests.simulation.counter import FEED_SECRET
from tests.support.databases import ServiceDatabase

QUIET_S = 1.0
WITHIN_S = 45.0


def settings_of(where: ServiceDatabase, broker: Broker) -> Settings:
    """Settings of a process of the service on this broker."""
    return Settings(
        database_url=SecretStr(where.app_dsn),
        owner_database_url=SecretStr(where.owner_dsn),
        kafka_bootstrap=broker.bootstrap,
        kafka_idempotent=broker.idempotent,
        kafka_exact_end_offsets=broker.idempotent,
        kafka_session_ms=session_ms(broker),
        kafka_replication=1,
        feed_secret=SecretStr(FEED_SECRET),
    )


class Seen(NamedTuple):
    """A record as another client library sees it."""

    offset: int
    key: bytes | None
    headers: dict[str, bytes]
    value: bytes


Topics = dict[tuple[str, int], list[Seen]]


def read_all(broker: Broker, topics: Sequence[Topic], at_least: int = 0) -> Topics:
    """Everything on some topics, by confluent-kafka: at least so many records, then until nothing more comes."""
    consumer = Consumer(broker.client_options() | {"group.id": "reader", "enable.auto.commit": False})
    places = [(topic.name, partition) for topic in topics for partition in range(topic.partitions)]
    found: Topics = {place: [] for place in places}
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in places])
        deadline, count, quiet = time.monotonic() + WITHIN_S, 0, time.monotonic()
        while time.monotonic() < deadline and (count < at_least or time.monotonic() - quiet < QUIET_S):
            for message in consumer.consume(5000, timeout=0.2):
                assert message.error() is None, message.error()
                headers = {name: bytes(value) for name, value in message.headers() or []}
                place = message.topic(), message.partition()
                found[place].append(Seen(message.offset(), message.key(), headers, message.value()))
                count, quiet = count + 1, time.monotonic()
    finally:
        consumer.close()
    return found


async def seen(broker: Broker, *topics: Topic, at_least: int = 0) -> Topics:
    """The same without holding the event loop."""
    return await asyncio.to_thread(read_all, broker, topics, at_least)


def pairs(records: Iterable[Seen]) -> list[tuple[dict[str, bytes], bytes]]:
    """As the judge of a partition wants them."""
    return [(record.headers, record.value) for record in records]


async def eventually(
    check: Callable[[], Awaitable[Any]], *, within_s: float = WITHIN_S, says: Callable[[], Awaitable[Any]] | None = None
) -> Any:
    """The first true answer of ``check``; fails after ``within_s``, with what ``says`` says."""
    deadline = time.monotonic() + within_s
    while not (answer := await check()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:g} s: {await says() if says else answer!r}")
        await asyncio.sleep(0.1)
    return answer


async def fetch(dsn: str, statement: str, *values: Any) -> list[Any]:
    """Rows of one statement, over a connection of its own."""
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(statement, *values))
    finally:
        await connection.close()


@dataclass
class Chain:
    """A log's database and a projection's on one broker, with what runs between them."""

    log: ServiceDatabase
    broker: Broker
    spec: ProjectionSpec
    database: Database = field(init=False)
    owner: Database = field(init=False)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database = Database(self.log.app_dsn, pool_size=8)
        self.owner = Database(self.log.owner_dsn, pool_size=2)

    @property
    def settings(self) -> Settings:
        return settings_of(self.log, self.broker)

    async def connect(self) -> KafkaTransport:
        return await KafkaTransport.open(self.settings)

    async def prepare(self) -> None:
        """Topics and the first version of the projection."""
        await clients.ensure_topics(self.settings)
        async with self.owner.transaction() as connection:
            await registry.ensure_first_version(connection, self.spec, app_role=f"{self.log.service}_app")

    def relay(self) -> Relay:
        listener = Listener(self.log.app_dsn, CHANNEL)
        return Relay(self.database, EVENT_TOPICS[self.log.service], self.connect, listener)

    def live(self) -> LiveProjection:
        return LiveProjection(self.settings, self.database, self.spec)

    @asynccontextmanager
    async def running(self, *parts: Relay | LiveProjection) -> AsyncIterator[None]:
        """Run for the length of the block, as a process would."""
        tasks = [asyncio.create_task(part.run()) for part in parts]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def parts(self, version: int = 1) -> list[registry.PartitionPosition]:
        async with self.database.reading() as connection:
            return await registry.partitions(connection, self.spec.name, version)

    async def head(self) -> int:
        return int((await fetch(self.log.app_dsn, "SELECT position FROM log.head"))[0][0])

    async def folded(self, topic: str, version: int = 1) -> bool:
        """Whether the projection has honoured a seal over the whole log in every partition."""
        head = await self.head()
        return all(part.sealed >= head for part in await self.parts(version) if part.topic == topic)

    async def close(self) -> None:
        await self.database.close()
        await self.owner.close()


def chained(
    bodies: Sequence[tuple[int, bytes]], *, after: tuple[int, bytes] = (0, b""), key: bytes = b"test"
) -> list[Outgoing]:
    """Records of one partition that follow each other, written without the relay: (position, body)."""
    records, (previous, previous_leaf) = [], after
    for position, body in bodies:
        headers = [
            ("position", b"%d" % position),
            ("partitionprevious", b"%d" % previous),
            ("previousleaf", previous_leaf.hex().encode()),
        ]
        records.append(Outgoing(key, body, headers))
        previous, previous_leaf = position, leaf(body)
    return records
