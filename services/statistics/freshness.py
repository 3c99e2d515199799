"""How fresh the figures are, and what is missing from them: read once for all pages that wait for a change."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from dataclasses import dataclass

from sqlalchemy import text

from schemas import topics
from services.chassis.db import Database
from services.statistics.projection import NAME

KEPT_SECONDS = 0.1
POLL_SECONDS = 0.12

_STAND = text(
    "SELECT p.topic, max(p.position) AS position, max(p.recorded) AS recorded, "
    "count(*) FILTER (WHERE p.state IN ('halted', 'forked', 'ahead')) AS stopped, min(v.version) AS version "
    "FROM projection.positions AS p JOIN projection.versions AS v USING (projection, version) "
    "WHERE p.projection = :name AND v.state = 'active' GROUP BY p.topic"
)
_PARKED = text(
    "SELECT count(*) FROM projection.parked JOIN projection.versions AS v USING (projection, version) "
    "WHERE projection = :name AND v.state = 'active' AND applied IS NULL"
)


@dataclass(frozen=True, slots=True)
class Fresh:
    """Where the version that is read stands.

    recorded: when the newest event counted was recorded by the diary; parked: records put aside; stopped: partitions
    that wait or contradict. ``token`` changes when anything of it does.
    """

    diary: int
    recorded: dt.datetime | None
    parked: int
    stopped: int
    token: str


class Watch:
    """The freshness, at most :data:`KEPT_SECONDS` old, whoever asks."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = asyncio.Lock()
        self._read_at = -1.0
        self._fresh: Fresh | None = None

    async def current(self) -> Fresh:
        """Read it, or give what was read just now."""
        async with self._lock:
            if self._fresh is None or time.monotonic() - self._read_at > KEPT_SECONDS:
                self._fresh = await _read(self._database)
                self._read_at = time.monotonic()
            return self._fresh

    async def changed(self, seen: str, seconds: float) -> Fresh:
        """Wait until the token is another than ``seen``, or the time is over."""
        deadline = time.monotonic() + seconds
        while True:
            fresh = await self.current()
            if fresh.token != seen or time.monotonic() > deadline:
                return fresh
            await asyncio.sleep(POLL_SECONDS)


async def _read(database: Database) -> Fresh:
    async with database.reading() as connection:
        rows = (await connection.execute(_STAND, {"name": NAME})).all()
        parked = int(await connection.scalar(_PARKED, {"name": NAME}) or 0)
    by_topic = {row.topic: row for row in rows}
    stopped = sum(row.stopped for row in rows)
    diary = by_topic.get(topics.DIARY.name)
    stands = "-".join(str(by_topic[name].position) for name in sorted(by_topic))
    version = rows[0].version if rows else 0
    return Fresh(
        diary.position if diary else 0,
        diary.recorded if diary else None,
        parked,
        stopped,
        f"{version}-{stands}-{parked}-{stopped}",
    )
