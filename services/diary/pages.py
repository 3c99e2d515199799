"""The counter: entry and the day's list on one page, corrections, voids and the history of a visit."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.chassis import access, clock
from services.chassis.access import Action, Principal
from services.chassis.errors import ApudiaariError, Conflict
from services.chassis.identity import rule
from services.chassis.runtime import Here
from services.chassis.web.shell import Web
from services.diary import choices, desk, forms, handlers, reading, store
from services.diary.choices import PointChoice
from services.diary.domain import codes
from services.diary.domain.entries import CorrectVisit, VoidVisit
from services.diary.domain.register import Register
from services.diary.forms import Form
from services.diary.reading import Visit

POINT_COOKIE = "apudiaari-point"
YEAR_S = 365 * 24 * 3600
PER_PAGE = 30
FRAGMENT = "x-fragment"
"""Header with which the page's own script asks for the entry alone."""

Visitor = Annotated[Principal, rule(Action.OPEN)]
Recorder = Annotated[Principal, rule(Action.RECORD_VISIT)]
Reader = Annotated[Principal, rule(Action.READ_VISITS)]

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Room:
    """Where a page is: the register as known, the points of the principal and the one chosen, and today."""

    known: Register
    points: list[PointChoice]
    point: PointChoice | None
    today: dt.date
    language: str
    only: frozenset[str] | None = None

    def authorities(self, day: dt.date) -> list[choices.AuthorityChoice]:
        """Those for which the principal may record: an authority's own staff are offered their own."""
        if self.point is None:
            return []
        found = choices.authorities(self.known, self.known.points[self.point.id], day, self.language)
        return [each for each in found if self.only is None or each.authority_id in self.only]

    def party(self, authority_id: str, day: dt.date) -> str:
        party = self.known.parties.get(authority_id)
        return choices.party_name(party, day, self.language) if party else authority_id

    def service(self, visit_point: str, authority_id: str, code: str, day: dt.date) -> str:
        point = self.known.points.get(visit_point)
        found = self.known.service(authority_id, code, point.on(day).municipality, day) if point else None
        return found.names.in_language(self.language) if found else code


def web_of(request: Request) -> Web:
    web: Web = request.app.state.web
    return web


async def room_of(request: Request, here: Here, who: Principal, wanted: str | None = None) -> Room:
    """The point asked for, else the remembered one, else the only or first one."""
    known = await desk.register(here)
    language = web_of(request).language(request)
    today = clock.helsinki_day(clock.now())
    points = choices.points(known, who, today, language)
    by_id = {each.id: each for each in points}
    remembered = request.cookies.get(POINT_COOKIE, "")
    point = by_id.get(wanted or "") or by_id.get(remembered) or (points[0] if points else None)
    return Room(known, points, point, today, language, choices.only_for(who))


@router.get("/")
async def counter(
    request: Request,
    who: Visitor,
    here: Here,
    point: Annotated[str | None, Query(max_length=80)] = None,
    day: Annotated[str | None, Query(max_length=10)] = None,
    after: Annotated[int | None, Query(ge=1)] = None,
    done: UUID | None = None,
) -> Response:
    """The counter for who works at one or oversees it; for everybody else, what the diary is."""
    if not access.limits(who, Action.READ_VISITS):
        return web_of(request).page(request, "landing.html")
    room = await room_of(request, here, who, point)
    form = forms.empty(room.point.id if room.point else "")
    return await show_counter(request, here, who, room, form, day=_day(day, room.today), after=after, done=done)


