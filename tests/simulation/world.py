"""The real writer, relay and projector on a real PostgreSQL, a simulated broker between them, and one seed for luck.

Two of each: two writing processes behind a network that loses COMMITs, two relays that both believe they lead, two
members of a consumer group. Any of them may die at any await and comes back with what is durable. At the end luck turns
and everything comes to rest; then the judges look.

Law of the judge: what a client was told is in its journal; the journal is compared with the log, the log's bytes with
the topics, and the projection with a naive count of the log.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy.exc import DBAPIError

from schemas.topics import DIARY
from services.chassis.db import Database
from services.chassis.errors import ApudiaariError, Unavailable
from services.chassis.log import Command, Outcome, Writer
from services.chassis.projection import consume, registry
from services.chassis.projection.consume import Driver
from services.chassis.projection.projector import Projector
from services.chassis.recover import recover_from
from services.chassis.relay import AskAgain, Term, TopicContradicts
from tests.simulation import counter
from tests.simulation.audit import audit, read_log
from tests.simulation.broker import SimBroker, SimConsumer, SimTransport
from tests.simulation.doom import Died, Doomed
from tests.simulation.journal import UNKNOWN, Journal, judge_log, lost_or_doubled, read_topic
from tests.simulation.proxy import Fault, Proxy
from tests.simulation.tally import KELA, TALLY, naive_acts
from tests.support.databases import Databases, ServiceDatabase

PARTITIONS = [TopicPartition(source.topic.name, p) for source in TALLY.sources for p in range(source.topic.partitions)]
TROUBLE = (KafkaError, AskAgain, Unavailable, OSError, asyncpg.PostgresError, DBAPIError)
"""What a relay survives by asking again. A writer's client must be told Unavailable, and nothing else."""
Result = TypeVar("Result")
TermOf = Callable[[Database, Any, SimTransport], Term]
DriverOf = Callable[[Projector], Driver]


@contextmanager
def no_waiting() -> Iterator[None]:
    """Back-off and rates are about time; here time is what the seed makes of it."""
    kept = consume.AGAIN_SECONDS, consume.HOLD_POLL_SECONDS
    consume.AGAIN_SECONDS, consume.HOLD_POLL_SECONDS = (0.02,) * 5, 0.01
    logging.getLogger("services").setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        consume.AGAIN_SECONDS, consume.HOLD_POLL_SECONDS = kept
        logging.getLogger("services").setLevel(logging.NOTSET)


def hasten(databases: Databases, where: ServiceDatabase) -> None:
    """The server itself does not crash here, so its commits need not wait for the disk."""
    databases.postgres.sql(f"ALTER DATABASE {where.name} SET synchronous_commit = off;")


async def furnish(where: ServiceDatabase) -> None:
    """Points and agreements, and the tally's first version."""
    owner, database = Database(where.owner_dsn, pool_size=1), Database(where.app_dsn, pool_size=1)
    await counter.furnish(database)
    async with owner.transaction() as connection:
        await registry.ensure_first_version(connection, TALLY, app_role="diary_app")
    await owner.close()
    await database.close()


@dataclass
class RelayProcess:
    """One relay; ``term`` is what dies with it."""

    database: Database
    term: Term | None = None


@dataclass
class Member:
    """One member of the consumer group."""

    database: Database
    driver: Driver
    consumer: SimConsumer


