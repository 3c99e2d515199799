"""Reading without work, the yardstick of the rebuilds: ``consume --client aiokafka|confluent``."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import uvloop
from aiokafka import TopicPartition
from confluent_kafka import Consumer

from schemas.topics import DIARY
from services.chassis import broker
from services.chassis.process import tune
from tests.load.bench import settings_of

BATCH = 20_000


async def with_aiokafka() -> dict[str, Any]:
    """``getmany`` at its best settings: no group, no checksums, large fetches."""
    consumer = broker.consumer(settings_of("diary"))
    await consumer.start()
    where = [TopicPartition(DIARY.name, partition) for partition in range(DIARY.partitions)]
    consumer.assign(where)
    total = sum((await consumer.end_offsets(where)).values())
    await consumer.seek_to_beginning(*where)
    events = size = 0
    started = time.perf_counter()
    while events < total:
        for records in (await consumer.getmany(timeout_ms=1000, max_records=BATCH)).values():
            events += len(records)
            size += sum(len(record.value) for record in records)
    seconds = time.perf_counter() - started
    await consumer.stop()
    return _figures(events, size, seconds)


def with_confluent() -> dict[str, Any]:
    """librdkafka's ``consume``, for honesty."""
    settings = settings_of("diary")
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap,
            "group.id": "bench.raw",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "check.crcs": False,
            "fetch.max.bytes": broker.MAX_FETCH_BYTES,
            "max.partition.fetch.bytes": broker.PARTITION_FETCH_BYTES,
        }
    )
    topic = consumer.list_topics(DIARY.name).topics[DIARY.name]
    from confluent_kafka import TopicPartition as Place  # Same name as aiokafka's.

    places = [Place(DIARY.name, partition, 0) for partition in topic.partitions]
    total = sum(consumer.get_watermark_offsets(place)[1] for place in places)
    consumer.assign(places)
    events = size = 0
    started = time.perf_counter()
    while events < total:
        for message in consumer.consume(10_000, timeout=1.0):
            if message.error() is None:
                events += 1
                size += len(message.value() or b"")
    seconds = time.perf_counter() - started
    consumer.close()
    return _figures(events, size, seconds)


def _figures(events: int, size: int, seconds: float) -> dict[str, Any]:
    return {
        "events": events,
        "bytes_per_event": size // max(events, 1),
        "seconds": round(seconds, 2),
        "per_s": round(events / seconds),
    }


if __name__ == "__main__":
    tune()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--client", choices=("aiokafka", "confluent"), default="aiokafka")
    client = parser.parse_args().client
    print(json.dumps(uvloop.run(with_aiokafka()) if client == "aiokafka" else with_confluent()))
