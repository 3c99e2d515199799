"""Statements on the log tables. Set-based: no statement here is ever run in a loop over events."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.db import copy_rows
from services.chassis.evidence.merkle import Frontier, StoredNode

RENDERER = 1
"""Version of the code that renders the authorities' copies; stored with each copy."""


@dataclass(slots=True)
class Head:
    """Where the log ends: the values of the one row that every append locks first.

    ``here``: which store this is; ``compared``: the store that was last compared with the topic.
    """

    position: int
    recorded: dt.datetime
    frontier: Frontier
    tail_positions: list[int]
    tail_leaves: list[bytes]
    compared: str
    here: str


@dataclass(slots=True)
class FeedHead:
    """Where a feed ends. ``leaf`` is empty before the first entry."""

    sequence: int
    leaf: bytes
    frontier: Frontier


IDENTITY = (
    "(SELECT system_identifier FROM pg_control_system()) || '/' || "
    "left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) || '/' || "
    "(SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""Which store this is: cluster, timeline and database. A restore or a copy changes one of them, a restart none."""

_LOCK = text(
    "SELECT position, recorded, frontier, tail_positions, tail_leaves, store_identity AS compared, "
    f"{IDENTITY} AS here FROM log.head FOR UPDATE"
)
_COMPARED = text(f"SELECT store_identity = {IDENTITY} OR (position = 0 AND store_identity = '') FROM log.head")
_KNOWN = text("SELECT command_id, digest, answer FROM log.commands WHERE command_id = ANY(CAST(:ids AS uuid[]))")
_STREAMS = text(
    "SELECT stream, stream_version, type, body FROM log.events WHERE stream = ANY(CAST(:streams AS text[])) "
    "ORDER BY stream, stream_version"
)
_FEEDS = text("SELECT feed, sequence, leaf, frontier FROM log.feed_heads WHERE feed = ANY(CAST(:feeds AS text[]))")
_MOVE = text(
    "UPDATE log.head SET position = :position, recorded = :recorded, frontier = :frontier, "
    "tail_positions = :tail_positions, tail_leaves = :tail_leaves, store_identity = :compared"
)
_FEED_HEADS = text(
    "INSERT INTO log.feed_heads (feed, sequence, leaf, frontier) SELECT * FROM unnest(CAST(:feed AS text[]), "
    "CAST(:sequence AS bigint[]), CAST(:leaf AS bytea[]), CAST(:frontier AS bytea[])) ON CONFLICT (feed) DO UPDATE "
    "SET sequence = excluded.sequence, leaf = excluded.leaf, frontier = excluded.frontier"
)
_NODES = text(
    'INSERT INTO log.nodes (tree, level, "index", hash) SELECT * FROM unnest(CAST(:tree AS text[]), '
    "CAST(:level AS smallint[]), CAST(:index AS bigint[]), CAST(:hash AS bytea[]))"
)


async def store_compared(connection: AsyncConnection) -> bool:
    """Whether this store may be appended to: it is the one that was compared, or was never written to."""
    return bool(await connection.scalar(_COMPARED))


async def lock_head(connection: AsyncConnection) -> Head:
    """Lock the log. Everybody else who wants to append waits here."""
    row = (await connection.execute(_LOCK)).one()
    return Head(
        row.position,
        row.recorded,
        Frontier.from_bytes(row.frontier),
        list(row.tail_positions),
        list(row.tail_leaves),
        row.compared,
        row.here,
    )


async def move_head(connection: AsyncConnection, head: Head) -> None:
    await connection.execute(
        _MOVE,
        {
            "position": head.position,
            "recorded": head.recorded,
            "frontier": head.frontier.to_bytes(),
            "tail_positions": head.tail_positions,
            "tail_leaves": head.tail_leaves,
            "compared": head.compared,
        },
    )


async def known_commands(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, tuple[bytes, dict[str, Any]]]:
    """Digest and first answer of those of ``ids`` that were carried out before."""
    rows = await connection.execute(_KNOWN, {"ids": list(ids)})
    return {row.command_id: (row.digest, row.answer) for row in rows}


async def stream_events(connection: AsyncConnection, streams: Iterable[str]) -> Sequence[Any]:
    """Rows (stream, stream_version, type, body) of the streams, in order."""
    return (await connection.execute(_STREAMS, {"streams": list(streams)})).all()


async def feed_heads(connection: AsyncConnection, feeds: Iterable[str]) -> dict[str, FeedHead]:
    """Heads of the feeds; a feed without entries starts at 0."""
    wanted = list(feeds)
    heads = {feed: FeedHead(0, b"", Frontier()) for feed in wanted}
    for row in await connection.execute(_FEEDS, {"feeds": wanted}):
        heads[row.feed] = FeedHead(row.sequence, row.leaf, Frontier.from_bytes(row.frontier))
    return heads


async def insert_events(connection: AsyncConnection, rows: Sequence[tuple[Any, ...]]) -> None:
    """COPY rows of ``EVENT_COLUMNS``: half the CPU of an INSERT over arrays (ADR 0003)."""
    await copy_rows(connection, "log", "events", EVENT_COLUMNS, rows)


async def insert_commands(connection: AsyncConnection, rows: Sequence[tuple[UUID, bytes, int, dict[str, Any]]]) -> None:
    """COPY rows (command id, digest, position, answer)."""
    encoded = [(ident, digest, position, orjson.dumps(answer).decode()) for ident, digest, position, answer in rows]
    await copy_rows(connection, "log", "commands", ("command_id", "digest", "position", "answer"), encoded)


async def insert_entries(connection: AsyncConnection, rows: Sequence[tuple[Any, ...]]) -> None:
    """COPY rows of ``ENTRY_COLUMNS``."""
    await copy_rows(connection, "log", "feed_entries", ENTRY_COLUMNS, rows)


async def move_feeds(connection: AsyncConnection, heads: dict[str, FeedHead]) -> None:
    rows = [(feed, head.sequence, head.leaf, head.frontier.to_bytes()) for feed, head in sorted(heads.items())]
    await connection.execute(_FEED_HEADS, _columns(rows, ("feed", "sequence", "leaf", "frontier")))


async def insert_nodes(connection: AsyncConnection, completed: Sequence[tuple[str, StoredNode]]) -> None:
    if completed:
        rows = [(tree, node.level, node.index, node.hash) for tree, node in completed]
        await connection.execute(_NODES, _columns(rows, ("tree", "level", "index", "hash")))


EVENT_COLUMNS = (
    "position", "event_id", "stream", "stream_version", "type", "key", "partition", "previous_position",
    "previous_leaf", "recorded", "command_id", "leaf", "body", "trace",
)  # fmt: skip
ENTRY_COLUMNS = ("feed", "sequence", "position", "recorded", "day", "renderer", "leaf", "previous_leaf", "body")


def _columns(rows: Sequence[tuple[Any, ...]], names: Sequence[str]) -> dict[str, list[Any]]:
    """Rows turned into one array per column, as ``unnest`` wants them."""
    return {name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}
