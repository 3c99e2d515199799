"""A topic as an outsider reads it, with a client that is not the services', and what must hold of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from deploy.demo.naive.evidence import demand, sha256
from deploy.demo.naive.log import Row

QUIET_S = 1.0
BATCH = 5000


class Record(NamedTuple):
    """A record with the headers that place it in its partition."""

    partition: int
    offset: int
    headers: Mapping[str, bytes]
    value: bytes

    @property
    def position(self) -> int:
        return int(self.headers["position"])


def read_topic(
    bootstrap: str, topic: str, partitions: int, enough: Callable[[int], bool], *, within_s: float = 30
) -> list[Record]:
    """All records but seals, until ``enough`` distinct positions were seen and it is quiet, or the time is over.

    Blocks; call it in a thread. End offsets are not asked for: the embedded broker's fall short of what can be read.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"outsider-{uuid4()}",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "allow.auto.create.topics": False,
            "fetch.wait.max.ms": 50,
            "topic.metadata.refresh.interval.ms": 500,
            "log_level": 0,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
        return _collect(consumer, enough, time.monotonic() + within_s)
    finally:
        consumer.close()


def _collect(consumer: Consumer, enough: Callable[[int], bool], deadline: float) -> list[Record]:
    records: list[Record] = []
    seen: set[tuple[int, int]] = set()
    heard = time.monotonic()
    while time.monotonic() < deadline:
        messages = consumer.consume(BATCH, 0.1)
        fresh = [record for message in messages if (record := _record(message)) is not None]
        records += fresh
        seen.update((record.partition, record.position) for record in fresh)
        if enough(len(seen)) and (not messages or time.monotonic() - heard > QUIET_S):
            break
        heard = time.monotonic() if messages else heard
    return records


def _record(message: Message) -> Record | None:
    """The record, unless it is a seal or the topic has not been created yet."""
    if (error := message.error()) is not None:
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise KafkaException(error)
    headers: dict[str, Any] = dict(message.headers() or ())
    value, partition, offset = message.value(), message.partition(), message.offset()
    assert value is not None and partition is not None and offset is not None
    return None if "seal" in headers else Record(partition, offset, headers, value)


def check_topic(records: Sequence[Record], rows: Sequence[Row], partitions: int) -> int:
    """The topic holds the log: every event, byte for byte, in its partition, in order; no other record.

    Repeats are allowed, since every reader drops them; a repeat that differs is not. Returns how many there are.
    Raises Refused.
    """
    stands: dict[int, tuple[int, bytes]] = dict.fromkeys(range(partitions), (0, b""))
    repeats = 0
    for record in sorted(records, key=lambda each: (each.partition, each.offset)):
        position, (before, leaf) = record.position, stands[record.partition]
        demand(0 < position <= len(rows), f"the topic holds position {position}, which the log does not")
        demand(record.value == rows[position - 1].body, f"the bytes of position {position} differ")
        if position <= before:
            repeats += 1
            continue
        home = int.from_bytes(sha256(home_of(record.value).encode()), "big") % partitions
        demand(record.partition == home, f"position {position} is in another partition than its key says")
        demand(int(record.headers["partitionprevious"]) == before, f"something is missing before position {position}")
        demand(bytes.fromhex(record.headers["previousleaf"].decode()) == leaf, f"position {position} follows another")
        stands[record.partition] = (position, sha256(b"\x00" + record.value))
    found = {record.position for record in records}
    demand(len(found) == len(rows), f"the topic holds {len(found)} of {len(rows)} events")
    return repeats


def home_of(body: bytes) -> str:
    """The Kafka key of a diary event: its service point. Other topics have one partition, so any key will do."""
    return str(json.loads(body)["data"].get("service_point_id", ""))


def check_feed_topic(records: Sequence[Record], copies: Sequence[bytes]) -> None:
    """An authority's topic holds its copies in the order of their sequence, byte for byte. Raises Refused."""
    last = 0
    for record in sorted(records, key=lambda each: each.offset):
        sequence = record.position
        demand(sequence <= last + 1, f"sequence {last + 1} is missing on the topic")
        demand(0 < sequence <= len(copies), f"the topic holds sequence {sequence}, the feed does not")
        demand(record.value == copies[sequence - 1], f"sequence {sequence} is not the same on topic and feed")
        last = max(last, sequence)
    demand(last == len(copies), f"the topic ends at {last}, the feed at {len(copies)}")
