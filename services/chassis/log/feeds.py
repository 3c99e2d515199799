"""What one commissioning authority may see of the log: its own copies, dense from 1, and the manifest of each day."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.clock import day_bounds, helsinki_day
from services.chassis.db import Database
from services.chassis.errors import NotFound
from services.chassis.evidence.manifest import build_manifest
from services.chassis.evidence.signing import SigningKey
from services.chassis.log import trees

MAX_PAGE = 1000

_CLOSE = text("UPDATE log.head SET recorded = :end WHERE recorded < :end")
"""Waits for an append under way, and lets no later one be recorded on the day, whoever's clock is behind."""


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Part of a feed. ``head`` is its last sequence now; ``events`` the exact bytes of the copies."""

    feed: str
    head: int
    events: list[bytes]

    def json(self) -> bytes:
        """The answer's bytes: the copies stand in it as they are."""
        return b'{"feed":%b,"head":%d,"events":[%b]}' % (orjson.dumps(self.feed), self.head, b",".join(self.events))


async def page(connection: AsyncConnection, feed: str, after: int, limit: int) -> FeedPage:
    """The next copies after a sequence; an authority without any has head 0 and no events."""
    head = await connection.scalar(text("SELECT sequence FROM log.feed_heads WHERE feed = :feed"), {"feed": feed})
    rows = await connection.scalars(
        text(
            "SELECT body FROM log.feed_entries WHERE feed = :feed AND sequence > :after ORDER BY sequence LIMIT :limit"
        ),
        {"feed": feed, "after": after, "limit": min(limit, MAX_PAGE)},
    )
    return FeedPage(feed, int(head or 0), list(rows.all()))


async def manifest(
    database: Database, service: str, feed: str, day: dt.date, key: SigningKey, now: dt.datetime
) -> tuple[bytes, bool]:
    """The signed manifest of a day, and whether the day is over. A finished day is signed once and kept.

    Raises NotFound for a day that has not begun.
    """
    today = helsinki_day(now)
    if day > today:
        raise NotFound("day_not_begun", "The day has not begun; ask for today or an earlier day.", pointer="/day")
    async with database.transaction() as connection:
        if day < today:
            await connection.execute(_CLOSE, {"end": day_bounds(day)[1]})
        kept = await connection.scalar(
            text("SELECT body FROM log.manifests WHERE feed = :feed AND day = :day"), {"feed": feed, "day": day}
        )
        if kept is not None:
            return bytes(kept), True
        body = await _build(connection, f"apudiaari/{service}/authority/{feed}", feed, day, key)
        if day < today:
            await connection.execute(
                text("INSERT INTO log.manifests (feed, day, body) VALUES (:feed, :day, :body) ON CONFLICT DO NOTHING"),
                {"feed": feed, "day": day, "body": body},
            )
    return body, day < today


async def _build(connection: AsyncConnection, origin: str, feed: str, day: dt.date, key: SigningKey) -> bytes:
    row = (
        await connection.execute(
            text(
                "SELECT coalesce(max(sequence) FILTER (WHERE day < :day), 0) AS before, "
                "coalesce(max(sequence), 0) AS last FROM log.feed_entries WHERE feed = :feed AND day <= :day"
            ),
            {"feed": feed, "day": day},
        )
    ).one()
    before = await trees.frontier(connection, feed, row.before)
    after = await trees.frontier(connection, feed, row.last)
    return orjson.dumps(build_manifest(origin, day, before, after, key.key_id, key.sign))
