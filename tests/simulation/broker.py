"""A simulated broker: lists in memory, which may be wiped, and a network to it that loses, delays and repeats.

:class:`SimTransport` is what the relay uses (:class:`services.chassis.transport.Transport`); :class:`SimConsumer` is
what a projector's driver uses of an aiokafka consumer.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, UnknownTopicOrPartitionError

from schemas.topics import Topic
from services.chassis.transport import Incoming, Outgoing, Where


class SimRecord(NamedTuple):
    """What is used of a ConsumerRecord."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


@dataclass
class SimBroker:
    """Topics by name, a list of records per partition; committed offsets per (group, topic, partition)."""

    incarnation: int = 0
    up: bool = True
    topics: dict[str, list[list[SimRecord]]] = field(default_factory=dict)
    committed: dict[tuple[str, str, int], int] = field(default_factory=dict)
    flights: list[tuple[str, int, list[Outgoing]]] = field(default_factory=list)

    @property
    def cluster_id(self) -> str:
        return f"cluster-{self.incarnation}"

    def wipe(self) -> None:
        """Everything is gone, also the groups; what is on its way may still arrive."""
        self.incarnation += 1
        self.topics, self.committed = {}, {}

    def create(self, topic: Topic) -> None:
        self.topics.setdefault(topic.name, [[] for _ in range(topic.partitions)])

    def append(self, topic: str, partition: int, records: Sequence[Outgoing]) -> int:
        """Append and return the offset of the first."""
        if topic not in self.topics:
            raise UnknownTopicOrPartitionError(topic)
        log = self.topics[topic][partition]
        first = len(log)
        for number, record in enumerate(records):
            log.append(SimRecord(topic, partition, first + number, record.key, record.value, tuple(record.headers)))
        return first

    def land(self, index: int) -> None:
        """A late send arrives in whatever there is by now; where its topic is not, it is lost."""
        topic, partition, records = self.flights.pop(index)
        if topic in self.topics:
            self.append(topic, partition, records)

    def partition(self, topic: str, partition: int) -> list[tuple[dict[str, bytes], bytes]]:
        """(headers, value) of each record, for the judge."""
        return [(dict(record.headers), record.value) for record in self.topics.get(topic, {partition: []})[partition]]


async def _nothing() -> None:
    return None


@dataclass
class SimTransport:
    """A relay's view of the broker. ``luck`` decides what goes wrong; ``meanwhile`` lets others act during a wait."""

    broker: SimBroker
    luck: random.Random | None = None
    meanwhile: Callable[[], Awaitable[None]] = _nothing
    piece: int = 40

    def _reach(self) -> None:
        if not self.broker.up:
            raise KafkaConnectionError("the broker is away")

    def _unlucky(self, share: float) -> bool:
        return self.luck is not None and self.luck.random() < share

    async def cluster_id(self) -> str:
        self._reach()
        return self.broker.cluster_id

    async def ensure(self, topics: Sequence[Topic]) -> None:
        self._reach()
        for topic in topics:
            self.broker.create(topic)

    async def end_offsets(self, partitions: Sequence[Where]) -> Mapping[Where, int] | None:
        self._reach()
        return {(t, p): len(self.broker.topics[t][p]) if t in self.broker.topics else 0 for t, p in partitions}

    async def read_to_end(self, offsets: Mapping[Where, int]) -> AsyncIterator[Mapping[Where, Sequence[Incoming]]]:
        """In pieces. Sometimes the newest records are not seen, as on a broker whose end offsets fall short."""
        for (topic, partition), start in offsets.items():
            await self.meanwhile()
            self._reach()
            log = self.broker.topics.get(topic, [])
            records = list(log[partition]) if log else []
            end = len(records) - (self.luck.randrange(1, 3) if self.luck and self._unlucky(0.05) else 0)
            at = start if 0 <= start <= len(records) else 0
            while at < end:
                chunk = records[at : min(at + self.piece, end)]
                yield {(topic, partition): [Incoming(r.offset, r.value, r.headers, r.key) for r in chunk]}
                at += len(chunk)

    async def send(self, topic: str, partition: int, records: Sequence[Outgoing]) -> tuple[int, int]:
        """Append, unless the network is unlucky: lost, late, or done and not acknowledged."""
        some = list(records[: self.luck.randrange(1, 7)]) if self.luck else list(records)
        await self.meanwhile()
        self._reach()
        if self._unlucky(0.04):
            raise KafkaConnectionError("lost on the way")
        if self._unlucky(0.04):
            self.broker.flights.append((topic, partition, some))
            raise KafkaConnectionError("no answer in time; it may arrive yet")
        first = self.broker.append(topic, partition, some)
        if self._unlucky(0.04):
            self.broker.append(topic, partition, some)  # A retry inside the client, without idempotence.
        await self.meanwhile()
        if self._unlucky(0.04):
            raise KafkaConnectionError("stored, and the acknowledgement lost")
        return len(some), first

    async def close(self) -> None:
        return None


class SimConsumer:
    """One member of a consumer group, with an assignment of its own."""

    def __init__(self, broker: SimBroker, group: str, assigned: Sequence[TopicPartition]) -> None:
        self._broker, self._group = broker, group
        self._assigned = set(assigned)
        self._paused: set[TopicPartition] = set()
        self.positions = {where: self._committed(where) for where in assigned}

    def _committed(self, where: TopicPartition) -> int:
        return self._broker.committed.get((self._group, where.topic, where.partition), 0)

    def rebalance(self, assigned: Sequence[TopicPartition]) -> None:
        """Another share of the group: new partitions start at their committed offsets, pauses are forgotten."""
        self._assigned, self._paused = set(assigned), set()
        self.positions = {where: self._committed(where) for where in assigned}

    def assignment(self) -> set[TopicPartition]:
        return self._assigned

    def pause(self, where: TopicPartition) -> None:
        self._paused.add(where)

    def resume(self, where: TopicPartition) -> None:
        self._paused.discard(where)

    def seek(self, where: TopicPartition, offset: int) -> None:
        self.positions[where] = offset

    def highwater(self, where: TopicPartition) -> int | None:
        log = self._broker.topics.get(where.topic, [])
        return len(log[where.partition]) if log else None

    async def position(self, where: TopicPartition) -> int:
        return self.positions[where]

    async def seek_to_beginning(self, where: TopicPartition) -> None:
        self.positions[where] = 0

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        if not self._broker.up:
            raise KafkaConnectionError("the broker is away")
        for where, offset in offsets.items():
            self._broker.committed[self._group, where.topic, where.partition] = offset

    def poll(self, luck: random.Random, most: int) -> list[SimRecord]:
        """Some records of some partitions; an offset beyond the end goes back to the earliest, as we tell Kafka."""
        if not self._broker.up:
            return []
        ready = sorted(self._assigned - self._paused)
        luck.shuffle(ready)
        found: list[SimRecord] = []
        for where in ready:
            log = self._broker.topics.get(where.topic, [])
            records = log[where.partition] if log else []
            if self.positions[where] > len(records):
                self.positions[where] = 0
            at = self.positions[where]
            taken = records[at : at + luck.randrange(1, most)]
            self.positions[where] = at + len(taken)
            found += taken
            if len(found) >= most:
                break
        return found
