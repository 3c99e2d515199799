"""Statements of the relay. It reads the log and the feeds, and writes only its hints."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.db import Database, Row, fetch
from services.chassis.evidence.merkle import Frontier
from services.chassis.log.store import IDENTITY
from services.chassis.rule import Link, Tail
from services.chassis.transport import Where

LEADER_LOCK = 0x61707564  # "apud": any number that nothing else in the database locks.


@dataclass(frozen=True, slots=True)
class LogHead:
    """The end of the log at one moment: position, root of the tree, and where each partition ends."""

    position: int
    root: bytes
    recorded: dt.datetime
    tails: tuple[Tail, ...]


@asynccontextmanager
async def leadership(url: str) -> AsyncIterator[Callable[[], bool]]:
    """Whether this process leads, to be asked again and again in the block: the lock dies with its connection."""
    connection = await asyncpg.connect(url, timeout=5)
    try:
        got = bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", LEADER_LOCK))
        yield lambda: got and not connection.is_closed()
    finally:
        await connection.close(timeout=2)


async def head(connection: AsyncConnection) -> LogHead:
    """The end of the log."""
    row = (
        await connection.execute(text("SELECT position, recorded, frontier, tail_positions, tail_leaves FROM log.head"))
    ).one()
    tails = tuple(Tail(position, leaf) for position, leaf in zip(row.tail_positions, row.tail_leaves, strict=True))
    return LogHead(row.position, Frontier.from_bytes(row.frontier).root(), row.recorded, tails)


async def feeds(connection: AsyncConnection) -> list[str]:
    """Every feed that has an entry."""
    return list((await connection.scalars(text("SELECT feed FROM log.feed_heads ORDER BY feed"))).all())


_EVENTS_AFTER = (
    "SELECT partition, position, key, previous_position, previous_leaf, leaf, body, trace "
    "FROM log.events WHERE position > $1 ORDER BY position LIMIT $2"
)
_ENTRIES_AFTER = (
    "SELECT e.feed, e.sequence AS position, e.feed AS key, e.sequence - 1 AS previous_position, "
    "e.previous_leaf, e.leaf, e.body, '' AS trace "
    "FROM unnest($1::text[], $2::bigint[]) AS f (feed, after) "
    "JOIN log.feed_heads h ON h.feed = f.feed AND h.sequence > f.after "
    "JOIN LATERAL (SELECT * FROM log.feed_entries e WHERE e.feed = f.feed AND e.sequence > f.after "
    "ORDER BY e.sequence LIMIT $3) e ON true ORDER BY e.feed, e.sequence"
)


async def events_after(connection: AsyncConnection, position: int, limit: int) -> Sequence[Row]:
    """The next events of the log, in order; the first column is the partition."""
    return await fetch(connection, _EVENTS_AFTER, position, limit)


async def entries_after(connection: AsyncConnection, after: Mapping[str, int], limit: int) -> Sequence[Row]:
    """The next entries of every feed, each in its own order; the first column is the feed. At most ``limit`` each."""
    return await fetch(connection, _ENTRIES_AFTER, list(after), list(after.values()), limit)


async def not_in_log(connection: AsyncConnection, links: Sequence[Link]) -> str:
    """The first of ``links`` that the log does not hold with that leaf, or an empty string."""
    missing = await connection.scalar(
        text(
            "SELECT min(l.position) FROM unnest(CAST(:positions AS bigint[]), CAST(:leaves AS bytea[])) "
            "AS l (position, leaf) LEFT JOIN log.events e ON e.position = l.position AND e.leaf = l.leaf "
            "WHERE e.position IS NULL"
        ),
        {"positions": [link.position for link in links], "leaves": [link.leaf for link in links]},
    )
    return f"position {missing}" if missing is not None else ""


async def not_in_feeds(connection: AsyncConnection, links: Mapping[str, Sequence[Link]]) -> str:
    """The same for entries of feeds."""
    flat = [(feed, link.position, link.leaf) for feed, of_feed in links.items() for link in of_feed]
    row = (
        await connection.execute(
            text(
                "SELECT l.feed, l.sequence FROM unnest(CAST(:feeds AS text[]), CAST(:sequences AS bigint[]), "
                "CAST(:leaves AS bytea[])) AS l (feed, sequence, leaf) LEFT JOIN log.feed_entries e "
                "ON e.feed = l.feed AND e.sequence = l.sequence AND e.leaf = l.leaf WHERE e.feed IS NULL "
                "ORDER BY l.feed, l.sequence LIMIT 1"
            ),
            {"feeds": [f for f, _, _ in flat], "sequences": [s for _, s, _ in flat], "leaves": [h for _, _, h in flat]},
        )
    ).first()
    return f"entry {row.sequence} of feed {row.feed}" if row else ""


async def mark_compared(database: Database) -> None:
    """Store and topic agree: appending may begin on this store (see ``log.append``)."""
    async with database.transaction() as connection:
        await connection.execute(
            text(f"UPDATE log.head SET store_identity = {IDENTITY} WHERE store_identity IS DISTINCT FROM {IDENTITY}")
        )


async def remembered(connection: AsyncConnection, cluster: str) -> dict[Where, tuple[int, Tail]]:
    """Offsets last read back on this very cluster, and what stood there."""
    rows = await connection.execute(
        text('SELECT topic, partition, "offset", position, leaf FROM log.relayed WHERE cluster_id = :cluster'),
        {"cluster": cluster},
    )
    return {(row.topic, row.partition): (row.offset, Tail(row.position, row.leaf)) for row in rows}


async def remember(database: Database, cluster: str, places: Sequence[tuple[Where, int, Tail]]) -> None:
    """Keep the hints. Losing them costs reading the topic once more."""
    async with database.transaction() as connection:
        await connection.execute(
            text(
                'INSERT INTO log.relayed (topic, partition, cluster_id, "offset", position, leaf) '
                "SELECT t, p, :cluster, o, s, l FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS smallint[]), "
                "CAST(:offsets AS bigint[]), CAST(:positions AS bigint[]), CAST(:leaves AS bytea[])) "
                "AS r (t, p, o, s, l) "
                "ORDER BY t, p ON CONFLICT (topic, partition) DO UPDATE SET cluster_id = excluded.cluster_id, "
                '"offset" = excluded."offset", position = excluded.position, leaf = excluded.leaf'
            ),
            {
                "cluster": cluster,
                "topics": [topic for (topic, _), _, _ in places],
                "partitions": [partition for (_, partition), _, _ in places],
                "offsets": [offset for _, offset, _ in places],
                "positions": [tail.position for _, _, tail in places],
                "leaves": [tail.leaf for _, _, tail in places],
            },
        )
