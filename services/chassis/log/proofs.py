"""Proofs read from the log's tables: inclusion, and signed checkpoints (C2SP tlog-checkpoint).

Laws: a checkpoint is signed only over what is committed, since only committed rows are read; it is stored before it is
shown, and a stored one is never signed again. So the same event is always proven by the same checkpoint: the smallest
stored one that covers it, which makes a receipt the same whenever it is asked for (R23).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis import clock
from services.chassis.db import Database
from services.chassis.evidence.merkle import Frontier
from services.chassis.evidence.proofs import TileRead, inclusion_proof, inclusion_reads, reader_over
from services.chassis.evidence.signing import Checkpoint, SigningKey, sign_checkpoint

LOG = ""
"""The tree of the log itself; every other tree is a feed, by its authority."""

_COVERING = text("SELECT size, note, signed FROM log.checkpoints WHERE size >= :size ORDER BY size LIMIT 1")
_HEAD = text("SELECT position, frontier FROM log.head")
_STORE = text(
    "INSERT INTO log.checkpoints (size, note, signed) VALUES (:size, :note, :signed) ON CONFLICT (size) DO NOTHING"
)
_LEAVES = text("SELECT position - 1 AS at, leaf AS hash FROM log.events WHERE position > :first AND position <= :last")
_ENTRIES = text(
    "SELECT sequence - 1 AS at, leaf AS hash FROM log.feed_entries "
    "WHERE feed = :tree AND sequence > :first AND sequence <= :last"
)
_NODES = text(
    'SELECT "index" AS at, hash FROM log.nodes '
    'WHERE tree = :tree AND level = :level AND "index" >= :first AND "index" < :last'
)


class StoredCheckpoint(NamedTuple):
    """A signed checkpoint as stored. ``signed`` is our clock: what it covers was recorded no later."""

    size: int
    note: str
    signed: dt.datetime


async def covering_checkpoint(
    database: Database, origin: str, position: int, signer: SigningKey
) -> StoredCheckpoint | None:
    """The smallest stored checkpoint that covers ``position``, made now if there is none.

    None if the log is not yet that long. ``origin`` names the log (``apudiaari/diary``).
    """
    async with database.reading() as connection:
        found = await _covering(connection, position)
        head = (await connection.execute(_HEAD)).one()
    if found is not None or head.position < position:
        return found
    frontier = Frontier.from_bytes(head.frontier)
    note = sign_checkpoint(Checkpoint(origin, frontier.size, frontier.root()), [signer])
    async with database.transaction() as connection:
        await connection.execute(_STORE, {"size": frontier.size, "note": note, "signed": clock.now()})
    async with database.reading() as connection:
        return await _covering(connection, position)


async def _covering(connection: AsyncConnection, position: int) -> StoredCheckpoint | None:
    row = (await connection.execute(_COVERING, {"size": position})).first()
    return StoredCheckpoint(row.size, row.note, row.signed) if row else None


async def inclusion(connection: AsyncConnection, index: int, size: int, tree: str = LOG) -> list[bytes]:
    """The RFC 9162 path of leaf ``index`` (position or sequence − 1) in the tree of its first ``size`` leaves."""
    stored = await _stored(connection, tree, inclusion_reads(index, size))
    return inclusion_proof(index, size, reader_over(stored))


async def _stored(connection: AsyncConnection, tree: str, reads: Sequence[TileRead]) -> dict[tuple[int, int], bytes]:
    """The hashes that a proof reads: at most two tiles per level, so a handful of short range scans."""
    found: dict[tuple[int, int], bytes] = {}
    for level, first, last in reads:
        statement = _NODES if level else (_LEAVES if tree == LOG else _ENTRIES)
        bounds: dict[str, object] = {"first": first, "last": last}
        if level:
            bounds |= {"tree": tree, "level": level}
        elif tree != LOG:
            bounds["tree"] = tree
        rows = await connection.execute(statement, bounds)
        found.update({(level, row.at): row.hash for row in rows})
    return found
