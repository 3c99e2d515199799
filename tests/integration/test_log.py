"""The append on a real PostgreSQL: idempotent, neighbourly, exact about what it does not know, one log in one order."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.chassis.clock import day_bounds, helsinki_day
from services.chassis.db import Database, OutcomeUnknown
from services.chassis.errors import ApudiaariError, Conflict, Invalid, Unavailable
from services.chassis.evidence.signing import generate_signing_key
from services.chassis.log import LogSpec, Outcome, Writer, feeds
from services.chassis.log.store import store_compared
from tests.simulation import counter
from tests.simulation.audit import audit, read_log
from tests.simulation.broker import SimBroker, SimTransport
from tests.simulation.proxy import Proxy
from tests.support.databases import Databases, ServiceDatabase

IDLE_MS = 400


class Log:
    """A database of the diary and writers on it, each with its own connections, as processes have."""

    def __init__(self, where: ServiceDatabase) -> None:
        self.where = where
        self._open: list[Database] = []

    def database(self, dsn: str | None = None) -> Database:
        database = Database(dsn or self.where.app_dsn, pool_size=3, idle_in_transaction_ms=IDLE_MS)
        self._open.append(database)
        return database

    def writer(self, dsn: str | None = None, spec: LogSpec | None = None, **options: Any) -> Writer:
        return Writer(self.database(dsn), spec or counter.log_spec(self.where.app_dsn), **options)

    async def close(self) -> None:
        for database in self._open:
            await database.close()


@pytest.fixture
async def log(databases: Databases) -> AsyncIterator[Log]:
    where = databases.migrated("diary")
    made = Log(where)
    await counter.furnish(made.database())
    yield made
    wrong = await audit(where.app_dsn)
    await made.close()
    databases.drop(where)
    assert wrong == []


async def recorded(log: Log) -> list[UUID]:
    """Ids of the visits in the log, in order."""
    return [UUID(row["stream"].removeprefix("visit:")) for row in await read_log(log.where.app_dsn)]


async def test_the_same_command_again_gets_the_first_answer_and_another_body_is_refused(log: Log) -> None:
    writer, visit_id = log.writer(), uuid4()
    command, other = counter.visit(visit_id), counter.visit(visit_id, quantity=2)
    [first] = await writer.append([command])
    [again, reused] = await log.writer().append([command, other])
    assert isinstance(first, Outcome) and isinstance(again, Outcome)
    assert (first.repeated, again.repeated) == (False, True)
    assert again.answer == first.answer
    assert isinstance(reused, Conflict) and reused.code == "id_reused"
    assert await recorded(log) == [visit_id]


async def test_the_same_command_twice_in_one_batch_is_recorded_once(log: Log) -> None:
    visit_id = uuid4()
    command = counter.visit(visit_id)
    first, again, reused = await log.writer().append([command, command, counter.visit(visit_id, quantity=2)])
    assert isinstance(first, Outcome) and isinstance(again, Outcome)
    assert again == Outcome(first.answer, True)
    assert isinstance(reused, Conflict) and reused.code == "id_reused"
    assert await recorded(log) == [visit_id]


async def test_a_refused_command_leaves_its_neighbours_as_they_are(log: Log) -> None:
    before, after = uuid4(), uuid4()
    absurd = counter.visit(uuid4(), quantity=5000)
    unknown = counter.void(uuid4(), uuid4(), 1)
    results = await log.writer().append([counter.visit(before), absurd, unknown, counter.visit(after)])
    assert [getattr(result, "code", "recorded") for result in results] == [
        "recorded", "quantity_out_of_range", "unknown_visit", "recorded",
    ]  # fmt: skip
    assert await recorded(log) == [before, after]


async def test_what_the_store_refuses_is_found_by_halves_and_everybody_else_is_recorded(log: Log) -> None:
    """A constraint (SQLSTATE 23) that the deciders do not know of, hit by two of sixteen."""
    owner = await asyncpg.connect(log.where.owner_dsn)
    await owner.execute(f"ALTER TABLE read.visits ADD CONSTRAINT odd CHECK (service_point_id <> '{counter.POINTS[3]}')")
    await owner.close()
    wished = [(uuid4(), counter.POINTS[3] if number in {4, 11} else counter.POINTS[0]) for number in range(16)]
    results = await log.writer().append([counter.visit(visit_id, point) for visit_id, point in wished])
    assert await recorded(log) == [visit_id for visit_id, point in wished if point == counter.POINTS[0]]
    refused = [(number, result) for number, result in enumerate(results) if isinstance(result, ApudiaariError)]
    assert [number for number, _ in refused] == [4, 11]
    assert all(isinstance(result, Invalid) and result.code == "refused_by_store" for _, result in refused)


@pytest.mark.parametrize(("fault", "times_before"), [("before", 0), ("after", 1)])
async def test_a_connection_lost_inside_commit_is_an_unknown_outcome_and_the_same_id_settles_it(
    log: Log, fault: Any, times_before: int
) -> None:
    async with Proxy(log.where.app_dsn) as network:
        writer = log.writer(network.dsn)
        ahead, visit_id = uuid4(), uuid4()
        await writer.append([counter.visit(ahead)])
        assert writer._notifying is not None
        await writer._notifying  # Else it may be the wake-up's COMMIT that is lost.
        network.fault = fault
        command = counter.visit(visit_id)
        with pytest.raises(OutcomeUnknown):
            await writer.append([command])
        assert network.happened == 1
        assert (await recorded(log)).count(visit_id) == times_before
        [answer] = await writer.append([command])
        assert isinstance(answer, Outcome) and answer.repeated == bool(times_before)
    assert await recorded(log) == [ahead, visit_id]


async def test_a_backend_terminated_while_committing_is_an_unknown_outcome_for_everybody_in_the_batch(
    log: Log,
) -> None:
    async with Proxy(log.where.app_dsn) as network:
        writer = log.writer(network.dsn)
        running = asyncio.create_task(writer.run())
        network.fault = "hold"
        commands = [counter.visit(uuid4()) for _ in range(5)]
        waiting = [asyncio.create_task(writer.submit(command)) for command in commands]
        await asyncio.wait_for(network.held.wait(), 10)
        admin = await asyncpg.connect(log.where.admin_dsn)
        ended = await admin.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() "
            "AND state = 'idle in transaction'"
        )
        await admin.close()
        assert ended == 1
        network.released.set()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(result, OutcomeUnknown) and result.status == 503 for result in results), results
        answers = await asyncio.gather(*(writer.submit(command) for command in commands))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert not any(answer.repeated for answer in answers)
    assert sorted(await recorded(log)) == sorted(command.id for command in commands)


async def test_a_writer_frozen_in_its_transaction_loses_the_log_to_the_next(log: Log) -> None:
    """It holds the head row and sleeps; the server ends it, and the next writer goes on within about that time."""
    frozen, go_on = asyncio.Event(), asyncio.Event()
    spec = counter.log_spec(log.where.app_dsn)

    async def freeze(connection: Any, placed: Any) -> None:
        frozen.set()
        await go_on.wait()
        await spec.project(connection, placed)

    sleeper = asyncio.create_task(log.writer(spec=replace(spec, project=freeze)).append([counter.visit(uuid4())]))
    await asyncio.wait_for(frozen.wait(), 10)
    began = asyncio.get_running_loop().time()
    visit_id = uuid4()
    await asyncio.wait_for(log.writer().append([counter.visit(visit_id)]), 10)
    assert asyncio.get_running_loop().time() - began < IDLE_MS / 1000 + 3
    go_on.set()
    with pytest.raises(OutcomeUnknown):
        await sleeper
    assert await recorded(log) == [visit_id]


async def test_two_processes_append_into_one_order(log: Log) -> None:
    writers = [log.writer(), log.writer()]
    commands = [counter.visit(uuid4(), counter.POINTS[number % 8], both=number % 3 == 0) for number in range(120)]

    async def append(writer: Writer, mine: list[Any]) -> list[Any]:
        return [await writer.append(mine[start : start + 3]) for start in range(0, len(mine), 3)]

    await asyncio.gather(append(writers[0], commands[:60]), append(writers[1], commands[60:]))
    found = await recorded(log)
    assert sorted(found) == sorted(command.id for command in commands)
    assert [each for each in found if each in {c.id for c in commands[:60]}] == [c.id for c in commands[:60]]


async def test_a_stopping_writer_says_that_the_outcome_is_unknown(log: Log) -> None:
    spec = counter.log_spec(log.where.app_dsn)
    entered = asyncio.Event()

    async def hang(connection: Any, placed: Any) -> None:
        entered.set()
        await asyncio.Event().wait()

    writer = log.writer(spec=replace(spec, project=hang))
    running = asyncio.create_task(writer.run())
    waiting = [asyncio.create_task(writer.submit(counter.visit(uuid4()))) for _ in range(2)]
    await asyncio.wait_for(entered.wait(), 10)
    late = asyncio.create_task(writer.submit(counter.visit(uuid4())))
    await asyncio.sleep(0)
    running.cancel()
    results = await asyncio.gather(*waiting, late, return_exceptions=True)
    assert [getattr(result, "code", result) for result in results] == ["stopping"] * 3
    assert await recorded(log) == []


async def test_a_finished_days_manifest_waits_for_the_append_that_still_belongs_to_it(log: Log) -> None:
    """Recorded at the last moment of a day, committed after midnight: the signed manifest counts it all the same."""
    spec = counter.log_spec(log.where.app_dsn)
    day = helsinki_day(dt.datetime.now(dt.UTC))
    midnight = day_bounds(day)[1]
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def slow(connection: Any, placed: Any) -> None:
        inside.set()
        await go_on.wait()
        await spec.project(connection, placed)

    late_clock = lambda: midnight - dt.timedelta(milliseconds=5)  # noqa: E731
    writer = Writer(
        Database(log.where.app_dsn, pool_size=2, idle_in_transaction_ms=20_000),
        replace(spec, project=slow),
        clock=late_clock,
    )
    appending = asyncio.create_task(writer.append([counter.visit(uuid4())]))
    await asyncio.wait_for(inside.wait(), 10)
    key = generate_signing_key("apudiaari/diary")
    signing = asyncio.create_task(
        feeds.manifest(log.database(), "diary", "kela", day, key, midnight + dt.timedelta(seconds=1))
    )
    await asyncio.sleep(0.2)  # Long enough for a manifest that does not wait.
    go_on.set()
    await appending
    body, over = await signing
    assert over and b'"count":1' in body, body
    await log.writer(clock=late_clock).append([counter.visit(uuid4())])  # A clock that is behind.
    rows = await read_log(log.where.app_dsn)
    assert [helsinki_day(row["recorded"]) for row in rows] == [day, day + dt.timedelta(days=1)]
    again, _ = await feeds.manifest(log.database(), "diary", "kela", day, key, midnight + dt.timedelta(days=2))
    assert again == body


async def test_nothing_is_appended_to_a_restored_store_before_it_was_compared_with_the_topic(
    log: Log, databases: Databases
) -> None:
    broker = SimBroker()
    first = counter.visit(uuid4())
    await log.writer().append([first])
    await publish(log.database(), broker)
    backup = databases.copy(log.where)
    restored = Log(backup)
    try:
        for command in (first, counter.visit(uuid4())):
            with pytest.raises(Unavailable) as refused:
                await restored.writer().append([command])
            assert refused.value.code == "store_not_compared"
        assert not await _may_append(restored)
        await publish(restored.database(), broker)  # The relay compares first; the topic holds what the store holds.
        assert await _may_append(restored)
        again, fresh = await restored.writer().append([first, counter.visit(uuid4())])
        assert isinstance(again, Outcome) and again.repeated
        assert isinstance(fresh, Outcome) and not fresh.repeated
        assert await audit(backup.app_dsn) == []
    finally:
        await restored.close()
        databases.drop(backup)


async def _may_append(log: Log) -> bool:
    async with log.database().reading() as connection:
        return await store_compared(connection)


async def publish(database: Database, broker: SimBroker) -> None:
    """What a relay does in one term."""
    from schemas.topics import DIARY
    from services.chassis.relay import Term

    term = Term(database, DIARY, SimTransport(broker))
    await term.compare()
    while await term.publish():
        pass
