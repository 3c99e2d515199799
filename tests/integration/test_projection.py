"""Projections on both brokers: versions compared, switched, rolled back and dropped; poison, forks, gaps, zombies.

The records of the second half are written by the test itself, chained as the relay chains them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import TopicPartition
from confluent_kafka.admin import AdminClient
from prometheus_client import REGISTRY

from deploy.dev.broker import Broker
from schemas import upcasters
from schemas.topics import DIARY
from services.chassis import broker as clients
from services.chassis.errors import Conflict
from services.chassis.log import Writer
from services.chassis.projection import parked, registry
from services.chassis.projection.model import ProjectionSpec
from services.chassis.projection.projector import Projector, Stale
from services.chassis.projection.rebuild import Rebuild
from tests.integration.chain import Chain, chained, eventually, fetch
from tests.simulation import counter
from tests.simulation.audit import leaf, read_log
from tests.simulation.tally import DIARY_TALLY, naive_acts
from tests.support.databases import Databases

PILOT = "fi.yhteispalvelu.diary.VisitRecorded.v0"
PARKING = replace(DIARY_TALLY, on_poison="park")


@pytest.fixture
async def chain(request: pytest.FixtureRequest, broker: Broker, databases: Databases) -> AsyncIterator[Chain]:
    """An empty log on an empty broker, and the tally; parametrize indirectly for another spec."""
    broker.clear()
    where = databases.migrated("diary")
    made = Chain(where, broker, getattr(request, "param", DIARY_TALLY))
    await counter.furnish(made.database)
    await made.prepare()
    yield made
    await made.close()
    databases.drop(where)


async def record(chain: Chain, count: int) -> None:
    writer = Writer(chain.database, counter.log_spec(chain.log.app_dsn))
    made = [counter.visit(uuid4(), counter.POINTS[each % 8], both=each % 3 == 0) for each in range(count)]
    await writer.append(made)


async def counted(chain: Chain, version: int = 1) -> dict[Any, Any]:
    rows = await fetch(chain.log.app_dsn, f"SELECT * FROM tally_v{version}.acts WHERE acts <> 0 OR quantity <> 0")
    return {(row["service_point_id"], row["authority_id"]): (row["acts"], row["quantity"]) for row in rows}


async def wanted(chain: Chain) -> dict[Any, Any]:
    return naive_acts([json.loads(row["body"]) for row in await read_log(chain.log.app_dsn)])


async def active(chain: Chain) -> int:
    async with chain.database.reading() as connection:
        return await registry.active_version(connection, chain.spec.name)


def rebuild(chain: Chain) -> Rebuild:
    return Rebuild(chain.settings, chain.spec, chain.owner, chain.database, lambda line: None)


async def test_a_rebuilt_version_is_compared_switched_to_rolled_back_and_the_old_one_dropped(chain: Chain) -> None:
    async with chain.running(chain.relay(), chain.live()):
        await record(chain, 150)
        await eventually(lambda: chain.folded(DIARY.name), says=chain.parts)
        writing = asyncio.create_task(_keep_recording(chain))
        made = await rebuild(chain).run(app_role="diary_app")
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        assert made.equal and made.version == 2 and made.rows["seen"] >= 150
        assert await active(chain) == 1
        for version in (2, 1, 2):  # Switched, rolled back, switched; both fold on all the while.
            async with chain.database.transaction() as connection:
                await registry.switch(connection, chain.spec.name, version)
            assert await active(chain) == version
            await record(chain, 10)
            await eventually(lambda: chain.folded(DIARY.name, 1), says=chain.parts)
            await eventually(lambda: chain.folded(DIARY.name, 2), says=chain.parts)
            assert await counted(chain, 1) == await counted(chain, 2) == await wanted(chain)
        with pytest.raises(Conflict) as refused:
            async with chain.owner.transaction() as connection:
                await registry.drop(connection, chain.spec, 2)
        assert refused.value.code == "version_active"
        async with chain.owner.transaction() as connection:
            await registry.drop(connection, chain.spec, 1)
        await record(chain, 5)
        await eventually(lambda: chain.folded(DIARY.name, 2))
        assert await counted(chain, 2) == await wanted(chain)


async def _keep_recording(chain: Chain) -> None:
    while True:
        await record(chain, 3)
        await asyncio.sleep(0.05)


async def test_a_falsified_row_is_found_and_the_hold_is_released_all_the_same(chain: Chain) -> None:
    async with chain.running(chain.relay(), chain.live()):
        await record(chain, 60)
        await eventually(lambda: chain.folded(DIARY.name), says=chain.parts)
        async with chain.database.transaction() as connection:
            from sqlalchemy import text

            await connection.execute(
                text("UPDATE tally_v1.acts SET quantity = quantity + 1 WHERE authority_id = 'vero' "
                     "AND service_point_id = (SELECT min(service_point_id) FROM tally_v1.acts)")
            )  # fmt: skip
        made = await rebuild(chain).run(app_role="diary_app")
        assert not made.equal
        assert made.differing == {"seen": 0, "acts": 2}  # The right row and the false one.
        again = await rebuild(chain).reconcile(made.version)
        assert again.differing == made.differing
        await record(chain, 5)
        await eventually(lambda: chain.folded(DIARY.name, 2), says=chain.parts)


# Records that the test writes itself.


def pilot_event(position: int, minutes: str, visit_id: UUID | None = None) -> bytes:
    """A visit in the pilot's format, whose form sent minutes as text (schemas.upcasters)."""
    act = {
        "act_no": 1, "authority_id": "kela", "service": "asumistuki", "task": "advise", "channel": "counter",
        "quantity": 1, "minutes": minutes, "performed_by": "adviser",
        "coverage": {"status": "none", "agreements_position": 0},
    }  # fmt: skip
    visit = {
        "occurred_at": "2026-03-02T10:00:00+02:00", "service_day": "2026-03-02", "hour": 10, "customers": 1,
        "language": "fi", "acts": [act],
    }  # fmt: skip
    event = {
        "specversion": "1.0", "id": str(UUID(int=position)), "source": "/apudiaari/diary", "type": PILOT,
        "subject": f"visit:{position}", "time": "2026-03-02T10:00:00+02:00",
        "recordedtime": "2026-03-02T08:00:00.000000Z", "position": str(position), "streamversion": "1",
        "dataschema": "/schemas/diary.VisitRecorded/0", "datacontenttype": "application/json",
        "data": {
            "visit_id": str(visit_id or UUID(int=position)), "service_point_id": "piste-732-1",
            "provider_id": "kunta-732", "recorder": "abcdef", "visit": visit,
        },
    }  # fmt: skip
    return json.dumps(event, separators=(",", ":")).encode()