async def show_counter(
    request: Request,
    here: Here,
    who: Principal,
    room: Room,
    form: Form,
    *,
    error: ApudiaariError | None = None,
    day: dt.date | None = None,
    after: int | None = None,
    done: UUID | None = None,
) -> HTMLResponse:
    shown_day = day or room.today
    visits: list[Visit] = []
    following, total = None, 0
    if room.point is not None:
        async with here.database.reading() as connection:
            visits, following = await reading.page(
                connection, who, service_point_id=room.point.id, day=shown_day, after=after, limit=PER_PAGE
            )
            limits = access.limits(who, Action.READ_VISITS)
            total = await store.day_totals(connection, limits, room.point.id, shown_day)
    response = web_of(request).page(
        request,
        "counter.html",
        status=error.status if error else 200,
        room=room,
        form=form,
        errors=errors_of(request, error),
        field_errors=_by_field(request, error),
        authorities=room.authorities(room.today),
        codes=codes,
        visits=visits,
        day=shown_day,
        total=total,
        after=after,
        following=following,
        done=next((visit for visit in visits if visit.visit_id == done), None),
        now=clock.now(),
        may_import=bool(access.limits(who, Action.IMPORT_VISITS)),
    )
    if room.point is not None:
        response.set_cookie(POINT_COOKIE, room.point.id, max_age=YEAR_S, samesite="lax", httponly=True)
    return response


def _day(text: str | None, today: dt.date) -> dt.date:
    try:
        return dt.date.fromisoformat(text) if text else today
    except ValueError:
        return today


def _text(request: Request, code: str, detail: str) -> str:
    """The message of a code in the page's language, or what came with it."""
    web = web_of(request)
    has_text: Any = web.templates.environments[web.language(request)].globals["has_text"]
    return web.text(request, f"problem.{code}") if has_text(f"problem.{code}") else detail or code


def errors_of(request: Request, error: ApudiaariError | None) -> list[dict[str, Any]]:
    """For the error summary: each with the field it is about."""
    if error is None:
        return []
    return [
        {"field": forms.field_of(each.pointer), "text": _text(request, each.code, each.detail)}
        for each in forms.problems(error)
    ]


def _by_field(request: Request, error: ApudiaariError | None) -> dict[str, str]:
    return {each["field"]: each["text"] for each in errors_of(request, error) if each["field"]}


@router.post("/counter/visits")
async def record(request: Request, who: Recorder, here: Here) -> Response:
    """Record what the form says. The page's script gets the entry alone, everybody else the page again."""
    async with request.form(max_files=0, max_fields=200) as data:
        form = forms.read(data)
    room = await room_of(request, here, who, form["point"])
    if "add" in form:
        return await show_counter(request, here, who, room, forms.with_another_act(form))
    visit_id = forms.identity(form)
    try:
        entry = forms.entry_of(form, room.known, clock.now())
        await here.writer.submit(handlers.visit_command(visit_id, entry, who))
    except ApudiaariError as refusal:
        if not await _recorded_already(here, who, visit_id, refusal):
            return await _refused(request, here, who, room, form, refusal)
    if request.headers.get(FRAGMENT):
        return await _fragment(request, here, who, room, visit_id)
    return RedirectResponse(f"/?point={form['point']}&done={visit_id}#entry-{visit_id}", 303)


async def _recorded_already(here: Here, who: Principal, visit_id: UUID, refusal: ApudiaariError) -> bool:
    """The same form sent twice: the second time its moment differs, but the visit of its id is there."""
    if refusal.code != "id_reused":
        return False
    async with here.database.reading() as connection:
        try:
            await reading.one(connection, who, visit_id)
        except ApudiaariError:
            return False
    return True


async def _refused(
    request: Request, here: Here, who: Principal, room: Room, form: Form, refusal: ApudiaariError
) -> Response:
    if request.headers.get(FRAGMENT):
        return web_of(request).page(request, "refused.html", refusal.status, errors=errors_of(request, refusal))
    return await show_counter(request, here, who, room, form, error=refusal)


async def _fragment(request: Request, here: Here, who: Principal, room: Room, visit_id: UUID) -> Response:
    async with here.database.reading() as connection:
        visit = await reading.one(connection, who, visit_id)
        limits = access.limits(who, Action.READ_VISITS)
        point = visit.first.data.service_point_id
        total = await store.day_totals(connection, limits, point, visit.facts.service_day)
    return web_of(request).page(request, "entry.html", status=201, room=room, visit=visit, total=total)


@router.get("/counter/visits/{visit_id}")
async def history(request: Request, visit_id: UUID, who: Reader, here: Here) -> Response:
    """A visit with every version it had."""
    visit, room = await _visit(request, here, who, visit_id)
    return web_of(request).page(request, "visit.html", visit=visit, room=room)


