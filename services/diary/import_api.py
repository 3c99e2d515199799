"""CSV imports over HTTP: the file as ``text/csv`` or in a form, the report, and the rejected rows to be mended."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Query, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from services.chassis.access import Action, Principal
from services.chassis.errors import ApudiaariError, Invalid
from services.chassis.http import Json
from services.chassis.identity import rule
from services.chassis.runtime import Here
from services.diary import desk, imports

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
    report, repeated = await desk.run_import(here, who, content, service_point_id or form_point, id or uuid4())
    return Json(report, 200 if repeated else 201)


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
    row, rejected = await desk.stored_import(here, who, import_id)
    return Json(imports.shown(row, rejected))


@router.get("/imports/{import_id}/rejected.csv")
async def get_rejected(import_id: UUID, who: Importer, here: Here) -> Response:
    """The rejected rows with their reasons: mend them and send this file again."""
    row, rejected = await desk.stored_import(here, who, import_id)
    name = f"attachment; filename=rejected-{import_id}.csv"
    headers = {"Content-Disposition": name, "Cache-Control": "no-store"}
    return Response(imports.rejected_csv(row, rejected), media_type="text/csv; charset=utf-8", headers=headers)
