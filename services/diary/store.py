"""Statements on the diary's own tables. Writes are set-based and run inside the append transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.access import Limit

# Visits and documents, as the log moves.

_VISITS = text(
    "INSERT INTO read.visits AS stored (visit_id, service_point_id, provider_id, service_day, position, authority_ids, "
    "voided) SELECT visit_id, service_point_id, provider_id, service_day, position, string_to_array(authorities, ' '), "
    "voided FROM unnest(CAST(:visit_id AS uuid[]), CAST(:service_point_id AS text[]), CAST(:provider_id AS text[]), "
    "CAST(:service_day AS date[]), CAST(:position AS bigint[]), CAST(:authorities AS text[]), "
    "CAST(:voided AS boolean[])) AS t (visit_id, service_point_id, provider_id, service_day, position, authorities, "
    "voided) ON CONFLICT (visit_id) DO UPDATE SET provider_id = excluded.provider_id, "
    "service_day = excluded.service_day, voided = excluded.voided, "
    "authority_ids = ARRAY(SELECT DISTINCT unnest(stored.authority_ids || excluded.authority_ids) ORDER BY 1)"
)
_DOCUMENTS = text(
    "INSERT INTO read.documents (document_id, visit_id, act_no, service_point_id, provider_id, authority_id, position, "
    "stamp_id) SELECT * FROM unnest(CAST(:document_id AS uuid[]), CAST(:visit_id AS uuid[]), "
    "CAST(:act_no AS smallint[]), CAST(:service_point_id AS text[]), CAST(:provider_id AS text[]), "
    "CAST(:authority_id AS text[]), CAST(:position AS bigint[]), CAST(:stamp_id AS uuid[]))"
)
_FORWARDED = text(
    "UPDATE read.documents d SET forwarded_at = t.forwarded_at FROM unnest(CAST(:document_id AS uuid[]), "
    "CAST(:forwarded_at AS timestamptz[])) AS t (document_id, forwarded_at) WHERE d.document_id = t.document_id"
)
_SUBJECT_KEYS = text(
    "INSERT INTO private.subject_keys (subject_id, key, created) SELECT * FROM unnest(CAST(:subject_id AS uuid[]), "
    "CAST(:key AS bytea[]), CAST(:created AS timestamptz[]))"
)
_SEALED = text(
    "INSERT INTO private.documents (document_id, subject_id, sealed) SELECT * FROM unnest("
    "CAST(:document_id AS uuid[]), CAST(:subject_id AS uuid[]), CAST(:sealed AS bytea[]))"
)


class VisitRow(NamedTuple):
    """A visit as it stands after an event."""

    visit_id: UUID
    service_point_id: str
    provider_id: str
    service_day: dt.date
    position: int
    authorities: str
    voided: bool


class DocumentRow(NamedTuple):
    document_id: UUID
    visit_id: UUID
    act_no: int
    service_point_id: str
    provider_id: str
    authority_id: str
    position: int
    stamp_id: UUID | None


class SealedRow(NamedTuple):
    """A sealed description with the fresh key of its subject."""

    document_id: UUID
    subject_id: UUID
    sealed: bytes
    key: bytes
    created: dt.datetime


async def put_visits(connection: AsyncConnection, rows: Sequence[VisitRow]) -> None:
    """One row per visit: the statement may touch each only once."""
    if rows:
        await connection.execute(_VISITS, _arrays(rows))


async def put_documents(connection: AsyncConnection, rows: Sequence[DocumentRow]) -> None:
    if rows:
        await connection.execute(_DOCUMENTS, _arrays(rows))


async def put_forwarded(connection: AsyncConnection, rows: Sequence[tuple[UUID, dt.datetime]]) -> None:
    if rows:
        columns = {"document_id": [row[0] for row in rows], "forwarded_at": [row[1] for row in rows]}
        await connection.execute(_FORWARDED, columns)


async def put_sealed(connection: AsyncConnection, rows: Sequence[SealedRow]) -> None:
    if rows:
        columns = _arrays(rows)
        await connection.execute(_SUBJECT_KEYS, {name: columns[name] for name in ("subject_id", "key", "created")})
        await connection.execute(_SEALED, {name: columns[name] for name in ("document_id", "subject_id", "sealed")})


def _arrays(rows: Sequence[Any]) -> dict[str, list[Any]]:
    """Named tuples turned into one array per field, as ``unnest`` wants them."""
    return {name: list(values) for name, values in zip(rows[0]._fields, zip(*rows, strict=True), strict=True)}


# Reading.

_STREAMS = text(
    "SELECT stream, stream_version, position, recorded, type, body FROM log.events "
    "WHERE stream = ANY(CAST(:streams AS text[])) ORDER BY stream, stream_version"
)
_DOCUMENT_EVENT = text(
    "SELECT position, leaf, body, recorded FROM log.events WHERE stream = :stream AND stream_version = 1"
)


async def stream_events(connection: AsyncConnection, streams: Sequence[str]) -> Sequence[Any]:
    """Rows (stream, stream_version, position, recorded, type, body), in order within each stream."""
    return (await connection.execute(_STREAMS, {"streams": list(streams)})).all()


async def received_event(connection: AsyncConnection, document_id: UUID) -> Any:
    """Row (position, leaf, body, recorded) of the event by which a document was received, or None."""
    return (await connection.execute(_DOCUMENT_EVENT, {"stream": f"document:{document_id}"})).first()


async def visits(
    connection: AsyncConnection,
    limits: Sequence[Limit],
    *,
    service_point_id: str | None,
    day: dt.date | None,
    before: int | None,
    count: int,
) -> Sequence[Any]:
    """Rows (visit_id, position, voided …) that the limits admit, the newest entry first."""
    allowed, parameters = _where(limits)
    conditions = [f"({allowed})"]
    for name, value, condition in (
        ("point", service_point_id, "service_point_id = :point"),
        ("day", day, "service_day = :day"),
        ("before", before, "position < :before"),
    ):
        if value is not None:
            conditions.append(condition)
            parameters[name] = value
    statement = text(
        "SELECT visit_id, service_point_id, service_day, position, voided FROM read.visits "
        f"WHERE {' AND '.join(conditions)} ORDER BY position DESC LIMIT :count"
    )
    return (await connection.execute(statement, {**parameters, "count": count})).all()


async def day_totals(connection: AsyncConnection, limits: Sequence[Limit], service_point_id: str, day: dt.date) -> int:
    """How many visits stand on a day at a point, the voided left out."""
    allowed, parameters = _where(limits)
    statement = text(
        f"SELECT count(*) FROM read.visits WHERE ({allowed}) AND service_point_id = :point AND service_day = :day "
        "AND NOT voided"
    )
    return int(await connection.scalar(statement, {**parameters, "point": service_point_id, "day": day}) or 0)


def _where(limits: Sequence[Limit]) -> tuple[str, dict[str, Any]]:
    """The limits of an access rule as a condition on ``read.visits``: any of them suffices, none means nothing."""
    alternatives: list[str] = []
    parameters: dict[str, Any] = {}
    for number, limit in enumerate(limits):
        parts = ["true"]
        if limit.points is not None:
            parts.append(f"service_point_id = ANY(CAST(:points{number} AS text[]))")
            parameters[f"points{number}"] = sorted(limit.points)
        if limit.provider_id is not None:
            parts.append(f"provider_id = :provider{number}")
            parameters[f"provider{number}"] = limit.provider_id
        if limit.authority_id is not None:
            parts.append(f"authority_ids = ARRAY[CAST(:authority{number} AS text)]")
            parameters[f"authority{number}"] = limit.authority_id
        if limit.party_id is not None:
            parts.append("false")
        alternatives.append(f"({' AND '.join(parts)})")
    return " OR ".join(alternatives) or "false", parameters


async def documents_of(connection: AsyncConnection, visit_ids: Sequence[UUID]) -> Sequence[Any]:
    """Documents of visits: (document_id, visit_id, act_no, authority_id, forwarded_at)."""
    statement = text(
        "SELECT document_id, visit_id, act_no, authority_id, forwarded_at FROM read.documents "
        "WHERE visit_id = ANY(CAST(:ids AS uuid[])) ORDER BY position"
    )
    return (await connection.execute(statement, {"ids": list(visit_ids)})).all()


async def sealed_document(connection: AsyncConnection, document_id: UUID) -> Any:
    """Row (sealed, key); ``key`` is None once it has been destroyed. None if there is no such document."""
    statement = text(
        "SELECT d.sealed, k.key FROM private.documents d LEFT JOIN private.subject_keys k USING (subject_id) "
        "WHERE document_id = :id"
    )
    return (await connection.execute(statement, {"id": document_id})).first()


# Stamps.

_STAMPS = text(
    "SELECT s.stamp_id, s.service_point_id, s.recorder, s.stamped_at, s.key_id, s.signature, "
    "d.document_id IS NOT NULL AS used FROM private.stamps s LEFT JOIN read.documents d USING (stamp_id) "
    "WHERE s.stamp_id = ANY(CAST(:ids AS uuid[]))"
)
_STAMP = text(
    "INSERT INTO private.stamps (stamp_id, service_point_id, recorder, stamped_at, key_id, signature) VALUES "
    "(:stamp_id, :service_point_id, :recorder, :stamped_at, :key_id, :signature) ON CONFLICT (stamp_id) DO NOTHING"
)


async def stamps(connection: AsyncConnection, ids: Sequence[UUID]) -> Sequence[Any]:
    """Stamps with whether a document has used them."""
    return (await connection.execute(_STAMPS, {"ids": list(ids)})).all()


async def put_stamp(connection: AsyncConnection, stamp: Mapping[str, Any]) -> bool:
    """Keep a stamp; one with the same id stays as it is, and False says so."""
    return bool((await connection.execute(_STAMP, dict(stamp))).rowcount)
