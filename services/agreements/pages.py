"""Pages of the register and the agreements: lists, one agreement, one point. Forms are in :mod:`.pages_forms`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from services.agreements import pages_forms, presenting, queries
from services.agreements.asof import as_of, parse_known
from services.agreements.loading import Loaded, load, today, words_of
from services.chassis import access
from services.chassis.access import Action, Principal
from services.chassis.errors import Invalid
from services.chassis.identity import rule
from services.chassis.reference.municipalities import municipalities
from services.chassis.runtime import Here
from services.chassis.web.format import sort_key
from services.chassis.web.listing import Listing, listing

router = APIRouter(include_in_schema=False)
router.include_router(pages_forms.router)

Anyone = Annotated[Principal, rule(Action.OPEN)]
Reader = Annotated[Principal, rule(Action.READ_AGREEMENT)]
RegisterReader = Annotated[Principal, rule(Action.READ_REGISTER)]
SORTS = ("points", "provider", "valid_from", "ends")


@router.get("/")
async def front(request: Request, who: Anyone, runtime: Here) -> Response:
    """The caller's agreements; for everybody else, what this is and where to sign in."""
    web = request.app.state.web
    limits = access.limits(who, Action.READ_AGREEMENT)
    if not limits:
        page: Response = web.page(request, "agreements_welcome.html")
        return page
    day, query = today(), request.query_params
    chosen = {name: query.get(name) or None for name in ("party", "point", "state")}
    try:
        filters = queries.Filters(**chosen)
    except Invalid:
        filters = queries.Filters(chosen["party"], chosen["point"])
    async with runtime.database.snapshot() as connection:
        everything = await queries.list_agreements(connection, limits, queries.Filters(), day)
        found = await queries.list_agreements(connection, limits, filters, day)
        words = await words_of(connection, request, day)
    asked = listing(request, SORTS, default="valid_from", descending=True).counted(len(found))
    page = web.page(
        request,
        "agreements_list.html",
        listing=asked,
        filters=filters,
        any_at_all=bool(everything),
        rows=[_list_row(words, row, who) for row in _sorted(words, found, asked)],
        parties=_choices({p: words.party(p) for row in everything for p in _parties(row)}),
        points=_choices({p: words.point(p) for row in everything for p in row["service_point_ids"]}),
        states=[(state, words.text(f"agr.state.{state}")) for state in (*queries.STATES, queries.AWAITING)],
    )
    return page


def _parties(row: dict[str, Any]) -> tuple[str, ...]:
    return (row["provider_id"], *row["commissioner_ids"])


def _choices(names: dict[str, str]) -> list[tuple[str, str]]:
    return sorted(names.items(), key=lambda pair: sort_key(pair[1]))


def _sorted(words: presenting.Words, rows: list[dict[str, Any]], asked: Listing) -> list[dict[str, Any]]:
    """The rows of the page asked for; names sort in the Finnish order, an open end after every date."""
    keys = {
        "points": lambda row: sort_key(words.joined([words.point(each) for each in row["service_point_ids"]])),
        "provider": lambda row: sort_key(words.party(row["provider_id"])),
        "valid_from": lambda row: row["valid_from"],
        "ends": lambda row: row["ends"] or dt.date.max,
    }
    rows.sort(key=lambda row: str(row["agreement_id"]))
    rows.sort(key=keys[asked.sort], reverse=asked.descending)
    return rows[asked.offset : asked.offset + asked.per_page]


def _list_row(words: presenting.Words, row: dict[str, Any], who: Principal) -> dict[str, Any]:
    return {
        "id": row["agreement_id"],
        "points": words.joined([words.point(each) for each in row["service_point_ids"]]),
        "provider": words.party(row["provider_id"]),
        "commissioners": words.joined([words.party(each) for each in row["commissioner_ids"]]),
        "valid_from": row["valid_from"],
        "ends": row["ends"],
        "state": row["state"],
        "open": row["open_version"] is not None,
        "mine": who.party_id in row["waiting_for"],
    }


@router.get("/agreements/{agreement_id}")
async def agreement(request: Request, who: Reader, runtime: Here, agreement_id: UUID) -> Response:
    """One agreement, as agreed on a day and as known at a moment."""
    web, query = request.app.state.web, request.query_params
    errors: list[dict[str, str]] = []
    day, known = today(), parse_known(None)
    try:
        day = dt.date.fromisoformat(query.get("as_of_valid") or day.isoformat())
    except ValueError:
        errors.append({"field": "as_of_valid", "text": web.text(request, "problem.date_wrong")})
    try:
        known = parse_known(query.get("as_of_known"))
    except Invalid:
        errors.append({"field": "as_of_known", "text": web.text(request, "problem.as_of_known_wrong")})
    async with runtime.database.snapshot() as connection:
        loaded = await load(connection, request, who, agreement_id, day)
    answer = as_of(loaded.rows, day, known)
    page: Response = web.page(
        request, "agreement.html", 422 if errors else 200, errors=errors, day=day, known=query.get("as_of_known") or "",
        done=query.get("done") or "", **_view(loaded, answer, who),
    )  # fmt: skip
    return page