async def publish(chain: Chain, partition: int, records: Any) -> None:
    transport = await chain.connect()
    await transport.send(DIARY.name, partition, records)
    await transport.close()


async def state(chain: Chain, partition: int) -> tuple[int, str]:
    [part] = [part for part in await chain.parts() if part.partition == partition]
    return part.position, part.state


async def until(chain: Chain, partition: int, position: int, found: str) -> None:
    async def there() -> bool:
        return await state(chain, partition) == (position, found)

    await eventually(there, says=chain.parts)


async def times(chain: Chain) -> list[tuple[int, int]]:
    rows = await fetch(chain.log.app_dsn, "SELECT position, times FROM tally_v1.seen ORDER BY position")
    return [(row["position"], row["times"]) for row in rows]


POISONED = [(1, pilot_event(1, "5")), (3, pilot_event(3, "noin 5")), (4, pilot_event(4, "7"))]
SOUND = [(2, pilot_event(2, "5")), (5, pilot_event(5, "6"))]


async def test_poison_halts_its_partition_before_it_and_no_other(chain: Chain) -> None:
    await publish(chain, 0, chained(POISONED))
    await publish(chain, 1, chained(SOUND))
    async with chain.running(chain.live()):
        await until(chain, 0, 1, "halted")
        await until(chain, 1, 5, "running")
        await publish(chain, 1, chained([(6, pilot_event(6, "1"))], after=(5, leaf(SOUND[1][1]))))
        await until(chain, 1, 6, "running")
    [part] = [part for part in await chain.parts() if part.partition == 0]
    assert "position 3" in part.reason and "noin" not in part.reason  # Where, and why; never the value.
    assert await times(chain) == [(1, 1), (2, 1), (5, 1), (6, 1)]
    async with chain.running(chain.live()):  # Started again it stands where it stood.
        await asyncio.sleep(0.5)
        await until(chain, 0, 1, "halted")
    assert await times(chain) == [(1, 1), (2, 1), (5, 1), (6, 1)]


