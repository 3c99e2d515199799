"""Records that statistics put aside. Folds are additive, so each can be applied later, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from services.chassis.db import Database
from services.chassis.projection.decode import Raw, decode_records
from services.chassis.projection.model import ProjectionSpec

LIMIT = 1000


async def listed(database: Database, spec: ProjectionSpec) -> Sequence[Any]:
    """Records of any version that were put aside and not applied, the oldest first; at most 1,000."""
    async with database.reading() as connection:
        rows = await connection.execute(
            text(
                "SELECT version, topic, partition, position, reason, body, parked FROM projection.parked "
                "WHERE projection = :projection AND applied IS NULL "
                "ORDER BY version, topic, partition, position LIMIT :limit"
            ),
            {"projection": spec.name, "limit": LIMIT},
        )
        return rows.all()


async def retry(database: Database, spec: ProjectionSpec) -> tuple[int, int]:
    """Try every parked record again; (applied, still refused). Each stands or falls alone."""
    applied = refused = 0
    for record in await listed(database, spec):
        raw = Raw(record.position, record.partition, bytes(record.body))
        decoded = decode_records(spec.source(record.topic), [raw])
        if decoded.poison:
            refused += 1
            continue
        async with database.transaction() as connection:
            fresh = await connection.execute(
                text(
                    "UPDATE projection.parked SET applied = now() WHERE projection = :projection "
                    "AND version = :version AND topic = :topic AND partition = :partition AND position = :position "
                    "AND applied IS NULL"
                ),
                {
                    "projection": spec.name,
                    "version": record.version,
                    "topic": record.topic,
                    "partition": record.partition,
                    "position": record.position,
                },
            )
            if fresh.rowcount and decoded.frame.height:
                deltas = spec.fold(record.topic, decoded.frame.drop("row"))
                await spec.write(connection, spec.schema(record.version), deltas)
            applied += 1
    return applied, refused
