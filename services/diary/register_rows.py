"""Reading what the projection of the agreements log holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas import topics
from services.diary.register_tables import NAME, TABLES

_KNOWN = text(
    "SELECT v.version, p.position FROM projection.versions v JOIN projection.positions p USING (projection, version) "
    "WHERE v.projection = :projection AND v.state = 'active' AND p.topic = :topic"
)


class Known(NamedTuple):
    """Which version of the register is read, and the position of the agreements log that it stands at."""

    version: int
    position: int


async def register_position(connection: AsyncConnection) -> Known:
    """Where the register stands; position 0 before its first event."""
    row = (await connection.execute(_KNOWN, {"projection": NAME, "topic": topics.AGREEMENTS.name})).first()
    return Known(row.version, row.position) if row else Known(0, 0)


async def register_rows(connection: AsyncConnection, known: Known, after: int) -> dict[str, Sequence[Any]]:
    """Rows per table that came after position ``after``, in log order, up to what is known."""
    bounds = {"after": after, "until": known.position}
    schema = f"{NAME}_v{known.version}"
    rows: dict[str, Sequence[Any]] = {}
    for table in TABLES:
        statement = text(
            f"SELECT * FROM {schema}.{table} WHERE position > :after AND position <= :until ORDER BY position"
        )
        rows[table] = (await connection.execute(statement, bounds)).all()
    return rows
