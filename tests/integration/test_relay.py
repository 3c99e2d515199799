"""The relay on both brokers: two leaders, a leader that loses its lock, a broker that starts empty, a topic that was
written to by somebody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from deploy.dev.broker import Broker
from schemas.topics import DIARY
from services.chassis import broker as clients
from services.chassis.log import Writer
from services.chassis.relay_store import LEADER_LOCK
from tests.integration.chain import Chain, chained, eventually, fetch, pairs, seen
from tests.simulation import counter
from tests.simulation.audit import read_log
from tests.simulation.journal import read_topic
from tests.simulation.tally import KELA, TALLY
from tests.support.databases import Databases


@pytest.fixture
async def chain(broker: Broker, databases: Databases) -> AsyncIterator[Chain]:
    """An empty log on an empty broker."""
    broker.clear()
    where = databases.migrated("diary")
    made = Chain(where, broker, TALLY)
    await counter.furnish(made.database)
    await made.prepare()
    await (transport := await made.connect()).ensure([KELA])
    await transport.close()
    yield made
    await made.close()
    databases.drop(where)


async def record(chain: Chain, count: int) -> None:
    """So many visits, at all points, in batches of eight."""
    writer = Writer(chain.database, counter.log_spec(chain.log.app_dsn))
    points = counter.POINTS
    for start in range(0, count, 8):
        some = range(start, min(start + 8, count))
        await writer.append([counter.visit(uuid4(), points[each % len(points)], both=each % 3 == 0) for each in some])


async def assert_published(chain: Chain) -> int:
    """Every partition, and Kela's topic, fold to what the log holds; returns how many records stand on the topic."""
    rows = await read_log(chain.log.app_dsn)
    found = await seen(chain.broker, DIARY, KELA, at_least=len(rows))
    for partition in range(DIARY.partitions):
        events, wrong = read_topic(pairs(found[DIARY.name, partition]))
        assert wrong == []
        assert [int(e["position"]) for e in events] == [r["position"] for r in rows if r["partition"] == partition]
    entries = await fetch(chain.log.app_dsn, "SELECT body FROM log.feed_entries WHERE feed = 'kela' ORDER BY sequence")
    events, wrong = read_topic(pairs(found[KELA.name, 0]))
    assert (wrong, len(events)) == ([], len(entries))
    return sum("seal" not in record.headers for records in found.values() for record in records)


async def assert_folded_once(chain: Chain) -> None:
    """The projection holds every record exactly once."""
    await eventually(lambda: chain.folded(DIARY.name), says=chain.parts)

    async def kela() -> bool:
        [head] = await fetch(chain.log.app_dsn, "SELECT sequence FROM log.feed_heads WHERE feed = 'kela'")
        return all(part.position == head[0] for part in await chain.parts() if part.topic == KELA.name)

    await eventually(kela, says=chain.parts)
    rows = await fetch(chain.log.app_dsn, "SELECT topic, position, times FROM tally_v1.seen ORDER BY 1, 2")
    head = await chain.head()
    entries = await fetch(chain.log.app_dsn, "SELECT sequence FROM log.feed_entries WHERE feed = 'kela' ORDER BY 1")
    wanted = [(KELA.name, entry[0], 1) for entry in entries] + [(DIARY.name, p, 1) for p in range(1, head + 1)]
    assert [tuple(row) for row in rows] == wanted


async def test_two_relays_that_both_lead_make_repeats_that_everybody_drops(chain: Chain) -> None:
    relays = [chain.relay(), chain.relay()]

    async def lead(number: int) -> None:
        while True:  # Without the lock, which only saves work.
            with pytest.raises(Exception):  # noqa: B017  # A term ends in many ways; each is survived.
                await relays[number]._term(lambda: True)

    async with chain.running(chain.live()):
        leading = [asyncio.create_task(lead(0)), asyncio.create_task(lead(1))]
        await record(chain, 240)
        await assert_folded_once(chain)
        for task in leading:
            task.cancel()
        await asyncio.gather(*leading, return_exceptions=True)
    published = await assert_published(chain)
    copies = await fetch(chain.log.app_dsn, "SELECT count(*) FROM log.feed_entries WHERE feed = 'kela'")
    assert published > 240 + copies[0][0], "the two never wrote the same: this run proved nothing"


async def test_when_the_leader_loses_its_lock_the_other_leads(chain: Chain) -> None:
    first, second = chain.relay(), chain.relay()
    async with chain.running(first, second):
        await record(chain, 16)

        async def one_leads() -> bool:
            return first.status.compared != second.status.compared

        await eventually(one_leads)
        leader, other = (first, second) if first.status.compared else (second, first)
        admin = await asyncpg.connect(chain.log.admin_dsn)
        ended = await admin.fetchval(
            "SELECT count(pg_terminate_backend(l.pid)) FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
            "WHERE d.datname = current_database() AND locktype = 'advisory' AND objid = $1 AND granted",
            LEADER_LOCK,
        )
        await admin.close()
        assert ended == 1

        async def one_leads_again() -> bool:
            return (first.status.leading, second.status.leading).count(True) == 1 and (
                first.status.compared or second.status.compared
            )

        await eventually(one_leads_again)
        del leader, other
        await record(chain, 16)

        async def published() -> bool:
            return (
                sum(
                    "seal" not in record.headers
                    for records in (await seen(chain.broker, DIARY)).values()
                    for record in records
                )
                >= 32
            )

        await eventually(published)
    await assert_published(chain)


async def test_an_emptied_broker_is_filled_again_by_itself(chain: Chain) -> None:
    """On Apache Kafka nothing else restarts. The embedded broker and its clients are one failure domain: clients end,
    the broker starts, the topics are created, clients start (design.md §10)."""
    live = chain.live()
    if chain.broker.idempotent:
        async with chain.running(chain.relay(), live):
            await record(chain, 80)
            await assert_folded_once(chain)
            chain.broker.wipe_and_start()  # Nobody runs meanwhile: the event loop is held.
            await record(chain, 40)
            await clients.ensure_topics(chain.settings)
            await assert_folded_once(chain)
    else:
        async with chain.running(chain.relay(), live):
            await record(chain, 80)
            await assert_folded_once(chain)
        chain.broker.wipe_and_start()
        await record(chain, 40)
        await clients.ensure_topics(chain.settings)
        async with chain.running(chain.relay(), chain.live()):
            await assert_folded_once(chain)
    assert await assert_published(chain) >= 120


async def test_it_publishes_nothing_over_a_record_that_the_store_does_not_hold(chain: Chain) -> None:
    """Somebody else wrote to the topic: a fork, or not ours at all. The relay says where, and stops."""
    transport = await chain.connect()
    stranger = counter.POINTS[0].encode()
    await transport.send(DIARY.name, 3, chained([(1, b'{"position":"1"}')], key=stranger))
    await transport.close()
    await record(chain, 24)
    relay = chain.relay()
    async with chain.running(relay):

        async def stopped() -> bool:
            return "position 1" in relay.status.contradiction

        await eventually(stopped)
    assert not relay.status.compared
    found = await seen(chain.broker, DIARY)
    assert sum(len(records) for records in found.values()) == 1
