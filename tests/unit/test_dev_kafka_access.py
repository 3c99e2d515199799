"""Access control of the secured broker, with a client that is not aiokafka: its own topics and no others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # It re-exports without saying so.

from deploy.dev.kafka import Kafka
from schemas.topics import authority_prefix, authority_topic

First = Callable[[str, str, str], bytes | int]
OWN, OTHERS = authority_topic("te", "diary").name, authority_topic("te-toimisto", "diary").name


@pytest.fixture(scope="module")
def password(secured_kafka: Kafka) -> str:
    """The password of `te`, who may read its own prefix; one record waits on its topic and on another's."""
    admin, producer = AdminClient(secured_kafka.client_options()), Producer(secured_kafka.client_options())
    for done in admin.create_topics([NewTopic(name, 1, 1) for name in (OWN, OTHERS)]).values():
        done.result(20)
    for name in (OWN, OTHERS):
        producer.produce(name, name.encode())
    assert producer.flush(20) == 0
    made = secured_kafka.add_user("te")
    secured_kafka.allow_reading("te", topic_prefix=authority_prefix("te"), group_prefix="te.")
    return made


@pytest.fixture
def first(secured_kafka: Kafka) -> Iterator[First]:
    """`first(password, topic, group)`: the first record, or the first error that is final."""
    opened: list[Consumer] = []

    def read(password: str, topic: str, group: str) -> bytes | int:
        login = secured_kafka.login("te", password) | {"group.id": group, "auto.offset.reset": "earliest"}
        errors: list[KafkaError] = []
        consumer = Consumer(
            {"bootstrap.servers": secured_kafka.bootstrap, "log_level": 0, "error_cb": errors.append} | login
        )
        opened.append(consumer)
        consumer.subscribe([topic])
        return outcome(consumer, errors)

    yield read
    for consumer in opened:
        consumer.close()


def outcome(consumer: Consumer, errors: list[KafkaError]) -> bytes | int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        message = consumer.poll(0.2)
        refused = [error.code() for error in errors if error.code() == KafkaError._AUTHENTICATION]
        if refused:
            return refused[0]
        if message is not None:
            error = message.error()
            return error.code() if error else message.value() or b""
    raise AssertionError("neither a record nor a refusal came in time")


def test_an_authority_reads_its_own_topic(first: First, password: str) -> None:
    assert first(password, OWN, "te.archive") == OWN.encode()


def test_a_topic_whose_name_only_begins_alike_is_refused(first: First, password: str) -> None:
    assert first(password, OTHERS, "te.archive-2") == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_anothers_consumer_group_is_refused(first: First, password: str) -> None:
    assert first(password, OWN, "vero.archive") == KafkaError.GROUP_AUTHORIZATION_FAILED


def test_a_wrong_password_is_refused(first: First) -> None:
    assert first("guess", OWN, "te.archive-3") == KafkaError._AUTHENTICATION


def test_an_authority_may_not_write(secured_kafka: Kafka, password: str) -> None:
    reports: list[int] = []
    options = {"bootstrap.servers": secured_kafka.bootstrap, "log_level": 0, "message.timeout.ms": 20_000}
    producer = Producer(options | secured_kafka.login("te", password))
    producer.produce(OWN, b"forged", callback=lambda error, _: reports.append(error.code() if error else 0))
    assert producer.flush(30) == 0
    assert reports == [KafkaError.TOPIC_AUTHORIZATION_FAILED]
