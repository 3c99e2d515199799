"""One version of one projection: takes batches of records, and moves its tables and positions in one transaction.

Law (design.md §6):
- The position row is the truth. It is locked before anything is written; what was prepared from another position than
  the row now has is thrown away (a zombie waits on the lock, and then finds nothing to do).
- The rule decides what is folded: :mod:`services.chassis.rule`. A contradiction halts, an absence waits.
- A record that is ahead is passed over and remembered as a gap, because what is missing may stand behind it: after a
  wipe a late send can be the first record of the new topic. Until the gap is filled the stored offset stays before it.
- Applied, Ignored and Parked move the position; Halted does not.
- While a hold stands, nothing beyond it is folded, by any version.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.db import Database
from services.chassis.projection import registry
from services.chassis.projection.decode import Decoded, Raw, decode_records
from services.chassis.projection.model import Deltas, ProjectionSpec
from services.chassis.rule import Link, NotOurs, Stand, Tail, Verdict, link_of


class Record(Protocol):
    """What is used of a Kafka record."""

    partition: int
    offset: int
    value: bytes
    headers: Sequence[tuple[str, bytes]]


@dataclass(slots=True)
class Gap:
    """Records were seen that follow what is not here, the first of them at ``offset``."""

    position: int
    sealed: int
    offset: int

    def filled(self, stand: Stand) -> bool:
        """Whether everything passed over has been taken in since."""
        return stand.tail.position >= self.position and stand.sealed >= self.sealed


@dataclass(slots=True)
class Taken:
    """What the rule let through of one partition's records, and where it stopped.

    ``start`` and ``end``: tails before and after; ``resume``: the offset to read next after a restart; ``stopped``: why
    the rest of the batch was left (``hold``, ``forked``, ``halted``), or ``ahead`` while there is a gap, else empty.
    """

    start: Tail
    end: Tail
    sealed: int
    resume: int
    raws: list[Raw] = field(default_factory=list)
    steps: list[tuple[int, Tail]] = field(default_factory=list)
    """(offset, tail before it) of each record in ``raws``"""
    stopped: str = ""
    reason: str = ""
    held: int = 0

    def cut(self, position: int, reason: str) -> None:
        """Stop before the poisoned record at ``position``."""
        index = next(number for number, raw in enumerate(self.raws) if raw.position == position)
        offset, self.end = self.steps[index]
        self.resume = min(self.resume, offset)
        self.sealed = 0  # A seal that came after the poison must not be honoured.
        self.raws = self.raws[:index]
        self.stopped, self.reason = "halted", f"position {position}: {reason}"


@dataclass(slots=True)
class Prepared:
    """A batch of one topic, decoded and folded, ready to be written if the rows still stand where it began."""

    topic: str
    taken: dict[int, Taken]
    deltas: Deltas
    parked: list[tuple[Raw, str]]
    ignored: Mapping[str, int]
    applied: int
    newest: dt.datetime | None


class Stale(Exception):
    """Somebody else moved a position row, or a hold came: prepare again from where the row stands."""


class Projector:
    """Prepares and writes batches. Prepare runs ahead of write; a write that finds its ground moved raises Stale."""

    def __init__(self, database: Database, spec: ProjectionSpec, version: int) -> None:
        self.database, self.spec, self.version = database, spec, version
        self.stands: dict[tuple[str, int], Stand] = {}
        self.gaps: dict[tuple[str, int], Gap] = {}
        self.holds: dict[str, int] = {}

    async def load(self) -> None:
        """Read where every partition stands, and what holds."""
        async with self.database.reading() as connection:
            parts = await registry.partitions(connection, self.spec.name, self.version)
            self.holds = await registry.held(connection, self.spec.name)
        self.stands = {(p.topic, p.partition): Stand(Tail(p.position, p.leaf), p.sealed) for p in parts}
        self.gaps = {at: gap for at, gap in self.gaps.items() if at in self.stands and not gap.filled(self.stands[at])}

    async def prepare(self, topic: str, records: Mapping[int, Sequence[Record]]) -> Prepared:
        """Apply the rule, decode and fold; moves the stands in memory, writes nothing."""
        return await self.fold(topic, self.take(topic, records))

    def take(self, topic: str, records: Mapping[int, Sequence[Record]]) -> dict[int, Taken]:
        """The first half of preparing: the rule, in the event loop."""
        return {partition: self._take(topic, partition, batch) for partition, batch in records.items()}

    async def fold(self, topic: str, taken: dict[int, Taken]) -> Prepared:
        """The second half: decode and fold, in a worker thread."""
        raws = [raw for part in taken.values() for raw in part.raws]
        return await asyncio.to_thread(self._fold, topic, taken, raws)

    def _take(self, topic: str, partition: int, records: Sequence[Record]) -> Taken:
        stand = self.stands[topic, partition]
        taken = Taken(stand.tail, stand.tail, stand.sealed, records[0].offset)
        hold = self.holds.get(topic)
        for record in records:
            if self._stops(topic, taken, stand, record, hold):
                break
            taken.resume = record.offset + 1
        taken.end, taken.sealed = stand.tail, stand.sealed
        self._mind_the_gap(topic, partition, taken)
        if hold is not None and stand.sealed >= hold:
            taken.held = hold
        return taken

    def _mind_the_gap(self, topic: str, partition: int, taken: Taken) -> None:
        gap = self.gaps.get((topic, partition))
        if gap is None:
            return
        if gap.filled(self.stands[topic, partition]):
            del self.gaps[topic, partition]
            return
        taken.resume = min(taken.resume, gap.offset)
        if not taken.stopped:
            taken.stopped = "ahead"
            taken.reason = f"what comes before {gap.position or gap.sealed} is not here after {taken.end.position}"

    def _pass_over(self, topic: str, record: Record, link: Link) -> None:
        known = self.gaps.get((topic, record.partition)) or Gap(0, 0, record.offset)
        self.gaps[topic, record.partition] = Gap(
            known.position if link.seal else max(known.position, link.position),
            max(known.sealed, link.position) if link.seal else known.sealed,
            min(known.offset, record.offset),
        )

    def _stops(self, topic: str, taken: Taken, stand: Stand, record: Record, hold: int | None) -> bool:
        """Take one record, or say in ``taken`` why not."""
        before = stand.tail
        try:
            link = link_of(record.headers, record.value)
        except NotOurs as strange:
            taken.stopped, taken.reason = "halted", f"offset {record.offset}: {strange}"
            return True
        if hold is not None and not link.seal and link.position > hold and link.previous == before.position:
            taken.stopped, taken.held = "hold", hold
            return True
        verdict = stand.take(link)
        if verdict is Verdict.FOLD:
            taken.raws.append(Raw(link.position, record.partition, record.value))
            taken.steps.append((record.offset, before))
        elif verdict is Verdict.AHEAD:
            self._pass_over(topic, record, link)
        elif verdict is Verdict.FORK:
            taken.stopped, taken.reason = (
                "forked",
                f"position {link.position} contradicts what stands at {before.position}",
            )
        return bool(taken.stopped)

    def _fold(self, topic: str, taken: dict[int, Taken], raws: list[Raw]) -> Prepared:
        """Worker thread: decode, set poison aside or cut the batch before it, fold the rest."""
        source = self.spec.source(topic)
        decoded = decode_records(source, raws)
        parked: list[tuple[Raw, str]] = []
        if decoded.poison and self.spec.on_poison == "park":
            parked = [(raws[row], reason) for row, reason in sorted(decoded.poison.items())]
        elif decoded.poison:
            raws = self._cut(taken, raws, decoded)
            decoded = decode_records(source, raws)
        frame = decoded.frame
        newest = frame["recordedtime"].max() if frame.height else None
        return Prepared(
            topic,
            taken,
            self.spec.fold(topic, frame.drop("row")) if frame.height else {},
            parked,
            decoded.ignored,
            frame.height,
            dt.datetime.fromisoformat(newest) if isinstance(newest, str) else None,
        )

    def _cut(self, taken: dict[int, Taken], raws: list[Raw], decoded: Decoded) -> list[Raw]:
        """Halt each poisoned partition before its first poison; the other partitions go on whole."""
        first: dict[int, tuple[int, str]] = {}
        for row, reason in sorted(decoded.poison.items()):
            first.setdefault(raws[row].partition, (raws[row].position, reason))
        for partition, (position, reason) in first.items():
            taken[partition].cut(position, reason)
        return [raw for part in taken.values() for raw in part.raws]

    async def write(self, prepared: Prepared) -> None:
        """Write a prepared batch and move its positions, or raise :class:`Stale` and leave everything as it is."""
        async with self.database.transaction() as connection:
            await self._fence(connection, prepared)
            await self.spec.write(connection, self.spec.schema(self.version), prepared.deltas)
            if prepared.parked:
                await self._park(connection, prepared)
            await self._move(connection, prepared)

    async def _fence(self, connection: AsyncConnection, prepared: Prepared) -> None:
        rows = await connection.execute(
            _LOCK,
            {
                "projection": self.spec.name,
                "version": self.version,
                "topic": prepared.topic,
                "partitions": sorted(prepared.taken),
            },
        )
        stored = {row.partition: Tail(row.position, row.leaf) for row in rows}
        holds = await registry.held(connection, self.spec.name)
        if holds != self.holds or any(stored.get(p) != part.start for p, part in prepared.taken.items()):
            raise Stale

    async def _park(self, connection: AsyncConnection, prepared: Prepared) -> None:
        await connection.execute(
            _PARK,
            [
                {
                    "projection": self.spec.name,
                    "version": self.version,
                    "topic": prepared.topic,
                    "partition": raw.partition,
                    "position": raw.position,
                    "reason": reason,
                    "body": raw.value,
                }
                for raw, reason in prepared.parked
            ],
        )

    async def _move(self, connection: AsyncConnection, prepared: Prepared) -> None:
        parts = sorted(prepared.taken.items())
        await connection.execute(
            _MOVE,
            {
                "projection": self.spec.name,
                "version": self.version,
                "topic": prepared.topic,
                "recorded": prepared.newest,
                "partition": [partition for partition, _ in parts],
                "position": [part.end.position for _, part in parts],
                "leaf": [part.end.leaf for _, part in parts],
                "offset": [part.resume for _, part in parts],
                "sealed": [part.sealed for _, part in parts],
                "held": [part.held for _, part in parts],
                "state": [part.stopped if part.stopped in STATES else "running" for _, part in parts],
                "reason": [part.reason for _, part in parts],
            },
        )


STATES = frozenset({"ahead", "forked", "halted"})


_LOCK = text(
    "SELECT partition, position, leaf FROM projection.positions WHERE projection = :projection AND version = :version "
    "AND topic = :topic AND partition = ANY(CAST(:partitions AS smallint[])) ORDER BY partition FOR UPDATE"
)
_PARK = text(
    "INSERT INTO projection.parked (projection, version, topic, partition, position, reason, body) "
    "VALUES (:projection, :version, :topic, :partition, :position, :reason, :body) ON CONFLICT DO NOTHING"
)
_MOVE = text(
    'UPDATE projection.positions AS p SET position = m.position, leaf = m.leaf, "offset" = m.off, '
    "sealed = greatest(p.sealed, m.sealed), held = m.held, state = m.state, reason = m.reason, "
    "recorded = coalesce(CAST(:recorded AS timestamptz), p.recorded), updated = now() "
    "FROM unnest(CAST(:partition AS smallint[]), CAST(:position AS bigint[]), CAST(:leaf AS bytea[]), "
    "CAST(:offset AS bigint[]), CAST(:sealed AS bigint[]), CAST(:held AS bigint[]), CAST(:state AS text[]), "
    "CAST(:reason AS text[])) AS m (partition, position, leaf, off, sealed, held, state, reason) "
    "WHERE p.projection = :projection AND p.version = :version AND p.topic = :topic AND p.partition = m.partition"
)
