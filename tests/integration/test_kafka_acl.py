"""The platform on a secured Apache Kafka: each service with its own principal and no right more than it needs, and an
authority that reads its own topics with a client that is not ours (confluent-kafka), and nothing else.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from deploy.dev.environment import SERVICES
from deploy.dev.kafka import Kafka
from deploy.kafka.acls import acls, authority_acls, grant, service_acls, table
from schemas.topics import AGREEMENTS, BILLING, DIARY, EVENT_TOPICS, authority_prefix, authority_topic
from tests.architecture.sources import ROOT
from tests.support.databases import Databases
from tests.support.isolation.people import DataSet, data_sets
from tests.support.isolation.seed import Surface, load, load_register
from tests.support.tokens import TokenIssuer
from tests.support.world import World

AUTHORITIES = ("kela", "vero")
WITHIN_S = 30
REFUSED = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}


class SecuredWorld(World):
    """Services that sign in to the broker as themselves."""

    passwords: dict[str, str]

    def environment(self, service: str) -> dict[str, str]:
        name, password = service, self.passwords[service]
        return super().environment(service) | {"APUDIAARI_KAFKA_USERNAME": name, "APUDIAARI_KAFKA_PASSWORD": password}


@pytest.fixture(scope="module")
def passwords(secured_kafka: Kafka) -> dict[str, str]:
    """Every principal with exactly the rights of `deploy/kafka/acls.py`; none of them is a super user."""
    made = {name: secured_kafka.add_user(name) for name in (*SERVICES, *AUTHORITIES)}
    grant(AdminClient(secured_kafka.client_options()), acls(AUTHORITIES))
    return made


@pytest.fixture(scope="module")
async def loaded(
    run_folder: Path, secured_kafka: Kafka, databases: Databases, token_issuer: TokenIssuer, passwords: dict[str, str]
) -> AsyncIterator[tuple[DataSet, ...]]:
    """The platform has recorded, relayed, folded and invoiced with these rights: `load` waits for every seal."""
    world = SecuredWorld(run_folder, secured_kafka, databases, token_issuer)
    world.passwords = passwords
    try:
        await world.start(*SERVICES)
        async with httpx.AsyncClient(timeout=30) as http:
            surface, sets = Surface(world, http), data_sets()[:2]
            await load_register(surface, sets)
            for each in sets:
                await load(surface, each)
            yield sets
    finally:
        await world.end()


Read = Callable[[str, str, str], list[dict[str, Any]] | int]


@pytest.fixture
def read(secured_kafka: Kafka, passwords: dict[str, str]) -> Iterator[Read]:
    """`read(user, topic, group)`: all records as CloudEvents, or the code of a final refusal."""
    opened: list[Consumer] = []

    def reading(user: str, topic: str, group: str) -> list[dict[str, Any]] | int:
        options = secured_kafka.login(user, passwords[user]) | {"group.id": group, "auto.offset.reset": "earliest"}
        consumer = Consumer({"bootstrap.servers": secured_kafka.bootstrap, "log_level": 0} | options)
        opened.append(consumer)
        consumer.subscribe([topic])
        return _all(consumer, topic)

    yield reading
    for consumer in opened:
        consumer.close()


def _all(consumer: Consumer, topic: str) -> list[dict[str, Any]] | int:
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is not None and (error := message.error()):
            return int(error.code())
        if message is not None:
            found.append(_told(message.value() or b""))
        elif found and len(found) >= consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=5)[1]:
            return found
    raise AssertionError(f"neither the whole of {topic} nor a refusal came within {WITHIN_S} s: {found}")


def _told(value: bytes) -> dict[str, Any]:
    """A seal is not among them: an authority's topic holds its copies alone."""
    return {"type": json.loads(value)["type"].split(".")[-2], "text": value.decode()}


def test_an_authority_reads_its_own_topics_with_another_client(loaded: tuple[DataSet, ...], read: Read) -> None:
    kela, vero = loaded
    for service, wanted in (
        ("diary", "VisitRecorded"),
        ("agreements", "AgreementSigned"),
        ("billing", "InvoiceIssued"),
    ):
        records = read("kela", authority_topic("kela", service).name, f"kela.{service}")
        assert isinstance(records, list), f"{service}: refused with {records}"
        assert wanted in {each["type"] for each in records}
        everything = " ".join(each["text"] for each in records)
        assert [trace for trace in vero.seen | vero.register if trace in everything] == []
    assert kela.price in everything


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    "topic", [authority_topic("vero", "diary").name, *(topic.name for topic in (DIARY, AGREEMENTS, BILLING))]
)
def test_an_authority_is_refused_anothers_topic_and_the_events_of_all(read: Read, topic: str) -> None:
    assert read("kela", topic, "kela.archive-2") == KafkaError.TOPIC_AUTHORIZATION_FAILED


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("group", ["vero.archive", "billing.v1", "kelax"])
def test_an_authority_is_refused_anothers_group(read: Read, group: str) -> None:
    assert read("kela", authority_topic("kela", "diary").name, group) == KafkaError.GROUP_AUTHORIZATION_FAILED


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("user", "topic"),
    [
        ("statistics", DIARY.name),
        ("statistics", authority_topic("kela", "statistics").name),
        ("billing", DIARY.name),
        ("diary", AGREEMENTS.name),
        ("kela", authority_topic("kela", "diary").name),
    ],
)
def test_nobody_writes_where_it_is_not_the_owner(
    secured_kafka: Kafka, passwords: dict[str, str], user: str, topic: str
) -> None:
    reports: list[int] = []
    options = {"bootstrap.servers": secured_kafka.bootstrap, "log_level": 0, "message.timeout.ms": 20_000}
    producer = Producer(options | secured_kafka.login(user, passwords[user]))
    producer.produce(topic, b"forged", callback=lambda error, _: reports.append(error.code() if error else 0))
    assert producer.flush(30) == 0
    assert reports == [KafkaError.TOPIC_AUTHORIZATION_FAILED]


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("user", "topic", "group"),
    [("diary", BILLING.name, "register.v9"), ("agreements", DIARY.name, "agreements.v1"), ("billing", DIARY.name, "x")],
)
def test_no_service_reads_more_than_it_folds(read: Read, user: str, topic: str, group: str) -> None:
    assert read(user, topic, group) in REFUSED


def test_every_right_is_made_from_what_is_declared() -> None:
    for service in SERVICES:
        may_write = {acl.name for acl in service_acls(service) if "Write" in acl.operations}
        own = {EVENT_TOPICS[service].name, "apudiaari.authority."} if service in EVENT_TOPICS else set()
        assert may_write == own
    topics = [acl for acl in acls(AUTHORITIES) if acl.kind == "topic" and acl.principal in AUTHORITIES]
    assert [acl.name for acl in topics] == [authority_prefix(each) for each in AUTHORITIES]
    assert not [
        acl for each in AUTHORITIES for acl in authority_acls(each) if set(acl.operations) - {"Read", "Describe"}
    ]


def test_the_documented_table_is_the_list() -> None:
    assert table() in (ROOT / "deploy" / "kafka" / "README.md").read_text(), "python -m deploy.kafka.acls --table"