@router.get("/counter/visits/{visit_id}/correct")
async def correct_form(request: Request, visit_id: UUID, who: Recorder, here: Here) -> Response:
    """The visit as a form."""
    visit, room = await _visit(request, here, who, visit_id)
    return _correction(request, room, visit, {**forms.of_visit(visit), "change_id": str(uuid4()), "reason": ""})


@router.post("/counter/visits/{visit_id}/correct")
async def correct(request: Request, visit_id: UUID, who: Recorder, here: Here) -> Response:
    """Put what the form says in the place of what was recorded."""
    async with request.form(max_files=0, max_fields=200) as data:
        form = forms.read(data)
    visit, room = await _visit(request, here, who, visit_id)
    form["point"] = visit.first.data.service_point_id
    if "add" in form:
        return _correction(request, room, visit, forms.with_another_act(form))
    try:
        entry = forms.entry_of(form, room.known, clock.now())
        change = CorrectVisit(
            id=_change_id(form), based_on=_based_on(form), reason=form.get("reason") or "?", visit=entry
        )
        await here.writer.submit(handlers.change_command(visit_id, change, who))
    except ApudiaariError as refusal:
        return _correction(request, room, visit, form, refusal)
    return _back_to(visit)


def _correction(
    request: Request, room: Room, visit: Visit, form: Form, error: ApudiaariError | None = None
) -> HTMLResponse:
    return web_of(request).page(
        request,
        "correct.html",
        status=error.status if error else 200,
        room=room,
        visit=visit,
        form=form,
        codes=codes,
        authorities=room.authorities(visit.facts.service_day),
        errors=errors_of(request, error),
        field_errors=_by_field(request, error),
    )


@router.get("/counter/visits/{visit_id}/void")
async def void_form(request: Request, visit_id: UUID, who: Recorder, here: Here) -> Response:
    """The question before a visit is taken back."""
    visit, room = await _visit(request, here, who, visit_id)
    return _void_page(request, room, visit, {"change_id": str(uuid4()), "reason": ""})


@router.post("/counter/visits/{visit_id}/void")
async def void(request: Request, visit_id: UUID, who: Recorder, here: Here) -> Response:
    """Take a visit back."""
    async with request.form(max_files=0, max_fields=20) as data:
        form = {name: str(value)[:200] for name, value in data.items()}
    visit, room = await _visit(request, here, who, visit_id)
    try:
        change = VoidVisit(id=_change_id(form), based_on=_based_on(form), reason=form.get("reason") or "?")
        await here.writer.submit(handlers.change_command(visit_id, change, who))
    except ApudiaariError as refusal:
        return _void_page(request, room, visit, form, refusal)
    return _back_to(visit)


def _void_page(
    request: Request, room: Room, visit: Visit, form: Form, error: ApudiaariError | None = None
) -> HTMLResponse:
    return web_of(request).page(
        request,
        "void.html",
        status=error.status if error else 200,
        room=room,
        visit=visit,
        form=form,
        codes=codes,
        errors=errors_of(request, error),
        field_errors=_by_field(request, error),
    )


async def _visit(request: Request, here: Here, who: Principal, visit_id: UUID) -> tuple[Visit, Room]:
    async with here.database.reading() as connection:
        visit = await reading.one(connection, who, visit_id)
    return visit, await room_of(request, here, who, visit.first.data.service_point_id)


def _change_id(form: Form) -> UUID:
    try:
        return UUID(form.get("change_id", ""))
    except ValueError:
        return uuid4()


def _based_on(form: Form) -> int:
    text = form.get("based_on", "")
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise Conflict("stale", "The page is out of date. Load it again and decide.")
    return int(text)


def _back_to(visit: Visit) -> RedirectResponse:
    day = visit.facts.service_day.isoformat()
    point = visit.first.data.service_point_id
    return RedirectResponse(f"/?point={point}&day={day}&done={visit.visit_id}#entry-{visit.visit_id}", 303)
