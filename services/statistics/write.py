"""Writing cells. Two ways to the same sums: beside a key they are added in place, without one they are appended.

Laws:
- A version under construction has no keys on its cubes: each batch is one COPY per cube, and a cell may lie in several
  rows. :func:`finish` adds the rows up, once, and makes the keys. Readers sum in any case.
- Whether there is a key is asked under the lock that :func:`finish` must wait for, so that no batch is appended to a
  cube that has one.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.projection.model import Deltas
from services.chassis.projection.write import add_frame, copy_frame, replace_frame
from services.statistics.cubes import CUBES, NAMES


async def write(connection: AsyncConnection, schema: str, deltas: Deltas) -> None:
    """Add the cells and keep the newest names, in tables' order, so that two writers never wait in a ring."""
    cubes = [name for name in CUBES if name in deltas]
    keyed = await _keyed(connection, schema, cubes) if cubes else False
    for name in cubes:
        if keyed:
            await add_frame(connection, schema, name, deltas[name], key=tuple(CUBES[name][0]))
        else:
            await copy_frame(connection, schema, name, deltas[name])
    for name in NAMES:
        if name in deltas:
            key = tuple(NAMES[name][0])
            await replace_frame(connection, schema, name, deltas[name], key=key, newest_by="position")


async def _keyed(connection: AsyncConnection, schema: str, cubes: list[str]) -> bool:
    """Whether the version is finished. Holds off :func:`finish` until the transaction ends."""
    names = ", ".join(f"{schema}.{name}" for name in cubes)
    await connection.execute(text(f"LOCK TABLE {names} IN ROW EXCLUSIVE MODE"))
    return bool(
        await connection.scalar(text("SELECT to_regclass(:key) IS NOT NULL"), {"key": f"{schema}.{cubes[0]}_key"})
    )


async def finish(connection: AsyncConnection, schema: str) -> None:
    """Add up what lies in several rows, and make the keys. Owner's work; may be repeated."""
    names = ", ".join(f"{schema}.{name}" for name in CUBES)
    await connection.execute(text(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE"))
    await connection.execute(text("SET LOCAL work_mem = '256MB'"))
    await connection.execute(text("SET LOCAL maintenance_work_mem = '256MB'"))
    for name, (key, counts) in CUBES.items():
        await _finish_cube(connection, schema, name, ", ".join(key), counts)


async def _finish_cube(connection: AsyncConnection, schema: str, name: str, key: str, counts: tuple[str, ...]) -> None:
    if await connection.scalar(text("SELECT to_regclass(:key)"), {"key": f"{schema}.{name}_key"}):
        return
    sums = ", ".join(f"sum({count})::bigint AS {count}" for count in counts)
    present = " OR ".join(f"sum({count}) <> 0" for count in counts)
    for statement in (
        f"CREATE TEMPORARY TABLE summed ON COMMIT DROP AS SELECT {key}, {sums} FROM {schema}.{name} "
        f"GROUP BY {key} HAVING {present} ORDER BY {key}",
        f"TRUNCATE {schema}.{name}",
        f"INSERT INTO {schema}.{name} ({key}, {', '.join(counts)}) SELECT * FROM summed",
        "DROP TABLE summed",
        f"CREATE UNIQUE INDEX {name}_key ON {schema}.{name} ({key})",
        f"ALTER TABLE {schema}.{name} SET (fillfactor = 90)",
        f"ANALYZE {schema}.{name}",
    ):
        await connection.execute(text(statement))
