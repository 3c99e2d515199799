"""Reads of the register and the agreements: rows as the API and the pages show them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.access import Limit
from services.chassis.errors import Invalid

STATES = ("draft", "upcoming", "in_force", "ended")
AWAITING = "awaiting"
"""Not a state but a filter: a draft or an amendment waits for somebody's approval."""
_STATE = (
    "CASE WHEN a.newest_in_force IS NULL THEN 'draft' WHEN a.valid_from > CAST(:today AS date) THEN 'upcoming' "
    "WHEN a.ends < CAST(:today AS date) THEN 'ended' ELSE 'in_force' END"
)
_VISIBLE = (
    "EXISTS (SELECT 1 FROM read.agreement_parties p WHERE p.agreement_id = a.agreement_id "
    "AND p.since <= CAST(:today AS date) AND p.party_id = ANY(CAST(:mine AS text[])))"
)


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of agreements is narrowed to."""

    party: str | None = None
    point: str | None = None
    state: str | None = None

    def __post_init__(self) -> None:
        if self.state is not None and self.state not in (*STATES, AWAITING):
            detail = f"Use one of {', '.join((*STATES, AWAITING))}."
            raise Invalid("state_unknown", detail, pointer="/query/state")


def _conditions(limits: Sequence[Limit], filters: Filters) -> tuple[list[str], dict[str, Any]]:
    where: list[str] = []
    values: dict[str, Any] = {}
    if not any(limit.everything for limit in limits):
        where.append(_VISIBLE)
        values["mine"] = [limit.party_id for limit in limits if limit.party_id]
    if filters.party is not None:
        where.append(
            "EXISTS (SELECT 1 FROM read.agreement_parties q WHERE q.agreement_id = a.agreement_id "
            "AND q.party_id = CAST(:party AS text) AND q.since <= CAST(:today AS date))"
        )
        values["party"] = filters.party
    if filters.point is not None:
        where.append("a.service_point_ids @> ARRAY[CAST(:point AS text)]")
        values["point"] = filters.point
    if filters.state == AWAITING:
        where.append("a.open_version IS NOT NULL")
    elif filters.state is not None:
        where.append(f"{_STATE} = CAST(:state AS text)")
        values["state"] = filters.state
    return where, values


async def list_agreements(
    connection: AsyncConnection,
    limits: Sequence[Limit],
    filters: Filters,
    today: dt.date,
    *,
    after: UUID | None = None,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Agreements that one of the limits admits, by id; as they are known now and stand on ``today``."""
    where, values = _conditions(limits, filters)
    values["today"] = today
    if after is not None:
        where.append("a.agreement_id > CAST(:after AS uuid)")
        values["after"] = after
    if limit is not None:
        values["limit"] = limit
    statement = (
        f"SELECT a.agreement_id, a.provider_id, a.commissioner_ids, a.service_point_ids, a.valid_from, a.ends, "
        f"a.newest_in_force AS version, a.open_version, a.waiting_for, {_STATE} AS state FROM read.agreements a "
        f"{'WHERE ' + ' AND '.join(where) if where else ''} ORDER BY a.agreement_id "
        f"{'LIMIT :limit' if limit is not None else ''}"
    )
    return [dict(row) for row in (await connection.execute(text(statement), values)).mappings()]


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version as stored, with its approvals. ``known_*`` are null until it is in force."""

    version: int
    effective_from: dt.date
    signed_on: dt.date | None
    agreement: dict[str, Any]
    terms: dict[str, Any]
    proposed_position: int
    proposed_at: dt.datetime
    known_position: int | None
    known_at: dt.datetime | None
    approvals: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class AgreementRows:
    """All that was ever recorded of an agreement, and who may see it today."""

    agreement_id: UUID
    party_ids: frozenset[str]
    ends: dt.date | None
    open_version: int | None
    waiting_for: tuple[str, ...]
    versions: tuple[VersionRow, ...]
    termination: dict[str, Any] | None


_SUMMARY = text("SELECT ends, open_version, waiting_for FROM read.agreements WHERE agreement_id = :id")
_PARTIES = text("SELECT party_id FROM read.agreement_parties WHERE agreement_id = :id AND since <= :today")
_VERSIONS = text("SELECT * FROM read.agreement_versions WHERE agreement_id = :id ORDER BY version")
_APPROVALS = text("SELECT * FROM read.approvals WHERE agreement_id = :id ORDER BY position")
_TERMINATION = text(
    "SELECT last_day, notice_by, notice_on, position, recorded_at FROM read.terminations WHERE agreement_id = :id"
)


async def agreement(connection: AsyncConnection, agreement_id: UUID, today: dt.date) -> AgreementRows | None:
    """Everything of one agreement, or None. Five reads by key; call it in one snapshot."""
    key = {"id": agreement_id}
    summary = (await connection.execute(_SUMMARY, key)).first()
    if summary is None:
        return None
    parties = (await connection.execute(_PARTIES, {**key, "today": today})).scalars()
    approved: dict[int, list[dict[str, Any]]] = {}
    for row in (await connection.execute(_APPROVALS, key)).mappings():
        each = {"party_id": row["party_id"], "position": row["position"], "recorded_at": row["recorded_at"]}
        approved.setdefault(row["version"], []).append(each)
    versions = (await connection.execute(_VERSIONS, key)).mappings().all()
    termination = (await connection.execute(_TERMINATION, key)).mappings().first()
    return AgreementRows(
        agreement_id,
        frozenset(parties),
        summary.ends,
        summary.open_version,
        tuple(summary.waiting_for),
        tuple(_version(row, approved.get(row["version"], [])) for row in versions),
        dict(termination) if termination else None,
    )


def _version(row: Any, approved: list[dict[str, Any]]) -> VersionRow:
    fields = {name: value for name, value in row.items() if name != "agreement_id"}
    return VersionRow(**fields, approvals=tuple(approved))


_NAMES = (
    "SELECT DISTINCT ON (party_id) party_id, names FROM read.party_names "
    "ORDER BY party_id, effective_from <= CAST(:day AS date) DESC, "
    "CASE WHEN effective_from <= CAST(:day AS date) THEN effective_from END DESC, effective_from, position DESC"
)
_PARTY_ROWS = (
    f"SELECT p.*, n.names, (SELECT coalesce(jsonb_agg(jsonb_build_object('effective_from', h.effective_from, "
    "'names', h.names) ORDER BY h.effective_from, h.position), '[]') FROM read.party_names h "
    "WHERE h.party_id = p.party_id) AS names_by_date, "
    "(SELECT coalesce(jsonb_agg(jsonb_build_object('successor_id', s.successor_id, 'effective_from', "
    "s.effective_from, 'municipality_codes', s.municipality_codes) ORDER BY s.position), '[]') "
    "FROM read.successions s WHERE s.party_id = p.party_id) AS successions "
    f"FROM read.parties p JOIN ({_NAMES}) n USING (party_id)"
)
_POINT_ROWS = (
    "SELECT DISTINCT ON (p.service_point_id) p.service_point_id, p.effective_from, p.point, c.last_day, "
    "c.successor_id FROM read.points p LEFT JOIN read.point_closings c USING (service_point_id) "
    "ORDER BY p.service_point_id, p.effective_from <= CAST(:day AS date) DESC, "
    "CASE WHEN p.effective_from <= CAST(:day AS date) THEN p.position END DESC, p.position"
)
_SERVICE_ROWS = (
    "SELECT DISTINCT ON (authority_id, code) authority_id, code, names, tasks, standard, valid_from, valid_until "
    "FROM read.services WHERE valid_from <= CAST(:day AS date) ORDER BY authority_id, code, position DESC"
)


async def names(connection: AsyncConnection, day: dt.date) -> dict[str, dict[str, str]]:
    """Every party's name on a day; history keeps the old one (R9). Before its first day a party has its first name."""
    return {row.party_id: row.names for row in await connection.execute(text(_NAMES), {"day": day})}


