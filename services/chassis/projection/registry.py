"""Versions of projections: which is read, which is being built, where each stands, and what holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.errors import Conflict, NotFound
from services.chassis.projection.model import ProjectionSpec


class TopicPosition(NamedTuple):
    """Where a projection stands in a topic.

    known: the largest position taken in; sealed: everything of the log up to here is in, in every partition.
    """

    known: int
    sealed: int


@dataclass(frozen=True, slots=True)
class PartitionPosition:
    """One partition of one version. ``state``: running, ahead, halted or forked, with the reason."""

    topic: str
    partition: int
    position: int
    leaf: bytes
    offset: int
    sealed: int
    held: int
    state: str
    reason: str


async def active_version(connection: AsyncConnection, projection: str) -> int:
    """The version that is read now."""
    version = await connection.scalar(
        text("SELECT version FROM projection.versions WHERE projection = :projection AND state = 'active'"),
        {"projection": projection},
    )
    if version is None:
        raise NotFound("projection_missing", f"Projection {projection} has no active version; run migrate.")
    return int(version)


async def active_schema(connection: AsyncConnection, projection: str) -> str:
    """The PostgreSQL schema to read from, in this transaction."""
    return f"{projection}_v{await active_version(connection, projection)}"


async def versions(connection: AsyncConnection, projection: str) -> dict[int, str]:
    """Every version that exists, and its state."""
    rows = await connection.execute(
        text("SELECT version, state FROM projection.versions WHERE projection = :projection ORDER BY version"),
        {"projection": projection},
    )
    return {row.version: row.state for row in rows}


async def partitions(connection: AsyncConnection, projection: str, version: int) -> list[PartitionPosition]:
    """Every partition of a version, by topic and number."""
    rows = await connection.execute(
        text(
            'SELECT topic, partition, position, leaf, "offset", sealed, held, state, reason FROM projection.positions '
            "WHERE projection = :projection AND version = :version ORDER BY topic, partition"
        ),
        {"projection": projection, "version": version},
    )
    return [PartitionPosition(*row) for row in rows]


async def positions(connection: AsyncConnection, projection: str) -> dict[str, TopicPosition]:
    """Where the active version stands, per topic."""
    version = await active_version(connection, projection)
    found: dict[str, TopicPosition] = {}
    for part in await partitions(connection, projection, version):
        before = found.get(part.topic)
        found[part.topic] = TopicPosition(
            max(part.position, before.known if before else 0),
            min(part.sealed, before.sealed) if before else part.sealed,
        )
    return found


async def ensure_first_version(connection: AsyncConnection, spec: ProjectionSpec, *, app_role: str) -> None:
    """Give a projection its version 1, to be read at once. Owner's work."""
    if not await versions(connection, spec.name):
        await create_version(connection, spec, 1, app_role=app_role, state="active")
        await spec.finish(connection, spec.schema(1))


async def create_version(
    connection: AsyncConnection, spec: ProjectionSpec, version: int, *, app_role: str, state: str = "building"
) -> None:
    """Tables, grants and position rows of a new version. Owner's work."""
    schema = spec.schema(version)
    await connection.execute(text(f"CREATE SCHEMA {schema}"))
    await connection.run_sync(spec.metadata(schema).create_all)
    await connection.execute(text(f"GRANT USAGE ON SCHEMA {schema} TO {app_role}"))
    await connection.execute(
        text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {app_role}")
    )
    await connection.execute(
        text("INSERT INTO projection.versions (projection, version, state) VALUES (:projection, :version, :state)"),
        {"projection": spec.name, "version": version, "state": state},
    )
    rows = [
        {"projection": spec.name, "version": version, "topic": source.topic.name, "partition": partition}
        for source in spec.sources
        for partition in range(source.topic.partitions)
    ]
    await connection.execute(
        text(
            "INSERT INTO projection.positions (projection, version, topic, partition) "
            "VALUES (:projection, :version, :topic, :partition)"
        ),
        rows,
    )


async def mark_ready(connection: AsyncConnection, projection: str, version: int) -> None:
    """A built version has caught up: the service's own projectors take it over."""
    await connection.execute(
        text(
            "UPDATE projection.versions SET state = 'ready' "
            "WHERE projection = :projection AND version = :version AND state = 'building'"
        ),
        {"projection": projection, "version": version},
    )


async def switch(connection: AsyncConnection, projection: str, version: int) -> None:
    """Read from ``version`` from now on; what was read stays beside it, folding on, until dropped. One statement."""
    switched = await connection.execute(
        text(
            "UPDATE projection.versions SET state = CASE WHEN version = :version THEN 'active' ELSE 'standby' END, "
            "switched = now() WHERE projection = :projection AND (state = 'active' OR version = :version) "
            "AND EXISTS (SELECT FROM projection.versions WHERE projection = :projection AND version = :version "
            "AND state IN ('ready', 'standby', 'active'))"
        ),
        {"projection": projection, "version": version},
    )
    if not switched.rowcount:
        raise Conflict("version_not_ready", f"Version {version} of {projection} is not ready to be read.")


async def drop(connection: AsyncConnection, spec: ProjectionSpec, version: int) -> None:
    """Remove a version that nobody reads. Owner's work."""
    state = (await versions(connection, spec.name)).get(version)
    if state is None:
        raise NotFound("version_missing", f"{spec.name} has no version {version}.")
    if state == "active":
        raise Conflict("version_active", f"Version {version} of {spec.name} is being read; switch first.")
    for table in ("parked", "positions", "versions"):
        await connection.execute(
            text(f"DELETE FROM projection.{table} WHERE projection = :projection AND version = :version"),
            {"projection": spec.name, "version": version},
        )
    await connection.execute(text(f"DROP SCHEMA {spec.schema(version)} CASCADE"))


async def hold(connection: AsyncConnection, projection: str) -> dict[str, int]:
    """Let no version fold beyond the furthest position of any, per topic; returns these positions.

    The position rows are locked first, so that a batch under way is either counted or sees the hold.
    """
    rows = await connection.execute(
        text(
            "SELECT topic, position FROM projection.positions WHERE projection = :projection "
            "ORDER BY version, topic, partition FOR UPDATE"
        ),
        {"projection": projection},
    )
    furthest: dict[str, int] = {}
    for row in rows:
        furthest[row.topic] = max(row.position, furthest.get(row.topic, 0))
    for topic, position in furthest.items():
        await connection.execute(
            text(
                "INSERT INTO projection.holds (projection, topic, position) VALUES (:projection, :topic, :position) "
                "ON CONFLICT (projection, topic) DO UPDATE SET position = excluded.position, since = now()"
            ),
            {"projection": projection, "topic": topic, "position": position},
        )
    return furthest


async def release(connection: AsyncConnection, projection: str) -> None:
    """Go on folding."""
    await connection.execute(
        text("DELETE FROM projection.holds WHERE projection = :projection"), {"projection": projection}
    )


async def held(connection: AsyncConnection, projection: str) -> dict[str, int]:
    """The holds in force, per topic."""
    rows = await connection.execute(
        text("SELECT topic, position FROM projection.holds WHERE projection = :projection"), {"projection": projection}
    )
    return {row.topic: row.position for row in rows}


async def parked_counts(connection: AsyncConnection, projection: str) -> dict[int, int]:
    """How many records each version has put aside and not yet applied; no entry means none."""
    rows = await connection.execute(
        text(
            "SELECT version, count(*) AS parked FROM projection.parked "
            "WHERE projection = :projection AND applied IS NULL GROUP BY version"
        ),
        {"projection": projection},
    )
    return {row.version: row.parked for row in rows}
