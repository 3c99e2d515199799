"""The page of CSV imports: a file, its report, and the rejected rows to be mended and sent again."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from services.chassis.access import Action, Principal, limits
from services.chassis.errors import ApudiaariError, Invalid
from services.chassis.identity import rule
from services.chassis.runtime import Here
from services.diary import desk, imports, pages
from services.diary.domain import csv_rows
from services.diary.pages import room_of, web_of

SHOWN = 200
Importer = Annotated[Principal, rule(Action.IMPORT_VISITS)]
router = APIRouter(include_in_schema=False)


@router.get("/counter/imports")
async def import_form(request: Request, who: Importer, here: Here) -> Response:
    """A file to send."""
    return await _page(request, who, here)


async def _page(request: Request, who: Principal, here: Here, error: ApudiaariError | None = None) -> Response:
    room = await room_of(request, here, who)
    allowed = limits(who, Action.IMPORT_VISITS)
    points = [
        each
        for each in room.points
        if any(
            (limit.points is None or each.id in limit.points)
            and limit.provider_id in (None, room.known.points[each.id].on(room.today).provider_id)
            for limit in allowed
        )
    ]
    return web_of(request).page(
        request,
        "import.html",
        status=error.status if error else 200,
        points=points,
        point=room.point,
        columns=csv_rows.COLUMNS,
        required=csv_rows.REQUIRED,
        errors=pages.errors_of(request, error),
    )


@router.post("/counter/imports")
async def send(request: Request, who: Importer, here: Here) -> Response:
    """Record what can be recorded and show the report."""
    try:
        async with request.form(max_files=1, max_fields=4) as form:
            upload = form.get("file")
            if not isinstance(upload, UploadFile) or not upload.filename:
                raise Invalid("file_missing", "Choose a file.", pointer="/file")
            content = await upload.read()
            point = str(form.get("point", ""))[:80]
        if len(content) > imports.MAX_FILE_BYTES:
            raise imports.too_large()
        import_id = uuid4()
        await desk.run_import(here, who, content, point, import_id)
    except ApudiaariError as refusal:
        return await _page(request, who, here, refusal)
    return RedirectResponse(f"/counter/imports/{import_id}", 303)


@router.get("/counter/imports/{import_id}")
async def report(request: Request, import_id: UUID, who: Importer, here: Here) -> Response:
    """What became of a file."""
    row, rejected = await desk.stored_import(here, who, import_id)
    told = imports.shown(row, rejected)
    return web_of(request).page(request, "import_report.html", report=told, shown=told["rejected"][:SHOWN])