async def parties(connection: AsyncConnection, day: dt.date) -> list[dict[str, Any]]:
    """Every party with its name on ``day``, all its names and its successions."""
    rows = (await connection.execute(text(_PARTY_ROWS), {"day": day})).mappings()
    return [{name: value for name, value in row.items() if name != "position"} for row in rows]


async def points(connection: AsyncConnection, day: dt.date) -> list[dict[str, Any]]:
    """Every point with its data on ``day``; one that opens later with its first data."""
    rows = (await connection.execute(text(_POINT_ROWS), {"day": day})).mappings()
    return [
        {"service_point_id": row["service_point_id"], **row["point"], "effective_from": row["effective_from"],
         "last_day": row["last_day"], "successor_id": row["successor_id"]}
        for row in rows
    ]  # fmt: skip


async def services(connection: AsyncConnection, day: dt.date) -> list[dict[str, Any]]:
    """The catalogue on ``day``."""
    rows = [dict(row) for row in (await connection.execute(text(_SERVICE_ROWS), {"day": day})).mappings()]
    return [row for row in rows if row["valid_until"] is None or row["valid_until"] >= day]


async def head_position(connection: AsyncConnection) -> int:
    """How far the log has come; read in the snapshot of an answer, it dates that answer."""
    return int((await connection.execute(text("SELECT position FROM log.head"))).scalar_one())


def page_after(
    items: Iterable[dict[str, Any]], key: str, after: str | None, limit: int
) -> tuple[list[Any], str | None]:
    """The items that follow ``after`` in their order, and the cursor of the next page.

    Raises ``cursor_unknown`` where nothing in the list has that id.
    """
    ordered = list(items)
    start = 0
    if after is not None:
        found = next((at for at, item in enumerate(ordered) if item[key] == after), None)
        if found is None:
            raise Invalid(
                "cursor_unknown", "Nothing in the list has this id. Begin without after.", pointer="/query/after"
            )
        start = found + 1
    chosen = ordered[start : start + limit]
    more = start + limit < len(ordered)
    return chosen, chosen[-1][key] if chosen and more else None
