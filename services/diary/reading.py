"""Visits as people and programs read them: as they are now, and every version they ever had (R16)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.base import EventData
from schemas.diary import VisitCorrected, VisitFacts, VisitRecorded, VisitVoided
from schemas.envelope import decode, rfc3339
from schemas.registry import model_of
from services.chassis import access
from services.chassis.access import Action, Principal, Resource
from services.chassis.errors import NotFound
from services.diary import store

LIMIT_MAX = 200


@dataclass(slots=True)
class Version:
    """One event of a visit's stream."""

    number: int
    position: int
    recorded: dt.datetime
    data: VisitRecorded | VisitCorrected | VisitVoided


@dataclass(slots=True)
class Visit:
    """A visit with its history, oldest first, and the documents received in it."""

    visit_id: UUID
    versions: list[Version]
    documents: list[Any] = field(default_factory=list)

    @property
    def version(self) -> int:
        return self.versions[-1].number

    @property
    def voided(self) -> bool:
        return isinstance(self.versions[-1].data, VisitVoided)

    @property
    def facts(self) -> VisitFacts:
        """The visit as it is; of a voided one, as it was last."""
        return facts_of(self.versions[-1].data)

    @property
    def first(self) -> Version:
        return self.versions[0]

    @property
    def resource(self) -> Resource:
        """Every authority that any version concerns."""
        authorities = frozenset(act.authority_id for each in self.versions for act in facts_of(each.data).acts)
        data = self.versions[-1].data
        return Resource(authorities, data.provider_id, data.service_point_id)


def facts_of(data: VisitRecorded | VisitCorrected | VisitVoided) -> VisitFacts:
    """What the visit was after this event, or before it was voided."""
    if isinstance(data, VisitRecorded):
        return data.visit
    return data.after if isinstance(data, VisitCorrected) else data.before


async def page(
    connection: AsyncConnection,
    principal: Principal,
    *,
    service_point_id: str | None,
    day: dt.date | None,
    after: int | None,
    limit: int,
) -> tuple[list[Visit], int | None]:
    """Visits that the principal may see, the newest entry first, and the cursor of the next page."""
    limits = access.limits(principal, Action.READ_VISITS)
    rows = await store.visits(
        connection, limits, service_point_id=service_point_id, day=day, before=after, count=limit + 1
    )
    shown = rows[:limit]
    visits = await load(connection, [row.visit_id for row in shown])
    following = shown[-1].position if len(rows) > limit else None
    return [visits[row.visit_id] for row in shown], following


async def load(connection: AsyncConnection, visit_ids: Sequence[UUID]) -> dict[UUID, Visit]:
    """Visits with their histories and documents; ids that are not there are left out."""
    if not visit_ids:
        return {}
    found: dict[UUID, Visit] = {}
    for row in await store.stream_events(connection, [f"visit:{visit_id}" for visit_id in visit_ids]):
        visit_id = UUID(row.stream.removeprefix("visit:"))
        version = Version(row.stream_version, row.position, row.recorded, _data(row.type, row.body))
        found.setdefault(visit_id, Visit(visit_id, [])).versions.append(version)
    for document in await store.documents_of(connection, visit_ids):
        found[document.visit_id].documents.append(document)
    return found


async def one(connection: AsyncConnection, principal: Principal, visit_id: UUID) -> Visit:
    """A visit, for whom it concerns. One that is not there and one that is another's look the same."""
    visit = (await load(connection, [visit_id])).get(visit_id)
    if visit is None or not access.may(principal, Action.READ_VISITS, visit.resource):
        raise NotFound("unknown_visit", "There is no such visit, or it is not yours to see.")
    return visit


def _data(type_name: str, body: bytes) -> VisitRecorded | VisitCorrected | VisitVoided:
    model = model_of(type_name)
    data: EventData | None = model.model_validate(decode(body).data) if model else None
    if not isinstance(data, VisitRecorded | VisitCorrected | VisitVoided):
        raise RuntimeError(f"{type_name} has no place in a visit's stream")
    return data


def as_json(visit: Visit) -> dict[str, Any]:
    """A visit as it stands in a list."""
    return {
        "visit_id": str(visit.visit_id),
        "service_point_id": visit.first.data.service_point_id,
        "provider_id": visit.versions[-1].data.provider_id,
        "version": visit.version,
        "position": visit.first.position,
        "recorded_at": rfc3339(visit.first.recorded.astimezone(dt.UTC)),
        "voided": visit.voided,
        "visit": visit.facts.model_dump(mode="json", exclude_none=True),
        "documents": [
            {
                "document_id": str(each.document_id),
                "act_no": each.act_no,
                "authority_id": each.authority_id,
                "receipt": f"/api/documents/{each.document_id}/receipt",
            }
            for each in visit.documents
        ],
    }


def with_history(visit: Visit) -> dict[str, Any]:
    """A visit with every version, oldest first: what it was, who recorded it, when and why."""
    return {**as_json(visit), "history": [_version(each) for each in visit.versions]}


def _version(version: Version) -> dict[str, Any]:
    data = version.data
    return {
        "version": version.number,
        "type": type(data).__name__,
        "position": version.position,
        "recorded_at": rfc3339(version.recorded.astimezone(dt.UTC)),
        "recorder": data.recorder,
        "reason": None if isinstance(data, VisitRecorded) else data.reason,
        "visit": None if isinstance(data, VisitVoided) else facts_of(data).model_dump(mode="json", exclude_none=True),
    }
