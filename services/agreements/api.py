"""HTTP of the register and the agreements (design.md §11): parse, hand to the writer, answer."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from schemas.base import ServiceCode, Slug
from services.agreements import queries, requests
from services.agreements.asof import as_of, parse_known, to_json
from services.agreements.domain import commands as wish
from services.chassis import access, clock
from services.chassis.access import Action, Principal, Resource
from services.chassis.http import Json, answer, page
from services.chassis.identity import rule
from services.chassis.log import Command
from services.chassis.runtime import Here
from services.chassis.web.format import sort_key

router = APIRouter(prefix="/api")

MAX_PAGE = 500
PartyId = Annotated[Slug, Path()]
PointId = Annotated[Slug, Path()]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
After = Annotated[str | None, Query(max_length=120)]
Day = Annotated[dt.date | None, Query()]
RegisterReader = Annotated[Principal, rule(Action.READ_REGISTER)]
PartyManager = Annotated[Principal, rule(Action.MANAGE_PARTIES)]
PointManager = Annotated[Principal, rule(Action.MANAGE_POINTS)]
ServiceManager = Annotated[Principal, rule(Action.MANAGE_SERVICES)]
Proposer = Annotated[Principal, rule(Action.PROPOSE_AGREEMENT)]
Approver = Annotated[Principal, rule(Action.APPROVE_AGREEMENT)]
Terminator = Annotated[Principal, rule(Action.TERMINATE_AGREEMENT)]
AgreementReader = Annotated[Principal, rule(Action.READ_AGREEMENT)]


class Renaming(wish.RenameParty):
    id: UUID


class Succession(wish.SucceedParty):
    id: UUID


class Change(wish.ChangePoint):
    id: UUID


class Closing(wish.ClosePoint):
    id: UUID


class Redraft(wish.RedraftAgreement):
    id: UUID


class Approval(wish.ApproveVersion):
    id: UUID


class Amendment(wish.AmendAgreement):
    id: UUID


class Termination(wish.TerminateAgreement):
    id: UUID


def _command(body: BaseModel, payload: type[BaseModel], target: object, who: Principal) -> Command:
    """The body without its ``id``, which is the command's."""
    made = payload.model_construct(**{name: getattr(body, name) for name in payload.model_fields})
    return Command.of(body.id, made, who, target=str(target))  # type: ignore[attr-defined]


@router.put("/parties/{party_id}", tags=["register"])
async def put_party(who: PartyManager, runtime: Here, party_id: PartyId, body: wish.RegisterParty) -> Json:
    """Register a party (R1)."""
    return answer(await runtime.writer.submit(requests.put_party(party_id, body, who)))


@router.post("/parties/{party_id}/renaming", tags=["register"])
async def rename_party(who: PartyManager, runtime: Here, party_id: PartyId, body: Renaming) -> Json:
    """Another name from a day on; history keeps the old one (R9)."""
    return answer(await runtime.writer.submit(_command(body, wish.RenameParty, party_id, who)))


@router.post("/parties/{party_id}/succession", tags=["register"])
async def succeed_party(who: PartyManager, runtime: Here, party_id: PartyId, body: Succession) -> Json:
    """The party's tasks pass to another, in the whole country or in some municipalities (R9)."""
    return answer(await runtime.writer.submit(_command(body, wish.SucceedParty, party_id, who)))


@router.get("/parties", tags=["register"])
async def list_parties(
    who: RegisterReader, runtime: Here, after: After = None, limit: Limit = 100, on: Day = None
) -> Json:
    """Parties in Finnish alphabetical order, with their names and successions by date."""
    async with runtime.database.reading() as connection:
        rows = await queries.parties(connection, on or _today())
    return _listed(rows, "party_id", after, limit)


@router.get("/parties/{party_id}", tags=["register"])
async def get_party(who: RegisterReader, runtime: Here, party_id: PartyId, on: Day = None) -> Json:
    """One party."""
    async with runtime.database.reading() as connection:
        rows = await queries.parties(connection, on or _today())
    return Json(_one(rows, "party_id", party_id, who))


@router.put("/service-points/{service_point_id}", tags=["register"])
async def put_point(who: PointManager, runtime: Here, service_point_id: PointId, body: wish.RegisterPoint) -> Json:
    """Register a service point with the fields of the national form."""
    return answer(await runtime.writer.submit(requests.put_point(service_point_id, body, who)))


@router.post("/service-points/{service_point_id}/changes", tags=["register"])
async def change_point(who: PointManager, runtime: Here, service_point_id: PointId, body: Change) -> Json:
    """The point's data from a day on, complete."""
    return answer(await runtime.writer.submit(_command(body, wish.ChangePoint, service_point_id, who)))


@router.post("/service-points/{service_point_id}/closing", tags=["register"])
async def close_point(who: PointManager, runtime: Here, service_point_id: PointId, body: Closing) -> Json:
    """The point ends; another may succeed it."""
    return answer(await runtime.writer.submit(_command(body, wish.ClosePoint, service_point_id, who)))


@router.get("/service-points", tags=["register"])
async def list_points(
    who: RegisterReader,
    runtime: Here,
    after: After = None,
    limit: Limit = 100,
    on: Day = None,
    provider: Annotated[Slug | None, Query()] = None,
    municipality: Annotated[str | None, Query(pattern=r"^[0-9]{3}$")] = None,
) -> Json:
    """Service points in Finnish alphabetical order."""
    async with runtime.database.reading() as connection:
        rows = await queries.points(connection, on or _today())
    wanted = {"provider_id": provider, "municipality_code": municipality}
    kept = [row for row in rows if all(value is None or row[name] == value for name, value in wanted.items())]
    return _listed(kept, "service_point_id", after, limit)


