"""The projection on PostgreSQL: tables equal the naive fold, applied once or twice, in any order, live or rebuilt."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from schemas import topics
from services.chassis.db import Database
from services.chassis.projection import compare, parked, registry
from services.chassis.projection.projector import Projector
from services.statistics.cubes import CUBES
from services.statistics.projection import SPEC
from tests.support.databases import ServiceDatabase
from tests.support.naive import statistics as naive
from tests.support.statistics_app import fold, running
from tests.support.statistics_events import Log, Logs, make_logs
from tests.support.tokens import TokenIssuer

SAMPLES = Path(__file__).parents[2] / "schemas" / "samples"


@pytest.fixture(scope="module")
def logs() -> Logs:
    return make_logs(1_500, seed=7)


@pytest.fixture
async def owner_and_app(
    service_database: Callable[[str], ServiceDatabase],
) -> AsyncIterator[tuple[Database, Database, ServiceDatabase]]:
    where = service_database("statistics")
    owner = Database(where.owner_dsn, pool_size=1, application="test owner")
    app = Database(where.app_dsn, pool_size=3, application="test")
    yield owner, app, where
    await owner.close()
    await app.close()


async def stored(database: Database, version: int = 1) -> naive.Cubes:
    """The cubes as they lie in the tables."""
    cubes: naive.Cubes = {}
    async with database.reading() as connection:
        for name, (key, counts) in CUBES.items():
            rows = await connection.execute(
                text(f"SELECT {', '.join([*key, *counts])} FROM statistics_v{version}.{name}")
            )
            cells: dict[naive.Key, dict[str, int]] = {}
            for row in rows:
                where = tuple(v.isoformat() if hasattr(v, "isoformat") else v for v in row[: len(key)])
                cell = cells.setdefault(where, dict.fromkeys(counts, 0))
                for count, value in zip(counts, row[len(key) :], strict=True):
                    cell[count] += value
            if kept := naive.without_zeros(cells):
                cubes[name] = kept
    return cubes


async def test_tables_equal_the_naive_fold_and_a_second_offer_changes_nothing(
    owner_and_app: tuple[Database, Database, ServiceDatabase], logs: Logs
) -> None:
    _, app, _ = owner_and_app
    expected = naive.fold(logs.raw())
    await fold(app, logs)
    assert await stored(app) == expected
    await fold(app, logs)
    assert await stored(app) == expected


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_topics_and_partitions_in_any_order(
    owner_and_app: tuple[Database, Database, ServiceDatabase], logs: Logs, seed: int
) -> None:
    _, app, _ = owner_and_app
    rng = random.Random(seed)
    waiting = [(log, partition, 0) for log in logs for partition in log.records]
    projector = Projector(app, SPEC, 1)
    await projector.load()
    while waiting:
        log, partition, start = waiting.pop(rng.randrange(len(waiting)))
        batch = log.records[partition][start : (end := start + rng.randint(1, 400))]
        await projector.write(await projector.prepare(log.topic.name, {partition: batch}))
        if end < len(log.records[partition]):
            waiting.append((log, partition, end))
    assert await stored(app) == naive.fold(logs.raw())


async def test_a_version_built_by_appending_equals_the_live_one(
    owner_and_app: tuple[Database, Database, ServiceDatabase], logs: Logs
) -> None:
    owner, app, _ = owner_and_app
    await fold(app, logs)
    async with owner.transaction() as connection:
        await registry.create_version(connection, SPEC, 2, app_role="statistics_app")
    await fold(app, logs, version=2)
    assert await stored(app, 2) == await stored(app)
    for _ in range(2):  # May be repeated.
        async with owner.transaction() as connection:
            await SPEC.finish(connection, "statistics_v2")
    async with app.snapshot() as connection:
        rows, differing = await compare.versions(connection, SPEC, 1, 2)
    assert differing == dict.fromkeys(rows, 0) and rows["acts_month"] > 500


async def test_the_comparison_sees_one_wrong_cell(
    owner_and_app: tuple[Database, Database, ServiceDatabase], logs: Logs
) -> None:
    owner, app, _ = owner_and_app
    await fold(app, logs)
    async with owner.transaction() as connection:
        await registry.create_version(connection, SPEC, 2, app_role="statistics_app")
    await fold(app, logs, version=2)
    async with owner.transaction() as connection:
        await SPEC.finish(connection, "statistics_v2")
        first = "SELECT min(ctid) FROM statistics_v2.acts_day"
        await connection.execute(text(f"UPDATE statistics_v2.acts_day SET acts = acts + 1 WHERE ctid = ({first})"))
    async with app.snapshot() as connection:
        _, differing = await compare.versions(connection, SPEC, 1, 2)
    assert {name for name, count in differing.items() if count} == {"acts_day"}


async def test_poison_is_parked_shown_without_its_contents_and_applied_later(
    owner_and_app: tuple[Database, Database, ServiceDatabase], token_issuer: TokenIssuer, logs: Logs
) -> None:
    _, app, where = owner_and_app
    good = (SAMPLES / "diary.VisitRecorded/1/two_authorities.json").read_bytes()
    log = Log(topics.DIARY)
    log.position = 1
    log.add_raw("piste-732-1", at_position(good, 1).replace(b'"customers":', b'"customers":-'))
    log.position = 2
    log.add_raw("piste-732-1", at_position(good, 2))
    await fold(app, [log])
    assert sum(c["visits"] for c in (await stored(app))["visits_day"].values()) == 1
    async with running(where, token_issuer) as service:
        page = await service.http.get("/operations", headers=token_issuer.headers("operator"))
        assert page.status_code == 200 and "/visit/customers: " in page.text
        assert "parked retry" in page.text and "piste-732-1" not in page.text
        dashboard = await service.http.get("/?lang=en", headers=token_issuer.headers("ministry"))
        assert "1 record waits" in dashboard.text
        ready = await service.http.get("/health/ready")
        assert ready.status_code == 200 and "projection_parked" in {each["code"] for each in ready.json()["reasons"]}
    assert await parked.retry(app, SPEC) == (0, 1)
    async with app.transaction() as connection:  # As if a newer reader could read it.
        await connection.execute(text("UPDATE projection.parked SET body = :body"), {"body": at_position(good, 1)})
    assert await parked.retry(app, SPEC) == (1, 0)
    assert sum(c["visits"] for c in (await stored(app))["visits_day"].values()) == 2


def at_position(raw: bytes, position: int) -> bytes:
    """A sample event moved to another position of the log."""
    head, rest = raw.split(b'"position":"', 1)
    return head + b'"position":"%d"' % position + rest[rest.index(b'"') + 1 :]
