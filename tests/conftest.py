"""The parts beneath the tests, each real and started once per run.

- `postgres`, `kafka`, `tansu`: PostgreSQL 18, Apache Kafka, the embedded broker;
- `broker`: the same test on Tansu and on Apache Kafka; `clean_broker` empties it first, once per module;
- `token_issuer`: bearer tokens of any role; `world`: real service processes, to be killed and started;
- `service_database(service)` and `empty_database(service)`: factories of databases that live for one module.

A test that uses a part gets that part's marker by itself, so `-m "not kafka"` leaves out what needs Kafka.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeVar, cast

import pytest

from deploy.dev.broker import Broker
from deploy.dev.kafka import Kafka
from deploy.dev.postgres import Postgres
from deploy.dev.process import free_port
from deploy.dev.tansu import Tansu
from tests.support.databases import Databases, ServiceDatabase
from tests.support.tokens import TokenIssuer
from tests.support.unproven import require_kafka_tools, summary
from tests.support.world import World

AnyBroker = TypeVar("AnyBroker", bound=Broker)
PARTS = {"postgres": {"postgres"}, "kafka": {"kafka", "secured_kafka"}, "tansu": {"tansu"}}


@pytest.fixture(scope="session")
def run_folder() -> Iterator[Path]:
    """A folder of this run that an unprivileged server may pass through (pytest's own may not be)."""
    folder = Path(tempfile.mkdtemp(prefix="apudiaari-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(run_folder: Path) -> Iterator[Postgres]:
    """One PostgreSQL 18 cluster."""
    server = Postgres(run_folder / "postgres", port=free_port())
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def kafka(run_folder: Path) -> Iterator[Kafka]:
    """One Apache Kafka without access control. Topics must be created before use."""
    require_kafka_tools()
    yield from _run(Kafka(run_folder / "kafka", port=free_port()))


@pytest.fixture(scope="module")
def secured_kafka(run_folder: Path) -> Iterator[Kafka]:
    """An Apache Kafka with SCRAM and access control, as production has it."""
    require_kafka_tools()
    yield from _run(Kafka(run_folder / "secured-kafka", port=free_port(), secured=True))


@pytest.fixture(scope="session")
def tansu(run_folder: Path) -> Iterator[Tansu]:
    """One embedded broker."""
    yield from _run(Tansu(run_folder / "tansu", port=free_port()))


@pytest.fixture(
    scope="session",
    params=[pytest.param("tansu", marks=pytest.mark.tansu), pytest.param("kafka", marks=pytest.mark.kafka)],
)
def broker(request: pytest.FixtureRequest) -> Broker:
    """The same behaviour on both brokers."""
    return cast(Broker, request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
def clean_broker(broker: Broker) -> Broker:
    """The broker without topics and groups of earlier modules."""
    broker.clear()
    return broker


@pytest.fixture(scope="session")
def databases(postgres: Postgres) -> Databases:
    """Makes and copies databases of services."""
    return Databases(postgres)


@pytest.fixture(scope="module")
def service_database(databases: Databases) -> Iterator[Callable[[str], ServiceDatabase]]:
    """`service_database("diary")`: a migrated database for this module."""
    yield from _disposable(databases, databases.migrated)


@pytest.fixture(scope="module")
def empty_database(databases: Databases) -> Iterator[Callable[[str], ServiceDatabase]]:
    """`empty_database("diary")`: a database with the service's roles and no table."""
    yield from _disposable(databases, databases.empty)


@pytest.fixture(scope="session")
def token_issuer(run_folder: Path) -> Iterator[TokenIssuer]:
    """Gives tokens of any role: `token_issuer.headers("authority", "kela")`."""
    issuer = TokenIssuer(run_folder / "issuer")
    try:
        issuer.start()
        yield issuer
    finally:
        issuer.stop()


@pytest.fixture(scope="module")
async def world(
    run_folder: Path, clean_broker: Broker, databases: Databases, token_issuer: TokenIssuer
) -> AsyncIterator[World]:
    """Real service processes on fresh databases and an empty broker: `await world.start("diary")`."""
    running = World(run_folder, clean_broker, databases, token_issuer)
    try:
        yield running
    finally:
        await running.end()


def _run(part: AnyBroker) -> Iterator[AnyBroker]:
    try:
        part.start()
        yield part
    finally:
        part.kill9()
        shutil.rmtree(part.home, ignore_errors=True)


def _disposable(
    databases: Databases, make: Callable[[str], ServiceDatabase]
) -> Iterator[Callable[[str], ServiceDatabase]]:
    made: list[ServiceDatabase] = []

    def factory(service: str) -> ServiceDatabase:
        made.append(make(service))
        return made[-1]

    yield factory
    for database in made:
        databases.drop(database)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the parts that it uses."""
    for item in items:
        used = set(getattr(item, "fixturenames", ()))
        for part, fixtures in PARTS.items():
            if used & fixtures:
                item.add_marker(part)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly at the end what this run did not prove."""
    stats = terminalreporter.stats
    for line in summary([*stats.get("skipped", []), *stats.get("error", []), *stats.get("failed", [])]):
        terminalreporter.write_line(line, red=True, bold=True)