async def test_a_halted_partition_goes_on_once_the_reader_is_mended(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(chain, 0, chained(POISONED))
    async with chain.running(chain.live()):
        await until(chain, 0, 1, "halted")
    mend(monkeypatch)
    async with chain.running(chain.live()):
        await until(chain, 0, 4, "running")
    assert await times(chain) == [(1, 1), (3, 1), (4, 1)]


@pytest.mark.parametrize("chain", [PARKING], indirect=True, ids=["parking"])
async def test_poison_is_parked_and_applied_once_after_the_reader_was_mended(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(chain, 0, chained(POISONED))
    await publish(chain, 1, chained(SOUND))
    async with chain.running(chain.live()):
        await until(chain, 0, 4, "running")
        await until(chain, 1, 5, "running")
        assert await times(chain) == [(1, 1), (2, 1), (4, 1), (5, 1)]
        [record] = await parked.listed(chain.database, chain.spec)
        assert (record.partition, record.position, bytes(record.body)) == (0, 3, POISONED[1][1])
        await eventually(lambda: counted_as_parked(chain, 1))
        assert await parked.retry(chain.database, chain.spec) == (0, 1)
        mend(monkeypatch)
        both = await asyncio.gather(*(parked.retry(chain.database, chain.spec) for _ in range(2)))
        assert {refused for _, refused in both} == {0}
        assert await parked.listed(chain.database, chain.spec) == []
        await eventually(lambda: counted_as_parked(chain, 0))
    assert await times(chain) == [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1)]


async def counted_as_parked(chain: Chain, count: int) -> bool:
    """Whether the gauge says so."""
    labels = {"projection": chain.spec.name, "version": "1"}
    return REGISTRY.get_sample_value("apudiaari_projection_parked", labels) == count


def mend(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new release of the reader, which understands how the pilot's people wrote minutes."""

    def mended(data: dict[str, Any]) -> dict[str, Any]:
        acts = [{**act, "minutes": act["minutes"].removeprefix("noin ")} for act in data["visit"]["acts"]]
        return upcasters.visit_recorded_v0({**data, "visit": {**data["visit"], "acts": acts}})

    monkeypatch.setitem(upcasters.UPCASTERS, PILOT, ("fi.yhteispalvelu.diary.VisitRecorded.v1", mended))


@pytest.mark.parametrize("chain", [DIARY_TALLY, PARKING], indirect=True, ids=["halting", "parking"])
async def test_a_fork_is_never_folded_nor_parked(chain: Chain) -> None:
    """Another event at a position that is known; another past behind a position; whatever the projection does with
    poison."""
    first = chained([(1, pilot_event(1, "5")), (4, pilot_event(4, "5"))])
    await publish(chain, 0, [*first, *chained([(4, pilot_event(4, "9"))], after=(1, leaf(first[0].value)))])
    await publish(chain, 1, chained([(2, pilot_event(2, "5"))]))
    await publish(chain, 1, chained([(6, pilot_event(6, "5"))], after=(2, leaf(b"something else"))))
    await publish(chain, 2, chained([(3, pilot_event(3, "5")), (7, pilot_event(7, "5"))]))
    async with chain.running(chain.live()):
        await until(chain, 0, 4, "forked")
        await until(chain, 1, 2, "forked")
        await until(chain, 2, 7, "running")
    assert await times(chain) == [(1, 1), (2, 1), (3, 1), (4, 1), (7, 1)]


async def test_what_is_ahead_waits_and_is_folded_once_what_was_missing_has_come(chain: Chain) -> None:
    """A late send is the first record of a new topic: it must neither be folded, nor halt, nor keep off the rest."""
    whole = chained([(1, pilot_event(1, "5")), (4, pilot_event(4, "5")), (9, pilot_event(9, "5"))])
    await publish(chain, 0, whole[2:])
    async with chain.running(chain.live()):
        await until(chain, 0, 0, "ahead")
        await publish(chain, 0, whole[:2])
        await until(chain, 0, 9, "running")  # The late record stands before them: read again from the start.
    assert await times(chain) == [(1, 1), (4, 1), (9, 1)]
    async with chain.running(chain.live()):  # And after a restart nothing is folded twice.
        await publish(chain, 0, chained([(12, pilot_event(12, "5"))], after=(9, leaf(whole[2].value))))
        await until(chain, 0, 12, "running")
    assert await times(chain) == [(1, 1), (4, 1), (9, 1), (12, 1)]


async def test_a_gap_outlives_a_restart(chain: Chain) -> None:
    """The stored offset stays before the gap, so a process that comes after knows of it."""
    whole = chained([(1, pilot_event(1, "5")), (4, pilot_event(4, "5"))])
    await publish(chain, 0, whole[1:])
    async with chain.running(chain.live()):
        await until(chain, 0, 0, "ahead")
    await publish(chain, 0, whole[:1])
    async with chain.running(chain.live()):
        await until(chain, 0, 4, "running")
    assert await times(chain) == [(1, 1), (4, 1)]


async def test_a_zombie_finds_nothing_to_do(chain: Chain) -> None:
    """Two processes believe that they own the partition and have prepared the same batch; one of them writes it."""
    await publish(chain, 0, chained(SOUND))
    consumer = clients.consumer(chain.settings)
    await consumer.start()
    where = TopicPartition(DIARY.name, 0)
    consumer.assign([where])
    batch: list[Any] = []
    while len(batch) < 2:
        batch += (await consumer.getmany(timeout_ms=500)).get(where, [])
    await consumer.stop()
    projectors = [Projector(chain.database, chain.spec, 1) for _ in range(2)]
    prepared = []
    for projector in projectors:
        await projector.load()
        prepared.append(await projector.prepare(DIARY.name, {0: batch}))
    results = await asyncio.gather(
        *(p.write(each) for p, each in zip(projectors, prepared, strict=True)), return_exceptions=True
    )
    assert sorted(type(result) for result in results if result) == [Stale]
    assert await times(chain) == [(2, 1), (5, 1)]


def test_the_two_specs_differ_only_in_what_they_do_with_poison() -> None:
    halting: ProjectionSpec = DIARY_TALLY
    assert replace(PARKING, on_poison="halt") == halting


@pytest.mark.parametrize("broker", [pytest.param("kafka", marks=pytest.mark.kafka)], indirect=True)
async def test_a_topic_that_went_and_comes_again_is_found_soon(chain: Chain) -> None:
    """As on a broker that started empty: readers join again before the topics are made, and are given nothing."""
    live = chain.live()

    async def reads(something: bool) -> bool:
        return bool(live.running) and bool(live.running[1]._consumer().assignment()) == something

    async with chain.running(live):
        await eventually(lambda: reads(True))
        admin = AdminClient(chain.broker.client_options())  # Held: a client that is collected ends its requests.
        await asyncio.to_thread(admin.delete_topics([DIARY.name])[DIARY.name].result, 20)
        await eventually(lambda: reads(False))
        await clients.ensure_topics(chain.settings)
        async with chain.running(chain.relay()):
            await record(chain, 20)
            await eventually(lambda: chain.folded(DIARY.name), says=chain.parts)
    assert await counted(chain, 1) == await wanted(chain)
