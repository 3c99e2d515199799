"""The query interface: ``/api/cube``, and the definitions of what it measures."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.chassis import access, clock
from services.chassis.access import Action, Principal
from services.chassis.errors import ApudiaariError
from services.chassis.http import Json
from services.chassis.identity import rule
from services.chassis.runtime import Here
from services.statistics import cube
from services.statistics.domain import (
    CODES,
    DEFINITIONS_VERSION,
    DIMENSIONS,
    MAX_CELLS,
    MEASURES,
    PAGE_ROWS,
    Question,
    dimensions_of,
    parse,
)
from services.statistics.names import NAMED, Names, load_names
from services.statistics.tabular import MEDIA_TYPE, to_csv

router = APIRouter()
Reader = Annotated[Principal, rule(Action.READ_STATISTICS)]
Anyone = Annotated[Principal, rule(Action.OPEN)]
OWN = ("after", "limit", "names", "lang")
"""Parameters of a question that are not part of it."""


@router.get("/api/cube", tags=["statistics"])
async def get_cube(
    who: Reader,
    runtime: Here,
    request: Request,
    after: Annotated[str | None, Query(max_length=600)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_CELLS)] = PAGE_ROWS,
    names: bool = False,
) -> Response:
    """Counts by any dimensions for which the measures are defined.

    ``measures=acts,quantity&by=authority,month&point=piste-732-1&from=2026-09&to=2026-10``. Any dimension may be given
    with values to keep; lists are separated by commas. ``names=true`` adds a column of names after each code that has
    one. A row is missing where everything is zero; null is *not recorded* in a measure and *not known* in a dimension.
    At most 10,000 cells an answer; ``next`` goes on. JSON, or CSV by ``Accept: text/csv`` (then ``Link: rel=next``).
    """
    as_csv = _wants_csv(request.headers.get("accept", ""))
    question = parse((key, value) for key, value in request.query_params.multi_items() if key not in OWN)
    async with runtime.database.snapshot() as connection:
        limits = access.limits(who, Action.READ_STATISTICS)
        on = await cube.ground(connection)
        found = await cube.ask(on, question, limits, after=after, limit=limit)
        named = None
        if names:
            language = request.app.state.web.language(request)
            day = question.last or clock.helsinki_day(clock.now())
            named = await load_names(connection, on.schema, language, day)
    columns, rows = with_names(question, found.answer.rows, named)
    following = found.answer.following
    headers = {"Vary": "Accept, Authorization, Cookie", "Cache-Control": "no-store"}
    if as_csv:
        if following:
            headers["Link"] = f'<{request.url.include_query_params(after=following)}>; rel="next"'
        headers["Content-Disposition"] = f'attachment; filename="{_file_name(question)}.csv"'
        return Response(to_csv(columns, rows), media_type=MEDIA_TYPE, headers=headers)
    body = {
        "columns": columns,
        "rows": rows,
        "next": following,
        "positions": {topic: place._asdict() for topic, place in on.positions.items()},
        "definitions": DEFINITIONS_VERSION,
        "cubes": {part.cube: part.measures for part in found.parts},
    }
    answer = Json(body)
    answer.headers.update(headers)
    return answer


def with_names(question: Question, rows: list[list[Any]], names: Names | None) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows, with names after the codes if they are wanted."""
    columns = [*question.by, *question.measures]
    if names is None:
        return columns, rows
    for index in reversed(range(len(question.by))):
        dimension = question.by[index]
        if dimension in NAMED:
            columns.insert(index + 1, f"{dimension}_name")
            rows = [[*row[: index + 1], names.of(dimension, row[index]), *row[index + 1 :]] for row in rows]
    return columns, rows


def _wants_csv(accept: str) -> bool:
    """Whether CSV is asked for; ``not_acceptable`` for what neither JSON nor CSV is."""
    kinds = [part.split(";")[0].strip().lower() for part in accept.split(",") if part.strip()]
    for kind in kinds:
        if kind == "text/csv":
            return True
        if kind in {"application/json", "application/*", "*/*", "text/html"}:
            return False
    if kinds:
        detail = "The answer can be had as application/json or text/csv; say one of them in Accept."
        raise ApudiaariError("not_acceptable", detail, status=406)
    return False


def _file_name(question: Question) -> str:
    return "-".join(["apudiaari", *question.measures[:3], *question.by[:3]])


@router.get("/download.csv", include_in_schema=False)
async def download(who: Reader, runtime: Here, request: Request) -> Response:
    """The CSV of a question for a link on a page, where a browser says no more than that it takes anything."""
    question = parse((key, value) for key, value in request.query_params.multi_items() if key not in OWN)
    async with runtime.database.snapshot() as connection:
        on = await cube.ground(connection)
        found = await cube.ask(on, question, access.limits(who, Action.READ_STATISTICS))
        day = question.last or clock.helsinki_day(clock.now())
        named = await load_names(connection, on.schema, request.app.state.web.language(request), day)
    columns, rows = with_names(question, found.answer.rows, named)
    headers = {"Content-Disposition": f'attachment; filename="{_file_name(question)}.csv"', "Cache-Control": "no-store"}
    return Response(to_csv(columns, rows), media_type=MEDIA_TYPE, headers=headers)


@router.get("/api/measures", tags=["statistics"])
async def measures(_: Anyone, request: Request) -> Json:
    """What each measure counts, by what it may be asked, and what its null means; in the request's language."""
    web = request.app.state.web
    items = [
        {
            "measure": code,
            "version": DEFINITIONS_VERSION,
            "name": web.text(request, f"measure.{code}.name"),
            "definition": web.text(request, f"measure.{code}.definition"),
            "unit": "EUR" if measure.money else "count",
            "dimensions": [name for name in DIMENSIONS if name in dimensions_of(code)],
            "needs": measure.needs,
            "not_recorded": measure.known_by is not None,
        }
        for code, measure in MEASURES.items()
    ]
    states = {name: web.text(request, f"state.{name}") for name in ("zero", "missing", "not_recorded", "not_known")}
    body = {"version": DEFINITIONS_VERSION, "items": items, "next": None, "states": states, "codes": CODES}
    return Json(body)
