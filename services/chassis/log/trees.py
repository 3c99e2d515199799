"""Reading a stored tree: leaves are the events' (or the copies') own, upper nodes are the completed tiles."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.evidence.merkle import Frontier
from services.chassis.evidence.proofs import Read, TileRead, frontier_at, frontier_reads, reader_over

LOG = ""
"""The name of the log's own tree; a feed's tree is named by the feed."""

_LOG_LEAVES = "SELECT 0 AS level, position - 1 AS index, leaf AS hash FROM log.events WHERE position - 1 = ANY(:leaves)"
_FEED_LEAVES = (
    "SELECT 0 AS level, sequence - 1 AS index, leaf AS hash FROM log.feed_entries "
    "WHERE feed = :tree AND sequence - 1 = ANY(:leaves)"
)
_NODES = (
    'SELECT n.level, n."index", n.hash FROM log.nodes n JOIN unnest(CAST(:levels AS smallint[]), '
    'CAST(:indexes AS bigint[])) AS w (level, index) ON n.level = w.level AND n."index" = w.index WHERE n.tree = :tree'
)


async def reader(connection: AsyncConnection, tree: str, reads: Sequence[TileRead]) -> Read:
    """Fetch what a proof will read, in two queries. At most 512 hashes per tile level."""
    leaves = [index for read in reads if read.level == 0 for index in range(read.first, read.last)]
    nodes = [(read.level, index) for read in reads if read.level for index in range(read.first, read.last)]
    rows = await connection.execute(
        text(_LOG_LEAVES if tree == LOG else _FEED_LEAVES),
        {"tree": tree, "leaves": leaves} if tree else {"leaves": leaves},
    )
    stored: dict[tuple[int, int], bytes] = {(level, index): hashed for level, index, hashed in rows}
    if nodes:
        rows = await connection.execute(
            text(_NODES),
            {"tree": tree, "levels": [level for level, _ in nodes], "indexes": [index for _, index in nodes]},
        )
        stored |= {(level, index): hashed for level, index, hashed in rows}
    return reader_over(stored)


async def frontier(connection: AsyncConnection, tree: str, size: int) -> Frontier:
    """The tree as it was at ``size`` leaves."""
    return frontier_at(size, await reader(connection, tree, frontier_reads(size)))
