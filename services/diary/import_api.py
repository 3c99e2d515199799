"""CSV imports over HTTP: the file as ``text/csv`` or in a form, the report, and the rejected rows to be mended."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Query, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from services.chassis import access, clock
from services.chassis.access import Action, Principal, Resource
from services.chassis.errors import ApudiaariError, Conflict, Invalid, NotFound
from services.chassis.http import Json
from services.chassis.identity import rule
from services.chassis.runtime import Here
from services.diary import imports
from services.diary.api import register, require_point
from services.diary.staff import staff_ref

MAX_FORM_BYTES = imports.MAX_FILE_BYTES + 64 * 1024
CSV_TYPES = ("text/csv", "application/csv", "text/plain")

Importer = Annotated[Principal, rule(Action.IMPORT_VISITS)]
router = APIRouter(prefix="/api", tags=["imports"])


@router.post("/imports", status_code=201)
async def import_visits(
    request: Request,
    who: Importer,
    here: Here,
    service_point_id: Annotated[str | None, Query(max_length=80)] = None,
    id: Annotated[UUID | None, Query()] = None,  # The name in the contract.
) -> Json:
    """Record the visits of a CSV file. The point comes from the query or the form; a column may name another.

    ``id`` makes the request repeatable: the same id with the same file answers with the first report.
    """
    content, form_point = await _file(request)
    return await receive(here, who, content, service_point_id or form_point, id or uuid4())


async def receive(here: Here, who: Principal, content: bytes, service_point_id: str | None, import_id: UUID) -> Json:
    """Run an import, or answer with its report if it was run before."""
    if not service_point_id:
        raise Invalid(
            "service_point_missing", "Say at which point: ?service_point_id=…", pointer="/query/service_point_id"
        )
    known = await register(here)
    require_point(known, who, Action.IMPORT_VISITS, service_point_id, clock.now())
    async with here.database.reading() as connection:
        before = await imports.stored(connection, import_id)
        rejected = await imports.rejections(connection, import_id) if before else []
    if before is not None:
        same = before.content_sha256 == hashlib.sha256(content).hexdigest()
        if not same or before.service_point_id != service_point_id:
            raise Conflict("id_reused", "This id was used for another file. Make a new id.", pointer="/query/id")
        return Json(imports.shown(before, rejected), 200)
    provider = known.points[service_point_id].on(clock.helsinki_day(clock.now())).provider_id
    recorder = staff_ref(here.settings.feed_secret_bytes, who)
    point = (service_point_id, provider)
    report = await imports.run(here.writer, here.database, who, point, import_id, content, recorder)
    return Json(report, 201)


async def _file(request: Request) -> tuple[bytes, str | None]:
    """The bytes of the file, and the point if a form named it. The whole is bounded by the service's limit already."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in CSV_TYPES:
        content, point = await request.body(), None
    elif kind == "multipart/form-data":
        async with request.form(max_files=1, max_fields=4) as form:
            upload = form.get("file")
            if not isinstance(upload, UploadFile):
                raise Invalid("file_missing", "Send the file in the field file.", pointer="/file")
            content = await upload.read()
            named = form.get("service_point_id")
            point = named if isinstance(named, str) else None
    else:
        raise ApudiaariError("unsupported_media_type", "Send text/csv or multipart/form-data.", status=415)
    if len(content) > imports.MAX_FILE_BYTES:
        raise imports.too_large()
    return content, point


@router.get("/imports/{import_id}")
async def get_import(import_id: UUID, who: Importer, here: Here) -> Json:
    """The report of an import."""
    row, rejected = await stored_import(here, who, import_id)
    return Json(imports.shown(row, rejected))


@router.get("/imports/{import_id}/rejected.csv")
async def get_rejected(import_id: UUID, who: Importer, here: Here) -> Response:
    """The rejected rows with their reasons: mend them and send this file again."""
    row, rejected = await stored_import(here, who, import_id)
    name = f"attachment; filename=rejected-{import_id}.csv"
    headers = {"Content-Disposition": name, "Cache-Control": "no-store"}
    return Response(imports.rejected_csv(row, rejected), media_type="text/csv; charset=utf-8", headers=headers)


async def stored_import(here: Here, who: Principal, import_id: UUID) -> tuple[Any, Any]:
    """The report and its rows, for whom they concern; what is not there and what is another's look the same."""
    async with here.database.reading() as connection:
        row = await imports.stored(connection, import_id)
        rejected = await imports.rejections(connection, import_id) if row else []
    resource = Resource(provider_id=row.provider_id, point_id=row.service_point_id) if row else None
    if resource is None or not access.may(who, Action.IMPORT_VISITS, resource):
        raise NotFound("unknown_import", "There is no such import, or it is not yours to see.")
    return row, rejected
