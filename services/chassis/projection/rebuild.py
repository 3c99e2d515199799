"""A projection made again from the log beside the live one, compared with it at one position, and switched.

Design.md §6. The building version is folded here, overlapped, with its own assignment. When it has caught up it is
marked ready: the service's own projectors then fold it too. Both are held at one log position, proven complete by a
seal; the tables are compared row by row; the switch is one statement, and so is the way back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import TopicPartition

from services.chassis import broker
from services.chassis.db import Database
from services.chassis.errors import Conflict, Unavailable
from services.chassis.projection import compare, registry
from services.chassis.projection.consume import Driver, catch_up, seek_to_stored
from services.chassis.projection.model import ProjectionSpec
from services.chassis.projection.projector import Projector
from services.chassis.settings import Settings

LOOK_SECONDS = 0.25
HOLD_SECONDS = 120.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild found: the version, the log position per topic, and how many rows of each table differ."""

    version: int
    at: dict[str, int]
    rows: dict[str, int]
    differing: dict[str, int]

    @property
    def equal(self) -> bool:
        return not any(self.differing.values())


class Rebuild:
    """One rebuild of one projection. ``owner`` may make tables; ``database`` is the running service's."""

    def __init__(self, settings: Settings, spec: ProjectionSpec, owner: Database, database: Database, say: Say) -> None:
        self._settings, self._spec, self._owner, self._database, self._say = settings, spec, owner, database, say

    async def run(self, *, app_role: str) -> Rebuilt:
        """Build (or go on building), catch up, hold, compare, release. Does not switch."""
        version = await self._version(app_role)
        async with self._folding(version) as folding:
            await self._until_caught_up(version, folding)
            async with self._owner.transaction() as connection:
                await self._spec.finish(connection, self._spec.schema(version))
            async with self._database.transaction() as connection:
                await registry.mark_ready(connection, self._spec.name, version)
            return await self._compare(version)

    async def reconcile(self, version: int) -> Rebuilt:
        """Compare a version that is folding on with the one being read, without building anything."""
        return await self._compare(version)

    async def _version(self, app_role: str) -> int:
        """The version under construction, resumed if there is one."""
        async with self._owner.transaction() as connection:
            known = await registry.versions(connection, self._spec.name)
            building = [version for version, state in known.items() if state == "building"]
            if building:
                self._say(f"{self._spec.name}: going on with version {building[0]}")
                return building[0]
            version = max(known, default=0) + 1
            await registry.create_version(connection, self._spec, version, app_role=app_role)
            self._say(f"{self._spec.name}: building version {version}")
            return version

    @asynccontextmanager
    async def _folding(self, version: int) -> AsyncIterator[asyncio.Task[None]]:
        projector = Projector(self._database, self._spec, version)
        driver = Driver(projector)
        consumer = broker.consumer(self._settings, group_id=self._spec.group(version))
        await projector.load()
        await consumer.start()
        consumer.assign(
            [TopicPartition(s.topic.name, p) for s in self._spec.sources for p in range(s.topic.partitions)]
        )
        await seek_to_stored(consumer, projector)
        folding = asyncio.create_task(catch_up(consumer, driver))
        try:
            yield folding
        finally:
            folding.cancel()
            await asyncio.gather(folding, return_exceptions=True)
            await driver.close()
            await consumer.stop()

    async def _until_caught_up(self, version: int, folding: asyncio.Task[None]) -> None:
        """Wait until no partition is behind the version being read; tells how far it is and how long it may take."""
        began, first = time.monotonic(), None
        while True:
            if folding.done():
                folding.result()  # It ended, and this says why: a rebuild stops at any error.
            mine, active = await self._stand(version)
            halted = [p for p in mine.values() if p.state in {"halted", "forked"}]
            if halted:
                raise Conflict("rebuild_stopped", f"{halted[0].topic}-{halted[0].partition}: {halted[0].reason}")
            done = sum(part.position for part in mine.values())
            wanted = sum(part.position for part in active.values())
            first = done if first is None else first
            if all(mine[where].position >= part.position for where, part in active.items()):
                return
            rate = (done - first) / max(time.monotonic() - began, 0.001)
            left = f", about {(wanted - done) / rate:.0f} s left" if rate > 0 else ""
            self._say(f"{self._spec.name}: {done / max(wanted, 1):.0%} folded{left}")
            await asyncio.sleep(LOOK_SECONDS)

    async def _stand(
        self, version: int
    ) -> tuple[dict[tuple[str, int], registry.PartitionPosition], dict[tuple[str, int], registry.PartitionPosition]]:
        async with self._database.reading() as connection:
            active = await registry.active_version(connection, self._spec.name)
            mine = await registry.partitions(connection, self._spec.name, version)
            theirs = await registry.partitions(connection, self._spec.name, active)
        return {(p.topic, p.partition): p for p in mine}, {(p.topic, p.partition): p for p in theirs}

    async def _compare(self, version: int) -> Rebuilt:
        async with self._database.transaction() as connection:
            at = await registry.hold(connection, self._spec.name)
        try:
            await self._until_held(version, at)
            async with self._database.snapshot() as connection:
                active = await registry.active_version(connection, self._spec.name)
                rows, differing = await compare.versions(connection, self._spec, active, version)
        finally:
            async with self._database.transaction() as connection:
                await registry.release(connection, self._spec.name)
        return Rebuilt(version, at, rows, differing)

    async def _until_held(self, version: int, at: dict[str, int]) -> None:
        """Until every partition of both versions is known to hold everything up to the hold and nothing after it."""
        deadline = time.monotonic() + HOLD_SECONDS
        while time.monotonic() < deadline:
            mine, active = await self._stand(version)
            waiting = [
                part
                for part in (*mine.values(), *active.values())
                if part.sealed < at[part.topic] and part.held != at[part.topic]
            ]
            if not waiting:
                return
            await asyncio.sleep(LOOK_SECONDS)
        where = f"{waiting[0].topic}-{waiting[0].partition}"
        raise Unavailable(
            "hold_not_reached", f"{where} is not proven complete at {at[waiting[0].topic]}: no seal came."
        )