@router.get("/service-points/{service_point_id}", tags=["register"])
async def get_point(who: RegisterReader, runtime: Here, service_point_id: PointId, on: Day = None) -> Json:
    """One service point."""
    async with runtime.database.reading() as connection:
        rows = await queries.points(connection, on or _today())
    return Json(_one(rows, "service_point_id", service_point_id, who))


@router.put("/services/{authority_id}/{code}", tags=["register"])
async def put_service(
    who: ServiceManager,
    runtime: Here,
    authority_id: Annotated[Slug, Path()],
    code: Annotated[ServiceCode, Path()],
    body: wish.DefineService,
) -> Json:
    """Define a service of an authority's catalogue from a day on."""
    return answer(await runtime.writer.submit(requests.put_service(authority_id, code, body, who)))


@router.get("/services", tags=["register"])
async def list_services(
    who: RegisterReader,
    runtime: Here,
    after: After = None,
    limit: Limit = 100,
    on: Day = None,
    authority: Annotated[Slug | None, Query()] = None,
) -> Json:
    """The catalogue in force on a day, in Finnish alphabetical order; the cursor is ``authority:code``."""
    async with runtime.database.reading() as connection:
        rows = await queries.services(connection, on or _today())
    kept = [
        {"service_id": f"{row['authority_id']}:{row['code']}", **row}
        for row in rows
        if authority is None or row["authority_id"] == authority
    ]
    return _listed(kept, "service_id", after, limit)


@router.put("/agreements/{agreement_id}", tags=["agreements"])
async def put_agreement(who: Proposer, runtime: Here, agreement_id: UUID, body: wish.ProposeAgreement) -> Json:
    """Draft an agreement. It is in force when every side has approved it."""
    return answer(await runtime.writer.submit(requests.put_agreement(agreement_id, body, who)))


@router.post("/agreements/{agreement_id}/draft", tags=["agreements"])
async def redraft(who: Proposer, runtime: Here, agreement_id: UUID, body: Redraft) -> Json:
    """Another draft in place of version ``based_on``; approvals of that one count no more."""
    return answer(await runtime.writer.submit(_command(body, wish.RedraftAgreement, agreement_id, who)))


@router.post("/agreements/{agreement_id}/approvals", tags=["agreements"])
async def approve(who: Approver, runtime: Here, agreement_id: UUID, body: Approval) -> Json:
    """Approve a version for the caller's party."""
    return answer(await runtime.writer.submit(_command(body, wish.ApproveVersion, agreement_id, who)))


@router.post("/agreements/{agreement_id}/amendments", tags=["agreements"])
async def amend(who: Proposer, runtime: Here, agreement_id: UUID, body: Amendment) -> Json:
    """Propose new terms from a day on, also backwards; in force when every side has approved them."""
    return answer(await runtime.writer.submit(_command(body, wish.AmendAgreement, agreement_id, who)))


@router.post("/agreements/{agreement_id}/termination", tags=["agreements"])
async def terminate(who: Terminator, runtime: Here, agreement_id: UUID, body: Termination) -> Json:
    """Give notice for the caller's party: ``last_day`` is the last covered day."""
    return answer(await runtime.writer.submit(_command(body, wish.TerminateAgreement, agreement_id, who)))


@router.get("/agreements", tags=["agreements"])
async def list_agreements(
    who: AgreementReader,
    runtime: Here,
    party: Annotated[Slug | None, Query()] = None,
    point: Annotated[Slug | None, Query()] = None,
    state: Annotated[str | None, Query(max_length=20)] = None,
    after: Annotated[UUID | None, Query()] = None,
    limit: Limit = 100,
) -> Json:
    """Agreements that the caller may see, by id, as known now. State: draft, upcoming, in_force, ended, awaiting."""
    filters = queries.Filters(party, point, state)
    limits = access.limits(who, Action.READ_AGREEMENT)
    async with runtime.database.reading() as connection:
        rows = await queries.list_agreements(connection, limits, filters, _today(), after=after, limit=limit + 1)
    following = rows[limit - 1]["agreement_id"] if len(rows) > limit else None
    return page(rows[:limit], following)


@router.get("/agreements/{agreement_id}", tags=["agreements"])
async def get_agreement(
    who: AgreementReader,
    runtime: Here,
    agreement_id: UUID,
    as_of_valid: Day = None,
    as_of_known: Annotated[str | None, Query(max_length=40)] = None,
) -> Json:
    """An agreement as agreed on a day and as known at a moment: a log position or a time of recording (A7)."""
    known = parse_known(as_of_known)
    today = _today()
    async with runtime.database.snapshot() as connection:
        rows = await queries.agreement(connection, agreement_id, today)
        position = await queries.head_position(connection)
    seen_by = rows.party_ids if rows else frozenset()
    access.require(who, Action.READ_AGREEMENT, Resource(party_ids=seen_by))
    found = as_of(rows, as_of_valid or today, known) if rows else None
    if rows is None or found is None:
        raise access.refusal(who, secret=True)
    return Json(to_json(rows, found, position))


def _today() -> dt.date:
    return clock.helsinki_day(clock.now())


def _listed(rows: list[dict[str, Any]], key: str, after: str | None, limit: int) -> Json:
    ordered = sorted(rows, key=lambda row: (sort_key(row["names"]["fi"]), row[key]))
    items, following = queries.page_after(ordered, key, after, limit)
    return page(items, following)


def _one(rows: list[dict[str, Any]], key: str, value: str, who: Principal) -> dict[str, Any]:
    found = next((row for row in rows if row[key] == value), None)
    if found is None:
        raise access.refusal(who, secret=True)
    return found
