"""Histories of the real writer, relay and projector, judged by the clients' journal; and the proof that the judge can
fail: naive forms of the relay and the projector, and a journal that claims what never was.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

import pytest

from services.chassis.projection.consume import Driver
from services.chassis.projection.projector import Prepared, Projector
from services.chassis.relay import Term, Track
from services.chassis.rule import Link, Stand, Tail, Verdict
from tests.simulation.audit import read_log
from tests.simulation.doom import Died, Doomed
from tests.simulation.journal import judge_log, read_topic
from tests.simulation.proxy import Proxy
from tests.simulation.world import PARTITIONS, World, furnish, hasten, live, no_waiting
from tests.support.databases import Databases

FIRST = int(os.environ.get("SEED") or 0)
SEEDS = 12


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
async def test_nothing_is_lost_or_doubled_whatever_happens(seed: int, databases: Databases) -> None:
    wrong, story = await live(seed, databases)
    assert wrong == [], "\n".join([f"SEED={seed}", *story[-40:]])


@asynccontextmanager
async def quiet_world(databases: Databases, **options: Any) -> AsyncIterator[World]:
    """A world in which nothing goes wrong by itself."""
    where = databases.migrated("diary")
    hasten(databases, where)
    await furnish(where)
    async with Proxy(where.app_dsn) as proxy:
        world = World(where, databases, random.Random(1), proxy, lucky=True, **options)
        await world.start()
        try:
            with no_waiting():
                yield world
        finally:
            await world.end()
            databases.drop(world.where)


# Every await.


async def test_a_writer_may_die_at_every_await(databases: Databases) -> None:
    """The client asks again after each death; at the end each command stands once, where its client was told."""
    async with quiet_world(databases) as world:
        last = 0
        while True:
            last += 1
            commands = world._wishes()
            fate = Doomed(world.writers[0].append(commands), last)
            try:
                results = await fate
            except Died:
                world.writers[0] = world._writer()
                await world.settle()
                continue
            for command, result in zip(commands, results, strict=True):
                world._answered(command, result)
            break
        assert last > 10, "the writer was hardly ever waited for"
        await world.rest()
        assert await world.judge() == []


async def test_a_relay_may_die_at_every_await(databases: Databases) -> None:
    """While it compares, publishes, and seals. What it had sent when it died is not remembered, and not needed."""
    async with quiet_world(databases) as world:
        last = 0
        deaths = 0
        while last <= deaths:
            last += 1
            await world.record()

            async def term() -> None:
                process = world.relays[0]
                process.term = None
                for _ in range(3):
                    await world._relay(0)

            try:
                await Doomed(term(), last)
            except Died:
                deaths += 1
        assert deaths > 20, "the relay was hardly ever waited for"
        await world.rest()
        assert await world.judge() == []


async def test_a_projector_may_die_at_every_await(databases: Databases) -> None:
    """Before, inside and after its transaction, and before the offset is committed."""
    async with quiet_world(databases) as world:
        await world.rest()
        world.members[0].consumer.rebalance(PARTITIONS)
        last = deaths = 0
        while last <= deaths:
            last += 1
            await world.record()
            while not (records := world.members[0].consumer.poll(random.Random(last), 500)):
                await world._relay(0)
            member = world.members[0]
            try:
                await Doomed(member.driver.handle(member.consumer, records), last)
            except Died:
                deaths += 1
                await member.driver.close()
                world.members[0] = await world._member(sorted(member.consumer.assignment()))
        assert deaths > 8, "the projector was hardly ever waited for"
        await world.rest()
        assert await world.judge() == []


# The broker wiped, whoever is up.


@pytest.mark.parametrize(("relay_up", "projector_up"), [*product([True, False], [True, False])])
async def test_an_emptied_broker_is_filled_again_whoever_was_up(
    relay_up: bool, projector_up: bool, databases: Databases
) -> None:
    """Whoever was down starts again after the wipe; whoever was up notices by itself."""
    async with quiet_world(databases) as world:
        for _ in range(6):
            await world.record()
        await world.rest()
        if not relay_up:
            world.relays[0].term = world.relays[1].term = None
        members = world.members
        if not projector_up:
            for member in members:
                await member.driver.close()
        world.broker.wipe()
        for _ in range(3):
            await world.record()
            if relay_up:
                await world._relay(0)
            if projector_up:
                await world._project(0)
                await world._project(1)
        if not projector_up:
            world.members = [await world._member(sorted(member.consumer.assignment())) for member in members]
        for _ in range(200):  # Not `rest`, which would start the relays' terms anew.
            for number in range(2):
                await world._relay(number)
                await world._project(number)
            if await world._at_rest():
                break
        assert await world.judge() == []


# The judges can fail.


class TrustsAcknowledgements(Term):
    """The naive relay: what was sent is published; nothing is read back, no offset is looked at."""

    async def _read_back(self, stop: Any = None) -> None:
        return None

    async def _caught_up(self) -> int:
        return self.published_to

    async def _send(self, track: Track, rows: Any) -> None:
        try:
            await super()._send(track, rows)
        except Exception:
            for row in rows:
                track.stand.tail = Tail(row["position"], row["leaf"])


class AnythingNewer(Stand):
    """The naive rule: whatever is newer is next."""

    def take(self, link: Link) -> Verdict:
        if link.seal or link.position <= self.tail.position:
            self.sealed = max(self.sealed, link.position if link.seal else 0)
            return Verdict.DROP
        self.tail = Tail(link.position, link.leaf)
        return Verdict.FOLD


class TrustsOrder(Driver):
    """The naive projector: whatever is newer is next."""

    def __init__(self, projector: Projector) -> None:
        super().__init__(projector)
        load = projector.load

        async def load_naively() -> None:
            await load()
            projector.stands = {at: AnythingNewer(stand.tail, stand.sealed) for at, stand in projector.stands.items()}

        projector.load = load_naively  # type: ignore[method-assign]


class Unfenced(Driver):
    """The naive projector: it does not look whether its ground has moved."""

    def __init__(self, projector: Projector) -> None:
        super().__init__(projector)

        async def trust(connection: Any, prepared: Prepared) -> None:
            return None

        projector._fence = trust  # type: ignore[method-assign]


@pytest.mark.parametrize(
    "naive", [{"term_of": TrustsAcknowledgements}, {"driver_of": TrustsOrder}, {"driver_of": Unfenced}], ids=str
)
async def test_naive_forms_lose_or_double_and_are_found_out(naive: Any, databases: Databases) -> None:
    for seed in range(12):
        try:
            wrong, _ = await live(seed, databases, steps=40, turns=40, **naive)
        except AssertionError as found:  # On the way, by one of the checks inside the history.
            wrong = [str(found)]
        if wrong:
            right, _ = await live(seed, databases, steps=40, turns=40)
            assert right == [], "the real form ends wrong in the same history"
            return
    pytest.fail("twelve histories, and the judge saw nothing wrong")


async def test_the_journal_finds_what_the_store_would_deny(databases: Databases) -> None:
    """A lost, a doubled, an unwished event, and another position than the client was told."""
    async with quiet_world(databases) as world:
        for _ in range(4):
            await world.record()
        await world.rest()
        events = [json.loads(row["body"]) for row in await read_log(world.where.app_dsn)]
        assert judge_log(world.journal, events) == []
        lost = judge_log(world.journal, events[1:])
        assert len(lost) == 1 and "is lost" in lost[0]
        assert any("2 times" in each for each in judge_log(world.journal, [*events, events[0]]))
        moved = [{**events[0], "position": "99"}, *events[1:]]
        assert any("is at 99" in each for each in judge_log(world.journal, moved))
        stranger = {**events[0], "id": "00000000-0000-5000-8000-000000000000"}
        assert any("wished by nobody" in each for each in judge_log(world.journal, [*events, stranger]))


async def test_the_topic_reader_finds_gaps_and_untrue_seals() -> None:
    def record(position: int, previous: int, *, seal: bool = False) -> tuple[dict[str, bytes], bytes]:
        headers = {"position": b"%d" % position, "partitionprevious": b"%d" % previous}
        return ({**headers, "seal": b"1"} if seal else headers), b'{"position":"%d"}' % position

    whole = [record(1, 0), record(4, 1), record(1, 0), record(4, 4 - 3), record(5, 4, seal=True)]
    assert read_topic(whole)[1] == []
    assert [event["position"] for event in read_topic(whole)[0]] == ["1", "4"]
    assert "hang in the air" in read_topic([record(1, 0), record(6, 4)])[1][0]
    assert "two records follow" in read_topic([record(1, 0), record(2, 0)])[1][0]
    assert "hides a record" in read_topic([record(1, 0), record(4, 1), record(5, 1, seal=True)])[1][0]