def _view(loaded: Loaded, answer: Any, who: Principal) -> dict[str, Any]:
    rows, words = loaded.rows, loaded.words
    if answer is None:
        return {"view": None, "agreement_id": rows.agreement_id, "title": words.text("agr.not_known_then")}
    now = not answer.known.position and answer.known.moment is None
    agreement, terms = answer.shown.agreement, answer.shown.terms
    waiting = list(rows.waiting_for) if now and answer.proposed else []
    view = {
        "state": answer.state,
        "agreement": agreement,
        "ends": answer.ends or (agreement.get("valid_until") if answer.state == "draft" else None),
        "version": answer.version,
        "shown": answer.shown,
        "proposed": answer.proposed,
        "termination": answer.termination,
        "notice_by": words.party(answer.termination["notice_by"]) if answer.termination else "",
        "waiting": [words.party(each) for each in waiting],
        "mine": who.party_id in waiting,
        "party": who.party_id in rows.party_ids,
        "provider": words.party(agreement["provider_id"]),
        "commissioners": [words.party(each) for each in agreement["commissioner_ids"]],
        "successors": _successors(loaded, agreement),
        "points": [(each, words.point(each)) for each in agreement["service_point_ids"]],
        "tasks": [words.text(f"task.{each}") for each in terms["tasks"]],
        "services": presenting.service_groups(words, terms),
        "items": presenting.item_rows(words, terms),
        "tariffs": presenting.tariff_rows(words, terms),
        "pendency": presenting.pendency_text(words, terms["pendency"]),
        "vat": presenting.vat_text(words, terms.get("vat")),
        "versions": presenting.version_rows(words, answer),
        "figure": presenting.two_times(words, rows, today()),
        "may_end": answer.state != "draft" and answer.termination is None,
    }
    title = f"{view['provider']} – {words.joined(view['commissioners'])}"
    return {
        "view": view,
        "agreement_id": rows.agreement_id,
        "title": title,
        "my_party": words.party(who.party_id or ""),
    }


def _successors(loaded: Loaded, agreement: dict[str, Any]) -> list[str]:
    """Who has since taken over the tasks of a party to the agreement (R9)."""
    later = loaded.rows.party_ids - {agreement["provider_id"], *agreement["commissioner_ids"]}
    return loaded.words.fmt.in_order([loaded.words.party(each) for each in later])


@router.get("/points")
async def points(request: Request, who: RegisterReader, runtime: Here) -> Response:
    """All service points, in alphabetical order."""
    web, day = request.app.state.web, today()
    async with runtime.database.snapshot() as connection:
        rows = await queries.points(connection, day)
        words = await words_of(connection, request, day)
    wanted = (request.query_params.get("q") or "").strip()[:80]
    shown = [row for row in (_point_row(words, row, day) for row in rows) if _matches(row, wanted)]
    asked = listing(request, ("name", "municipality", "provider"), default="name").counted(len(shown))
    shown.sort(key=lambda row: (sort_key(row[asked.sort]), row["id"]), reverse=asked.descending)
    page: Response = web.page(
        request,
        "points.html",
        listing=asked,
        rows=shown[asked.offset : asked.offset + asked.per_page],
        q=wanted,
        any_at_all=bool(rows),
    )
    return page


def _matches(row: dict[str, Any], wanted: str) -> bool:
    return wanted.casefold() in f"{row['name']} {row['municipality']} {row['provider']} {row['id']}".casefold()


def _point_row(words: presenting.Words, row: dict[str, Any], day: dt.date) -> dict[str, Any]:
    municipality = municipalities()[row["municipality_code"]]
    return {
        "id": row["service_point_id"],
        "name": words.name(row["names"], row["service_point_id"]),
        "municipality": municipality.name(words.web.language(words.request)),
        "provider": words.party(row["provider_id"]),
        "state": _point_state(row, day),
        "remote": row["remote_room"] or row["remote_equipment"],
        "accessible": row["accessible"],
        "checked_on": row["checked_on"],
    }


def _point_state(row: dict[str, Any], day: dt.date) -> str:
    if row["last_day"] is not None and row["last_day"] < day:
        return "closed"
    if row["in_preparation"] or dt.date.fromisoformat(row["open_from"]) > day:
        return "in_preparation"
    return "open"


@router.get("/points/{point_id}")
async def point(request: Request, who: RegisterReader, runtime: Here, point_id: str) -> Response:
    """One point with every field of the national form, and the caller's agreements there."""
    web, day = request.app.state.web, today()
    limits = access.limits(who, Action.READ_AGREEMENT)
    async with runtime.database.snapshot() as connection:
        rows = await queries.points(connection, day)
        words = await words_of(connection, request, day)
        agreements = await _agreements_at(connection, limits, point_id, day)
    row = next((each for each in rows if each["service_point_id"] == point_id), None)
    if row is None:
        raise access.refusal(who, secret=True)
    municipality = municipalities()[row["municipality_code"]]
    region = municipality.region.sv if web.language(request) == "sv" else municipality.region.fi
    page: Response = web.page(
        request,
        "point.html",
        point=row,
        point_name=words.name(row["names"], point_id),
        provider=words.party(row["provider_id"]),
        municipality=municipality.name(web.language(request)),
        region=region,
        state=_point_state(row, day),
        successor=words.point(row["successor_id"]) if row["successor_id"] else None,
        agreements=[_list_row(words, each, who) for each in agreements],
    )
    return page


async def _agreements_at(connection: AsyncConnection, limits: Any, point_id: str, day: dt.date) -> list[dict[str, Any]]:
    return await queries.list_agreements(connection, limits, queries.Filters(point=point_id), day) if limits else []
