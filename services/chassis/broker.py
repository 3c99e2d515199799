"""Clients of the broker, every option that matters written out, also where the library's default is right today."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code
from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity, SASLScram512

from schemas.topics import EVENT_TOPICS, Topic
from services.chassis.settings import Settings

REQUEST_TIMEOUT_MS = 30_000
"""Also the producer's delivery deadline in aiokafka: never shorter."""
MAX_REQUEST_BYTES = 1_048_576
MAX_FETCH_BYTES = 50 * 1024 * 1024
PARTITION_FETCH_BYTES = 2 * 1024 * 1024
METADATA_AGE_MS = 5_000
"""How long a reader may go without seeing a topic that appeared after it joined, as on a broker that started empty. The
libraries' default is five minutes, in which it would stand still without a word."""


def security(settings: Settings) -> dict[str, Any]:
    """aiokafka's security options."""
    if settings.kafka_username is None or settings.kafka_password is None:
        return {"security_protocol": "PLAINTEXT"}
    return {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": settings.kafka_username,
        "sasl_plain_password": settings.kafka_password.get_secret_value(),
    }


def producer(settings: Settings) -> AIOKafkaProducer:
    """The relay's producer: acknowledged by all replicas, one batch at a time is the relay's own affair."""
    return AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap_servers,
        acks="all",
        enable_idempotence=settings.kafka_idempotent,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        max_batch_size=MAX_REQUEST_BYTES - 64 * 1024,
        max_request_size=MAX_REQUEST_BYTES,
        linger_ms=0,
        retry_backoff_ms=100,
        metadata_max_age_ms=60_000,
        compression_type=None,
        **security(settings),
    )


def consumer(settings: Settings, *topics: str, group_id: str | None = None) -> AIOKafkaConsumer:
    """A consumer that starts at the earliest record and commits nothing by itself."""
    return AIOKafkaConsumer(
        *topics,
        bootstrap_servers=settings.bootstrap_servers,
        group_id=group_id,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_bytes=MAX_FETCH_BYTES,
        max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
        fetch_max_wait_ms=100,
        fetch_min_bytes=1,
        max_poll_interval_ms=600_000,
        session_timeout_ms=20_000,
        heartbeat_interval_ms=3_000,
        request_timeout_ms=40_000,
        metadata_max_age_ms=METADATA_AGE_MS,
        check_crcs=False,
        isolation_level="read_uncommitted",
        **security(settings),
    )


def faststream(settings: Settings) -> KafkaBroker:
    """The FastStream broker of the live projections."""
    sasl: BaseSecurity | None = None
    if settings.kafka_username is not None and settings.kafka_password is not None:
        sasl = SASLScram512(settings.kafka_username, settings.kafka_password.get_secret_value(), use_ssl=False)
    return KafkaBroker(
        settings.bootstrap_servers,
        security=sasl,
        logger=None,
        allow_auto_create_topics=False,
        graceful_timeout=10.0,
        metadata_max_age_ms=METADATA_AGE_MS,
        enable_idempotence=False,  # Nothing is published by it (the relay does), so it needs no right to write.
    )


@asynccontextmanager
async def admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client for the length of the block."""
    client = AIOKafkaAdminClient(
        bootstrap_servers=settings.bootstrap_servers, request_timeout_ms=10_000, **security(settings)
    )
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def cluster_id(client: AIOKafkaAdminClient) -> str:
    """Which log this is: another id means that everything before is gone."""
    return str((await client.describe_cluster())["cluster_id"])


async def create_topics(client: AIOKafkaAdminClient, topics: Iterable[Topic], replication: int) -> None:
    """Create topics that are not there. Nothing is ever created by using it.

    What is there is not asked for again: creating is a right of a topic's owner, seeing it one of its readers.
    """
    there = set(await client.list_topics())
    wanted = [
        NewTopic(
            topic.name,
            topic.partitions,
            min(replication, topic.replication),
            topic_configs={
                "retention.ms": str(topic.retention_ms),
                "cleanup.policy": "delete",
                "min.insync.replicas": str(min(replication, topic.min_insync_replicas)),
            },
        )
        for topic in topics
        if topic.name not in there
    ]
    if not wanted:
        return
    response = await client.create_topics(wanted)
    for name, code, *_ in response.topic_errors:
        if code not in {0, TopicAlreadyExistsError.errno}:
            raise for_code(code)(f"topic {name} could not be created")


async def ensure_topics(settings: Settings, topics: Iterable[Topic] = tuple(EVENT_TOPICS.values())) -> None:
    """Create the event topics of all services, or see that those named are there."""
    async with admin(settings) as client:
        await create_topics(client, topics, settings.kafka_replication)