@dataclass
class World:
    """Made by :func:`live`. ``story`` tells what happened, for whoever replays a seed."""

    where: ServiceDatabase
    databases: Databases
    luck: random.Random
    proxy: Proxy
    term_of: TermOf = Term
    driver_of: DriverOf = Driver
    broker: SimBroker = field(default_factory=SimBroker)
    journal: Journal = field(default_factory=Journal)
    story: list[str] = field(default_factory=list)
    commands: dict[str, Command] = field(default_factory=dict)
    visits: dict[UUID, tuple[str, int]] = field(default_factory=dict)
    """Acknowledged visits: point, and the version that the client knows; 0 while a change of it is unsettled."""
    writers: list[Writer] = field(default_factory=list)
    relays: list[RelayProcess] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    lucky: bool = False
    turns: int = 200
    """How often everybody acts at the end before it counts as never coming to rest."""
    wipes: int = 0
    restored: bool = False
    contradictions: list[str] = field(default_factory=list)
    _open: list[Database] = field(default_factory=list)
    _acting: set[str] = field(default_factory=set)

    # -- processes -----------------------------------------------------------------------------------------------

    def _database(self, dsn: str) -> Database:
        database = Database(dsn, pool_size=4, idle_in_transaction_ms=2000)
        self._open.append(database)
        return database

    async def start(self) -> None:
        """Two of each."""
        self.writers = [self._writer(), self._writer()]
        self.relays = [RelayProcess(self._database(self.where.app_dsn)) for _ in range(2)]
        self.members = []
        for mine in (PARTITIONS[::2], PARTITIONS[1::2]):
            self.members.append(await self._member(mine))

    def _writer(self) -> Writer:
        return Writer(self._database(self.proxy.dsn), counter.log_spec(self.where.app_dsn))

    async def _member(self, mine: list[TopicPartition]) -> Member:
        database = self._database(self.where.app_dsn)
        driver = self.driver_of(Projector(database, TALLY, 1))
        await driver.projector.load()
        return Member(database, driver, SimConsumer(self.broker, TALLY.group(1), mine))

    async def end(self) -> None:
        for member in self.members:
            await member.driver.close()
        await asyncio.gather(*(database.close() for database in self._open), return_exceptions=True)
        self._open.clear()

    def tell(self, line: str) -> None:
        self.story.append(line)

    # -- what may happen ------------------------------------------------------------------------------------------

    async def run(self, steps: int) -> list[str]:
        """A history of ``steps``, then rest, then the verdict: what is wrong, or nothing."""
        for _ in range(steps):
            await self.step()
        await self.rest()
        return await self.judge()

    async def step(self) -> None:
        """One thing, chosen by the seed."""
        actions: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (26, self.record), (5, self.record_at_once), (28, self.relay), (28, self.project), (4, self.zombies),
            (4, self.rebalance), (3, self.land), (2, self.wipe), (2, self.broker_away), (2, self.settle),
            (1, self.restore),
        ]  # fmt: skip
        chosen = self.luck.choices([action for _, action in actions], [weight for weight, _ in actions])[0]
        await chosen()

    async def meanwhile(self) -> None:
        """While somebody waits for the broker, others act."""
        if self.lucky or len(self._acting) > 2 or self.luck.random() > 0.12:
            return
        await self.luck.choice([self.record, self.relay, self.project, self.land, self.wipe])()

    async def _act(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Nobody acts twice at once: each name is one process."""
        if name in self._acting:
            return
        self._acting.add(name)
        try:
            await work()
        finally:
            self._acting.discard(name)

    async def _fated(self, work: Any) -> Any:
        """Some processes die at one of their awaits."""
        if self.lucky or self.luck.random() > 0.15:
            return await work
        return await Doomed(work, self.luck.randrange(1, 26))

    # -- clients and writers ---------------------------------------------------------------------------------------

    def _wishes(self) -> list[Command]:
        """New visits, and changes of visits whose version the client knows."""
        made = []
        for _ in range(self.luck.randrange(1, 7)):
            known = [visit_id for visit_id, (_, version) in self.visits.items() if version]
            command_id = counter.new_id(self.luck)
            if known and self.luck.random() < 0.3:
                visit_id = self.luck.choice(known)
                point, version = self.visits[visit_id]
                made.append(counter.correction(command_id, visit_id, version, point, self.luck.randrange(2, 500)))
                self.visits[visit_id] = point, 0
            else:
                point = self.luck.choice(counter.POINTS)
                made.append(counter.visit(command_id, point, both=self.luck.random() < 0.3))
        for command in made:
            self.journal.wish(str(command.id))
            self.commands[str(command.id)] = command
        return made

    async def record(self) -> None:
        number = self.luck.randrange(2)
        await self._act(f"writer {number}", lambda: self._record(number, self._wishes()))

    async def record_at_once(self) -> None:
        """Both processes append at the same time."""
        if not {"writer 0", "writer 1"} & self._acting:
            await asyncio.gather(self._record(0, self._wishes()), self._record(1, self._wishes()))

    async def settle(self) -> None:
        """A client asks again about what it does not know, and about something that it knows."""
        asked = [self.commands[wish.id] for wish in self.journal.of(UNKNOWN)][:200]
        if self.visits and not self.restored:
            asked.append(self.commands[str(self.luck.choice(list(self.visits)))])
        if asked:
            await self._act("writer 0", lambda: self._record(0, asked))

    async def _record(self, number: int, commands: list[Command]) -> None:
        fault: Fault = "" if self.lucky else self.luck.choices(["", "before", "after"], [12, 1, 1])[0]  # type: ignore[assignment]
        self.proxy.fault = fault
        try:
            results = await self._fated(self.writers[number].append(commands))
        except (Died, Unavailable) as trouble:
            self.tell(f"writer {number}: {len(commands)} commands, {fault or 'no'} fault, {type(trouble).__name__}")
            self.writers[number] = self._writer()
            return
        self.tell(f"writer {number}: {len(commands)} commands answered")
        for command, result in zip(commands, results, strict=True):
            self._answered(command, result)

    def _answered(self, command: Command, result: Outcome | ApudiaariError) -> None:
        if isinstance(result, Outcome):
            self.journal.acknowledged(str(command.id), result.answer)
            self.visits[UUID(command.target)] = counter.point_of(command), int(result.answer["version"])
        elif not self.restored:  # After a recovery a refusal may mean that it is there already.
            self.journal.refused(str(command.id))

    # -- relays ----------------------------------------------------------------------------------------------------

    async def relay(self) -> None:
        number = self.luck.randrange(2)
        await self._act(f"relay {number}", lambda: self._relay(number))

    async def _relay(self, number: int) -> None:
        """A new term compares; a running one publishes, seals and looks at the broker."""
        process = self.relays[number]
        try:
            if process.term is None:
                luck = None if self.lucky else self.luck
                transport = SimTransport(self.broker, luck, self.meanwhile)
                term = self.term_of(process.database, DIARY, transport)
                await self._fated(term.compare())
                process.term = term
            else:
                await self._turn(process.term)
        except TopicContradicts as contradiction:
            self.contradictions.append(str(contradiction))
            process.term = None
        except (Died, *TROUBLE) as trouble:
            self.tell(f"relay {number}: {type(trouble).__name__} {trouble}"[:120])
            process.term = None

    async def _turn(self, term: Term) -> None:
        """Publish and seal, one after the other or beside each other as in a service, and look at the broker."""
        head = await self._fated(term.head_to_seal())
        if self.lucky or self.luck.random() < 0.3:
            await self._fated(term.publish_log())
            await self._fated(term.publish_feeds())
            if head is not None and head.position <= term.published_to:
                await self._fated(term.seal(head))
        else:
            works = [term.publish()]
            if head is not None and head.position <= term.published_to:
                works.append(term.seal(head))
            for result in await asyncio.gather(*map(self._fated, works), return_exceptions=True):
                if isinstance(result, BaseException):
                    raise result
        await self._fated(term.check())

    # -- projectors --------------------------------------------------------------------------------------------------

    async def project(self) -> None:
        number = self.luck.randrange(2)
        await self._act(f"member {number}", lambda: self._project(number))

    async def _project(self, number: int) -> None:
        member = self.members[number]
        records = member.consumer.poll(self.luck, 60)
        if not records:
            await asyncio.sleep(0)
            return
        try:
            await self._fated(member.driver.handle(member.consumer, records))
        except Died:
            self.tell(f"member {number} died over {len(records)} records")
            await member.driver.close()
            self.members[number] = await self._member(sorted(member.consumer.assignment()))

    async def zombies(self) -> None:
        """Both members believe that everything is theirs, and write at the same time."""
        if {"member 0", "member 1"} & self._acting:
            return
        for member in self.members:
            member.consumer.rebalance(PARTITIONS)
        self.tell("zombies")
        await asyncio.gather(self._project(0), self._project(1))
        await self.rebalance()

    async def rebalance(self) -> None:
        """Partitions go elsewhere; the new owner's memory of them is old."""
        if {"member 0", "member 1"} & self._acting:
            return
        shuffled = self.luck.sample(PARTITIONS, len(PARTITIONS))
        cut = self.luck.randrange(len(shuffled) + 1)
        self.members[0].consumer.rebalance(shuffled[:cut])
        self.members[1].consumer.rebalance(shuffled[cut:])
        self.tell(f"rebalance {cut}/{len(shuffled) - cut}")

    # -- the broker and the store --------------------------------------------------------------------------------------

    async def land(self) -> None:
        """A late send arrives."""
        if self.broker.flights:
            self.broker.land(self.luck.randrange(len(self.broker.flights)))

    async def wipe(self) -> None:
        if self.wipes < 3:
            self.wipes += 1
            self.broker.wipe()
            self.tell("the broker is empty")

    async def broker_away(self) -> None:
        self.broker.up = not self.broker.up
        self.tell(f"the broker is {'back' if self.broker.up else 'away'}")

    async def restore(self) -> None:
        """The store is lost after everything was published; a backup from before takes its place, and is recovered."""
        if self.restored or self._acting or not self.visits:
            return
        backup = self.databases.copy(self.where)
        hasten(self.databases, backup)
        for _ in range(self.luck.randrange(4, 16)):
            await self.luck.choice([self.record, self.record, self.relay, self.project])()
        await self.settle()
        await self.rest()
        self.lucky = False
        ahead = len(await read_log(self.where.app_dsn)) > len(await read_log(backup.app_dsn))
        await self.end()
        lost, self.where = self.where, backup
        self.databases.drop(lost)
        self.proxy.aim(self.where.app_dsn)
        self.restored = True
        self.contradictions.clear()
        await self.start()
        self.tell(f"restored, behind the topic: {ahead}")
        await self._must_refuse()
        if ahead:
            await self._recover()

    async def _must_refuse(self) -> None:
        """Nothing may be appended to the restored store yet."""
        command = counter.visit(counter.new_id(self.luck))
        try:
            results = await self.writers[0].append([command])
        except Unavailable as refusal:
            assert refusal.code == "store_not_compared", refusal
        else:
            raise AssertionError(f"the restored store took {results}")

    async def _recover(self) -> None:
        """The relay says what is wrong and does nothing; a person lets the topic give back what is missing."""
        published = {name: [len(p) for p in parts] for name, parts in self.broker.topics.items()}
        self.lucky = True
        await self._relay(0)
        self.lucky = False
        assert self.contradictions, "the relay did not notice that the store is behind its topic"
        assert published == {name: [len(p) for p in parts] for name, parts in self.broker.topics.items()}
        spec, database = counter.log_spec(self.where.app_dsn), self.relays[0].database
        code = await recover_from(SimTransport(self.broker), spec, database, write=True, say=self.tell)
        assert code == 0
        self.contradictions.clear()

    # -- the end -----------------------------------------------------------------------------------------------------

    async def rest(self) -> None:
        """Luck turns: the broker is there, late sends land, clients ask until they know, all is relayed and folded."""
        self.lucky, self.broker.up, self.proxy.fault = True, True, ""
        while self.broker.flights:
            await self.land()
        for process in self.relays:
            process.term = None
        await self.rebalance()
        for _ in range(self.turns):
            await self.settle()
            for number in range(2):
                await self._relay(number)
                await self._project(number)
            if await self._at_rest():
                return
        self.tell("does not come to rest")

    async def _at_rest(self) -> bool:
        if self.journal.of(UNKNOWN) and not self.restored:
            return False
        async with self.relays[0].database.reading() as connection:
            parts = await registry.partitions(connection, TALLY.name, 1)
        rows = await read_log(self.where.app_dsn)
        wanted = len(rows)
        entries = sum("kela:" in json.loads(row["body"]).get("places", "") for row in rows)
        return all(part.sealed == wanted if part.topic == DIARY.name else part.position == entries for part in parts)

    async def judge(self) -> list[str]:
        """Everything that is wrong at the end."""
        rows = await read_log(self.where.app_dsn)
        events = [json.loads(row["body"]) for row in rows]
        return [
            *[f"the relay stopped: {told}" for told in self.contradictions],
            *await audit(self.where.app_dsn),
            *judge_log(self.journal, events),
            *self._judge_topics(rows),
            *await self._judge_authority(),
            *await self._judge_tally(events),
        ]

    def _judge_topics(self, rows: list[Any]) -> list[str]:
        wrong: list[str] = []
        for partition in range(DIARY.partitions):
            events, found = read_topic(self.broker.partition(DIARY.name, partition))
            wrong += [f"partition {partition}: {each}" for each in found]
            logged = [json.loads(row["body"]) for row in rows if row["partition"] == partition]
            if events != logged:
                wrong.append(f"partition {partition} folds to {len(events)} events, the log has {len(logged)}")
        return wrong

    async def _judge_authority(self) -> list[str]:
        connection = await asyncpg.connect(self.where.app_dsn)
        rows = await connection.fetch("SELECT body FROM log.feed_entries WHERE feed = 'kela' ORDER BY sequence")
        await connection.close()
        events, wrong = read_topic(self.broker.partition(KELA.name, 0))
        if events != [json.loads(row["body"]) for row in rows]:
            wrong.append(f"the authority's topic folds to {len(events)} copies, its feed has {len(rows)}")
        return wrong

    async def _judge_tally(self, events: list[dict[str, Any]]) -> list[str]:
        connection = await asyncpg.connect(self.where.app_dsn)
        seen = await connection.fetch("SELECT topic, position, times FROM tally_v1.seen")
        acts = await connection.fetch("SELECT * FROM tally_v1.acts WHERE acts <> 0 OR quantity <> 0")
        await connection.close()
        copies = sum("kela:" in event.get("places", "") for event in events)
        wanted = [(DIARY.name, int(event["position"]), 1) for event in events]
        wanted += [(KELA.name, sequence, 1) for sequence in range(1, copies + 1)]
        counted = {(r["service_point_id"], r["authority_id"]): (r["acts"], r["quantity"]) for r in acts}
        wrong = lost_or_doubled(wanted, [tuple(row) for row in seen], "the projection")
        if counted != naive_acts(events):
            wrong.append(f"the acts add up to {counted}, counted one by one to {naive_acts(events)}")
        return wrong


async def live(seed: int, databases: Databases, *, steps: int = 90, **options: Any) -> tuple[list[str], list[str]]:
    """One history: what is wrong at its end, and the story of it."""
    where = databases.migrated("diary")
    hasten(databases, where)
    await furnish(where)
    async with Proxy(where.app_dsn) as proxy:
        world = World(where, databases, random.Random(seed), proxy, **options)
        await world.start()
        try:
            with no_waiting():
                wrong = await world.run(steps)
        finally:
            await world.end()
            databases.drop(world.where)
    return wrong, world.story
