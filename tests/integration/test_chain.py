"""The whole road on both brokers: a national register and visits through the real deciders, over the topics, into the
diary's register; read back by another client library and compared with naive recomputations.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest

from deploy.demo.network import Network
from deploy.dev.broker import Broker
from schemas.topics import AGREEMENTS, DIARY, Topic, authority_topic, partition_of
from services.agreements import handlers as agreements
from services.agreements.requests import command_of
from services.chassis.access import Principal, Role
from services.chassis.errors import ApudiaariError
from services.chassis.log import Command, LogSpec, Writer
from services.chassis.log.writer import BULK_BATCH
from services.diary import handlers as diary
from services.diary.domain.entries import RecordVisit
from services.diary.projection import SPEC as REGISTER
from tests.integration.chain import Chain, Seen, Topics, eventually, fetch, pairs, seen
from tests.integration.naive_register import register_rows
from tests.simulation.audit import audit, leaf, read_log, root
from tests.simulation.journal import read_topic
from tests.support.databases import ServiceDatabase

VISITS = 600
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
EVERYTHING = frozenset(Role)
One = tuple[Chain, Topic]


async def append_all(chain: Chain, spec: LogSpec, commands: list[Command]) -> None:
    writer = Writer(chain.database, spec)
    for start in range(0, len(commands), BULK_BATCH):
        for result in await writer.append(commands[start : start + BULK_BATCH]):
            assert not isinstance(result, ApudiaariError), result


def register_commands(network: Network) -> list[Command]:
    return [
        command_of(wish.method, wish.path, wish.body, Principal("keeper", "test", EVERYTHING, party_id=wish.party_id))
        for wish in network.commands()
    ]


def visit_commands(network: Network) -> list[Command]:
    who = Principal("adviser", "test", EVERYTHING, points=frozenset(point.subject for point in network.points))
    start, today = network.last_months(full=1)
    wishes = network.visits(start, today, VISITS, history_reason="other")
    visits = [wish for wish in wishes if wish.kind == "visit"]
    made = [diary.visit_command(UUID(wish.id), RecordVisit.model_validate(wish.body), who) for wish in visits]
    return [replace(made[0], trace=TRACE), *made[1:]]


@dataclass
class Road:
    """Two logs, both relayed, and the register folded; everything has come to rest, and was read back."""

    agreements: Chain
    diary: Chain
    records: Topics

    def of(self, topic: Topic) -> list[list[Seen]]:
        """The records of a topic, by partition."""
        return [self.records[topic.name, partition] for partition in range(topic.partitions)]


@pytest.fixture(scope="module")
async def road(clean_broker: Broker, service_database: Callable[[str], ServiceDatabase]) -> AsyncIterator[Road]:
    there = Chain(service_database("agreements"), clean_broker, REGISTER)
    here = Chain(service_database("diary"), clean_broker, REGISTER)
    await here.prepare()
    network = Network.make(today=dt.datetime.now(dt.UTC).date())
    register, counter = there.relay(), here.relay()
    async with there.running(register), here.running(counter, here.live()):
        await append_all(there, agreements.log_spec(there.settings), register_commands(network))

        async def known() -> bool:
            return (await here.parts())[0].sealed == await there.head()

        await eventually(known)
        await append_all(here, diary.log_spec(here.settings), visit_commands(network))
        for chain, topic in ((there, AGREEMENTS), (here, DIARY)):
            await eventually(lambda chain=chain, topic=topic: _sealed(chain, topic))
    topics = [AGREEMENTS, DIARY]
    for chain in (there, here):
        feeds = await fetch(chain.log.app_dsn, "SELECT feed FROM log.feed_heads")
        topics += [authority_topic(row["feed"], chain.log.service) for row in feeds]
    yield Road(there, here, await seen(clean_broker, *topics, at_least=await there.head() + await here.head()))
    await there.close()
    await here.close()


async def _sealed(chain: Chain, topic: Topic) -> bool:
    """Whether the newest seal of every partition is over the whole log."""
    head = await chain.head()
    records = (await seen(chain.broker, topic, at_least=head)).values()
    seals = [[int(record.headers["position"]) for record in found if "seal" in record.headers] for found in records]
    return all(bool(each) and each[-1] == head for each in seals)


@pytest.fixture(params=["agreements", "diary"])
def one(request: pytest.FixtureRequest, road: Road) -> One:
    return (road.agreements, AGREEMENTS) if request.param == "agreements" else (road.diary, DIARY)


async def test_the_log_itself_is_whole(one: One) -> None:
    assert await audit(one[0].log.app_dsn) == []


async def test_everything_stands_on_the_topic_once_in_order_as_exact_bytes(one: One, road: Road) -> None:
    chain, topic = one
    rows = await read_log(chain.log.app_dsn)
    for partition, records in enumerate(road.of(topic)):
        mine = [row for row in rows if row["partition"] == partition]
        found = [record for record in records if "seal" not in record.headers]
        assert [record.value for record in found] == [row["body"] for row in mine]
        assert [_place(record) for record in found] == [
            (row["position"], row["previous_position"], row["previous_leaf"], row["key"].encode()) for row in mine
        ]
        assert read_topic(pairs(records))[1] == []
        assert {record.headers["content-type"] for record in records} == {b"application/cloudevents+json"}
    assert all(partition_of(row["key"], topic.partitions) == row["partition"] for row in rows)


def _place(record: Seen) -> tuple[int, int, bytes, bytes | None]:
    headers = record.headers
    previous_leaf = bytes.fromhex(headers["previousleaf"].decode())
    return int(headers["position"]), int(headers["partitionprevious"]), previous_leaf, record.key


def test_the_chain_of_leaves_can_be_walked_from_the_topic_alone(one: One, road: Road) -> None:
    for found in road.of(one[1]):
        tails = [(0, b"")]
        for record in found:
            position, *previous, _ = _place(record)
            if "seal" in record.headers:  # It names a head read earlier: what was sent since may stand before it.
                assert tuple(previous) == max(tail for tail in tails if tail[0] <= position)
            else:
                assert tuple(previous) == tails[-1]
                tails.append((position, leaf(record.value)))


def test_a_request_can_be_traced_from_its_header_to_the_record(road: Road) -> None:
    traced = [record for found in road.of(DIARY) for record in found if "traceparent" in record.headers]
    assert [record.headers["traceparent"].decode() for record in traced] == [TRACE]


async def test_seals_name_the_root_of_everything_before_them(one: One, road: Road) -> None:
    chain, topic = one
    leaves = [row["leaf"] for row in await read_log(chain.log.app_dsn)]
    for found in road.of(topic):
        seals = [json.loads(record.value)["data"] for record in found if "seal" in record.headers]
        assert seals and all(seal["root"] == root(leaves[: seal["position"]]).hex() for seal in seals)
        assert seals[-1]["position"] == len(leaves)


async def test_each_authoritys_topic_is_dense_and_is_its_feed(one: One, road: Road) -> None:
    chain, topic = one
    feeds = await fetch(chain.log.app_dsn, "SELECT feed, sequence FROM log.feed_heads ORDER BY feed")
    assert len(feeds) > 4
    for feed in feeds:
        [found] = road.of(authority_topic(feed["feed"], topic.owner))
        entries = await fetch(
            chain.log.app_dsn, "SELECT body FROM log.feed_entries WHERE feed = $1 ORDER BY sequence", feed["feed"]
        )
        assert [record.value for record in found] == [entry["body"] for entry in entries]
        assert [int(record.headers["position"]) for record in found] == list(range(1, feed["sequence"] + 1))
        assert read_topic(pairs(found))[1] == []


async def test_the_diarys_register_is_what_a_naive_fold_of_the_topic_says(road: Road) -> None:
    [records] = road.of(AGREEMENTS)
    events, wrong = read_topic(pairs(records))
    assert wrong == []
    expected = register_rows(events)
    assert {table: len(rows) > 0 for table, rows in expected.items()} == dict.fromkeys(expected, True)
    for table, rows in expected.items():
        found = await fetch(road.diary.log.app_dsn, f"SELECT * FROM register_v1.{table} ORDER BY position")
        assert [_plain(row) for row in found] == rows, table


def _plain(row: Any) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, UUID | dt.date) else value for name, value in dict(row).items()}


async def test_the_register_knows_up_to_where_it_is_complete(road: Road) -> None:
    [part] = await road.diary.parts()
    head = await road.agreements.head()
    assert (part.sealed, part.state) == (head, "running")
    assert part.position <= head
