"""The brokers that development and tests stand on: empty starts, crashes, and clear refusals."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.dev.broker import Broker, new_cluster_id
from deploy.dev.kafka import Kafka
from deploy.dev.process import PortTaken
from deploy.dev.tansu import Tansu

TOPIC = "apudiaari.test.events"


async def make_topic(broker: Broker) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def publish(broker: Broker, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, enable_idempotence=broker.idempotent, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(TOPIC, value, partition=0)
    finally:
        await producer.stop()


async def read(broker: Broker, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        return [(await asyncio.wait_for(anext(consumer), 10)).value for _ in range(count)]
    finally:
        await consumer.stop()


async def test_a_record_comes_back(clean_broker: Broker) -> None:
    await make_topic(clean_broker)
    await publish(clean_broker, b"one")
    assert await read(clean_broker, 1) == [b"one"]


async def test_clear_leaves_no_topic(broker: Broker) -> None:
    broker.clear()
    await make_topic(broker)
    assert broker.topics() == {TOPIC}
    broker.clear()
    assert broker.topics() == set()


async def test_a_wiped_broker_is_empty_and_says_so_by_its_cluster_id(broker: Broker) -> None:
    before = broker.cluster_id
    broker.clear()
    await make_topic(broker)
    broker.wipe_and_start()
    assert broker.topics() == set()
    assert broker.cluster_id != before


async def test_kafka_keeps_its_log_over_a_crash(kafka: Kafka) -> None:
    kafka.clear()
    before = kafka.cluster_id
    await make_topic(kafka)
    await publish(kafka, b"kept")
    kafka.kill9()
    kafka.start()
    assert kafka.cluster_id == before
    assert await read(kafka, 1) == [b"kept"]


def test_a_taken_port_is_named(tansu: Tansu, tmp_path: Path) -> None:
    with pytest.raises(PortTaken, match=rf"port {tansu.port} .* is taken. Stop what uses it"):
        Tansu(tmp_path, port=tansu.port).start()
    assert tansu.ready()


def test_another_broker_on_the_port_does_not_count_as_ready(tansu: Tansu, tmp_path: Path) -> None:
    other = Tansu(tmp_path, port=tansu.port)
    other.forget()
    assert not other.ready()


def test_a_cluster_id_never_looks_like_an_option() -> None:
    assert all(len(new_cluster_id()) == 22 and new_cluster_id()[0] == "A" for _ in range(500))
