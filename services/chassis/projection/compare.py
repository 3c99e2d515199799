"""Two versions of a projection compared row by row. Rows whose counts are all zero count as absent."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.projection.model import ProjectionSpec


async def versions(
    connection: AsyncConnection, spec: ProjectionSpec, left: int, right: int
) -> tuple[dict[str, int], dict[str, int]]:
    """Rows of each compared table in ``left``, and rows that stand in only one of the two or differ."""
    rows: dict[str, int] = {}
    differing: dict[str, int] = {}
    for table in spec.compared:
        one, other = (f"{spec.schema(version)}.{table}" for version in (left, right))
        columns = [column.name for column in spec.metadata("any").tables[f"any.{table}"].columns]
        counts = [name for name in columns if name in spec.counts.get(table, ())]
        present = " OR ".join(f"{name} <> 0" for name in counts) or "true"
        chosen = ", ".join(f'"{name}"' for name in columns)
        rows[table] = int(await connection.scalar(text(f"SELECT count(*) FROM {one} WHERE {present}")) or 0)
        difference = (
            f"SELECT count(*) FROM ((SELECT {chosen} FROM {one} WHERE {present} EXCEPT ALL "
            f"SELECT {chosen} FROM {other} WHERE {present}) UNION ALL (SELECT {chosen} FROM {other} WHERE {present} "
            f"EXCEPT ALL SELECT {chosen} FROM {one} WHERE {present})) AS d"
        )
        differing[table] = int(await connection.scalar(text(difference)) or 0)
    return rows, differing
