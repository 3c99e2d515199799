"""Pages: the dashboard, its live part, and the operator's view of the projections."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.chassis import access, clock
from services.chassis.access import Action, Limit, Principal
from services.chassis.errors import FieldError
from services.chassis.http import Json
from services.chassis.identity import rule
from services.chassis.projection import parked, registry
from services.chassis.reference.municipalities import municipalities, regions
from services.chassis.runtime import Here, Runtime
from services.chassis.web.shell import Web
from services.statistics import board as boards
from services.statistics import cube
from services.statistics.board import FILTERS, Board, Choice, Span
from services.statistics.domain import CODES, DEFINITIONS_VERSION, MEASURES, check_values, refused
from services.statistics.figures import Draw, charts
from services.statistics.freshness import Fresh, Watch
from services.statistics.projection import NAME

router = APIRouter()
Anyone = Annotated[Principal, rule(Action.OPEN)]
Reader = Annotated[Principal, rule(Action.READ_STATISTICS)]
Operator = Annotated[Principal, rule(Action.OPERATE)]
WAIT_SECONDS = 20.0
SMALL_NUMBER = 3


@router.get("/", include_in_schema=False)
async def dashboard(who: Anyone, runtime: Here, request: Request) -> Response:
    """The dashboard; for the public a page that says who may see it and what comes."""
    web = cast(Web, request.app.state.web)
    limits = boards.shown_limits(access.limits(who, Action.READ_STATISTICS))
    if not limits:
        return web.page(request, "public.html", operator=bool(access.limits(who, Action.OPERATE)))
    shown = await _shown(runtime, request, limits)
    return web.page(request, "dashboard.html", **shown)


@router.get("/live", include_in_schema=False)
async def live(
    who: Reader, runtime: Here, request: Request, seen: Annotated[str, Query(max_length=120)] = ""
) -> Response:
    """The live part of the dashboard, when it is another than the one ``seen``; 204 when nothing came for a while."""
    web = cast(Web, request.app.state.web)
    fresh = await _watch(request, runtime).changed(seen, WAIT_SECONDS)
    if fresh.token == seen:
        return Response(status_code=204, headers={"Cache-Control": "no-store"})
    limits = boards.shown_limits(access.limits(who, Action.READ_STATISTICS))
    shown = await _shown(runtime, request, limits)
    html = web.templates.render(web.language(request), "live.html", shown)
    answer = Json({"token": shown["fresh"].token, "html": html})
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _watch(request: Request, runtime: Runtime) -> Watch:
    state = request.app.state
    if not hasattr(state, "statistics_watch"):
        state.statistics_watch = Watch(runtime.database)
    return cast(Watch, state.statistics_watch)


async def _shown(runtime: Runtime, request: Request, limits: tuple[Limit, ...]) -> dict[str, Any]:
    """Everything the templates of the dashboard need."""
    web = cast(Web, request.app.state.web)
    today = clock.helsinki_day(clock.now())
    fresh = await _watch(request, runtime).current()
    async with runtime.database.snapshot() as connection:
        on = await cube.ground(connection)
        span = await boards.span(on, today)
        choice = _choice(request, span)
        board = await boards.load(on, choice, limits, web.language(request), today)

    def text(key: str, **values: object) -> str:
        return web.text(request, key, **values)

    fmt = web.formatter(request)
    draw = Draw(board, text, fmt)
    return {
        "board": board,
        "charts": [] if board.empty else charts(draw),
        "fresh": fresh,
        "recorded": _seconds(fresh, web.language(request)),
        "months": [(f"{month:%Y-%m}", fmt.month(month)) for month in span.months],
        "options": _options(draw, limits),
        "small": 0 < board.totals["acts"] < SMALL_NUMBER,
        "definitions_version": DEFINITIONS_VERSION,
        "measures": [code for code in MEASURES if code in {*board.totals, "documents", "compensation"}],
    }


def _seconds(fresh: Fresh, language: str) -> str:
    """The Helsinki wall clock with seconds: ``16.14.05``."""
    if fresh.recorded is None:
        return ""
    separator = ":" if language == "en" else "."
    return clock.helsinki(fresh.recorded).strftime(f"%-H{separator}%M{separator}%S")


def _choice(request: Request, span: Span) -> Choice:
    """What the address says. A month outside the list falls to its nearest end; an unknown code is refused."""
    query = request.query_params
    first = _month(query.get("from"), span) or span.months[min(boards.MONTHS_SHOWN, len(span.months)) - 1]
    last = _month(query.get("to"), span) or span.months[0]
    filters = {name: query[name] for name in FILTERS if query.get(name)}
    faults: list[FieldError] = [fault for name, value in filters.items() for fault in check_values(name, [value])]
    if faults:
        raise refused(faults)
    return Choice(min(first, last), max(first, last), filters)


def _month(value: str | None, span: Span) -> dt.date | None:
    return next((month for month in span.months if f"{month:%Y-%m}" == value), None)


def _options(draw: Draw, limits: tuple[Limit, ...]) -> dict[str, list[tuple[str, str]]]:
    """What the form offers, in alphabetical order: places that have a point, and authorities with acts."""
    names, fmt = draw.board.names, draw.fmt
    seen = {code: place for code, place in names.points.items() if _reaches(limits, code, place.provider)}
    offered = {
        "region": {place.region for place in seen.values()} & regions().keys(),
        "municipality": {place.municipality for place in seen.values()} & municipalities().keys(),
        "point": set(seen),
        "authority": {row[0] for row in draw.board.authorities} | set(_chosen(draw.board, "authority")),
    }
    return {
        name: sorted(((code, draw.name(name, code)) for code in codes), key=lambda pair: fmt.sort_key(pair[1]))
        for name, codes in offered.items()
    }


def _chosen(board: Board, name: str) -> list[str]:
    return [board.choice.filters[name]] if name in board.choice.filters else []


def _reaches(limits: tuple[Limit, ...], point: str, provider: str) -> bool:
    return any(
        (limit.points is None or point in limit.points) and (limit.provider_id is None or limit.provider_id == provider)
        for limit in limits
    )


@router.get("/measures", include_in_schema=False)
async def definitions(_: Anyone, request: Request) -> Response:
    """What each measure counts, for people; ``/api/measures`` says the same to programs."""
    web = cast(Web, request.app.state.web)
    return web.page(request, "measures.html", measures=MEASURES, version=DEFINITIONS_VERSION, codes=CODES)


@router.get("/operations", include_in_schema=False)
async def operations(_: Operator, runtime: Here, request: Request) -> Response:
    """Every version of the projection, where it stands, and what was put aside; no contents of any record."""
    web = cast(Web, request.app.state.web)
    async with runtime.database.reading() as connection:
        versions = []
        counts = await registry.parked_counts(connection, NAME)
        for version, state in (await registry.versions(connection, NAME)).items():
            versions.append(
                {
                    "version": version,
                    "state": state,
                    "parked": counts.get(version, 0),
                    "partitions": await registry.partitions(connection, NAME, version),
                }
            )
        holds = await registry.held(connection, NAME)
    spec = runtime.projections[0].spec
    records = await parked.listed(runtime.database, spec)
    return web.page(
        request,
        "operations.html",
        versions=versions,
        holds=holds,
        records=records[:200],
        more=max(0, len(records) - 200),
        waiting=[live.error for live in runtime.projections if live.error],
    )
