"""What the relay needs of a broker, and no more: read partitions to their end, and append one batch to one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from schemas.topics import Topic
from services.chassis import broker
from services.chassis.settings import Settings

QUIET_SECONDS = 0.35
"""Silence after which partitions count as read to their end, where end offsets are inexact. Too short costs repeats."""
SEND_SECONDS = 35.0
CLOSE_SECONDS = 5.0


Where = tuple[str, int]
"""A topic's name and a partition."""


class Outgoing(NamedTuple):
    """A record to append."""

    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]]


class Incoming(NamedTuple):
    """A record read back."""

    offset: int
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    key: bytes | None = None


class Transport(Protocol):
    """A broker as the relay sees it. Every method may raise; the relay then asks again from the beginning."""

    async def cluster_id(self) -> str: ...
    async def ensure(self, topics: Sequence[Topic]) -> None: ...
    def read_to_end(self, offsets: Mapping[Where, int]) -> AsyncIterator[Mapping[Where, Sequence[Incoming]]]:
        """Everything from the given offsets (−1: the start) to the end, as far as can be told, in pieces."""
        ...

    async def end_offsets(self, partitions: Sequence[Where]) -> Mapping[Where, int] | None:
        """Exact end offsets, or None where the broker has none."""
        ...

    async def send(self, topic: str, partition: int, records: Sequence[Outgoing]) -> tuple[int, int]:
        """Append records in order and wait until all replicas have them; (how many were sent, offset of the first)."""
        ...

    async def close(self) -> None: ...


@dataclass(slots=True)
class KafkaTransport:
    """The transport over aiokafka. Opened for one term of leadership; after an error a new one is opened."""

    settings: Settings
    producer: AIOKafkaProducer
    consumer: AIOKafkaConsumer
    admin: AIOKafkaAdminClient

    @classmethod
    async def open(cls, settings: Settings) -> KafkaTransport:
        """Connect all three clients, or none."""
        admin = AIOKafkaAdminClient(
            bootstrap_servers=settings.bootstrap_servers, request_timeout_ms=10_000, **broker.security(settings)
        )
        producer, consumer = broker.producer(settings), broker.consumer(settings)
        opened = cls(settings, producer, consumer, admin)
        try:
            await admin.start()
            await consumer.start()
            await producer.start()
        except BaseException:
            await opened.close()
            raise
        return opened

    async def cluster_id(self) -> str:
        return await broker.cluster_id(self.admin)

    async def ensure(self, topics: Sequence[Topic]) -> None:
        await broker.create_topics(self.admin, topics, self.settings.kafka_replication)

    async def end_offsets(self, partitions: Sequence[Where]) -> Mapping[Where, int] | None:
        if not self.settings.kafka_exact_end_offsets:
            return None
        found = await self.consumer.end_offsets([TopicPartition(*where) for where in partitions])
        return {(where.topic, where.partition): offset for where, offset in found.items()}

    async def read_to_end(self, offsets: Mapping[Where, int]) -> AsyncIterator[Mapping[Where, Sequence[Incoming]]]:
        where = {TopicPartition(*partition): offset for partition, offset in offsets.items()}
        self.consumer.assign(list(where))
        ends = await self.end_offsets(list(offsets))
        for partition, offset in where.items():
            if offset < 0:
                await self.consumer.seek_to_beginning(partition)
            else:
                self.consumer.seek(partition, offset)
        while not await self._at_end(ends):
            batches = await self.consumer.getmany(timeout_ms=int(QUIET_SECONDS * 1000), max_records=10_000)
            if not batches and ends is None:
                break
            yield {
                (partition.topic, partition.partition): [Incoming(r.offset, r.value, r.headers, r.key) for r in records]
                for partition, records in batches.items()
            }

    async def _at_end(self, ends: Mapping[Where, int] | None) -> bool:
        if ends is None:
            return False
        for (topic, partition), end in ends.items():
            try:
                if await self.consumer.position(TopicPartition(topic, partition)) < end:
                    return False
            except OffsetOutOfRangeError:
                return False
        return True

    async def send(self, topic: str, partition: int, records: Sequence[Outgoing]) -> tuple[int, int]:
        batch = self.producer.create_batch()
        taken = 0
        for record in records:
            if batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers) is None:
                break
            taken += 1
        if not taken:
            raise KafkaError(f"a record of {len(records[0].value)} bytes does not fit into a batch")
        batch.close()
        acknowledged = await self.producer.send_batch(batch, topic, partition=partition)
        async with asyncio.timeout(SEND_SECONDS):
            metadata = await acknowledged
        return taken, int(metadata.offset)

    async def close(self) -> None:
        """Close without waiting for what cannot be sent, whatever the clients make of it."""
        closing = [
            asyncio.ensure_future(stop) for stop in (self.producer.stop(), self.consumer.stop(), self.admin.close())
        ]
        _, late = await asyncio.wait(closing, timeout=CLOSE_SECONDS)
        for client in late:
            client.cancel()
        await asyncio.gather(*closing, return_exceptions=True)
