"""The diary over HTTP (design.md §11): parse, hand to the log, answer."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from services.chassis.access import Action, Principal
from services.chassis.errors import Invalid, TooLarge
from services.chassis.http import Json, answer
from services.chassis.http import page as listed
from services.chassis.identity import rule
from services.chassis.runtime import Here
from services.diary import desk, handlers, reading
from services.diary.domain.entries import (
    Body,
    CorrectVisit,
    ForwardDocument,
    ReceiveDocument,
    RecordVisit,
    Text,
    VoidVisit,
)
from services.diary.receipts import receipt_of

MAX_CONTENT_BYTES = 4 * 1024 * 1024
MAX_DOCUMENT_BODY_BYTES = 6 * 1024 * 1024

Recorder = Annotated[Principal, rule(Action.RECORD_VISIT)]
Receiver = Annotated[Principal, rule(Action.RECORD_DOCUMENT)]
VisitReader = Annotated[Principal, rule(Action.READ_VISITS)]
ReceiptReader = Annotated[Principal, rule(Action.READ_RECEIPT)]

router = APIRouter(prefix="/api", tags=["diary"])


@router.put("/visits/{visit_id}", status_code=201)
async def put_visit(visit_id: UUID, entry: RecordVisit, who: Recorder, here: Here) -> Json:
    """Record a visit with its acts. The id is the client's; the same again gives the same answer (200)."""
    return answer(await here.writer.submit(handlers.visit_command(visit_id, entry, who)))


@router.post("/visits/{visit_id}/corrections", status_code=201)
async def correct_visit(visit_id: UUID, change: CorrectVisit, who: Recorder, here: Here) -> Json:
    """Put a visit in the place of what was recorded. 409 ``stale`` names the current version."""
    return answer(await here.writer.submit(handlers.change_command(visit_id, change, who)))


@router.post("/visits/{visit_id}/void", status_code=201)
async def void_visit(visit_id: UUID, change: VoidVisit, who: Recorder, here: Here) -> Json:
    """Take a visit back. Its history stays readable; its id is never used again."""
    return answer(await here.writer.submit(handlers.change_command(visit_id, change, who)))


@router.get("/visits")
async def list_visits(
    who: VisitReader,
    here: Here,
    service_point_id: Annotated[str | None, Query(max_length=80)] = None,
    day: dt.date | None = None,
    after: Annotated[int | None, Query(ge=1)] = None,
    limit: Annotated[int, Query(ge=1, le=reading.LIMIT_MAX)] = 50,
) -> Json:
    """Visits, the newest entry first. ``next`` is the ``after`` of the following page."""
    async with here.database.reading() as connection:
        visits, following = await reading.page(
            connection, who, service_point_id=service_point_id, day=day, after=after, limit=limit
        )
    return listed([reading.as_json(visit) for visit in visits], following)


@router.get("/visits/{visit_id}")
async def get_visit(visit_id: UUID, who: VisitReader, here: Here) -> Json:
    """A visit as it is, with every version it had."""
    async with here.database.reading() as connection:
        return Json(reading.with_history(await reading.one(connection, who, visit_id)))


class StampRequest(Body):
    """``POST /api/stamps``."""

    id: UUID
    service_point_id: Text


@router.post("/stamps", status_code=201)
async def make_stamp(wanted: StampRequest, who: Receiver, here: Here) -> Json:
    """Sign the present moment for a document whose details follow within two hours."""
    made, repeated = await desk.stamp(here, who, wanted.id, wanted.service_point_id)
    return Json(made, 200 if repeated else 201)


class DocumentRequest(ReceiveDocument):
    """``PUT /api/documents/{document_id}``: ``content_base64`` is the document itself, committed to and not kept."""

    content_base64: Annotated[str, Field(max_length=MAX_DOCUMENT_BODY_BYTES)] | None = None


@router.put("/documents/{document_id}", status_code=201)
async def put_document(document_id: UUID, wanted: DocumentRequest, who: Receiver, here: Here) -> Json:
    """Record that a document was received, and the visit with it if ``visit`` is sent along."""
    content = _content(wanted)
    fields = {name: getattr(wanted, name) for name in ReceiveDocument.model_fields}
    if content is not None:
        fields["content_sha256"] = hashlib.sha256(content).hexdigest()
    entry = ReceiveDocument.model_construct(**fields)
    return answer(await here.writer.submit(handlers.document_command(document_id, entry, who, content)))


def _content(wanted: DocumentRequest) -> bytes | None:
    """The document's bytes, if they were sent; their hash alone cannot be committed to under a key of ours."""
    if wanted.content_base64 is None:
        if wanted.content_sha256 is not None:
            detail = "Send content_base64, or describe the paper; a hash alone is not committed to."
            raise Invalid("content_missing", detail, pointer="/content_sha256")
        return None
    try:
        content = base64.b64decode(wanted.content_base64, validate=True)
    except binascii.Error:
        raise Invalid("not_base64", "The content is not base64.", pointer="/content_base64") from None
    if len(content) > MAX_CONTENT_BYTES:
        raise TooLarge("document_too_large", "A document has at most 4 MiB.", pointer="/content_base64")
    if wanted.content_sha256 not in (None, hashlib.sha256(content).hexdigest()):
        raise Invalid("content_differs", "The content does not have that hash.", pointer="/content_sha256")
    return content


@router.post("/documents/{document_id}/forwarded", status_code=201)
async def forward_document(document_id: UUID, wanted: ForwardDocument, who: Receiver, here: Here) -> Json:
    """Record that a document was sent on to its authority."""
    return answer(await here.writer.submit(handlers.forward_command(document_id, wanted, who)))


@router.get("/documents/{document_id}/receipt")
async def get_receipt(document_id: UUID, who: ReceiptReader, here: Here) -> Json:
    """The signed receipt, the same whenever it is asked for; verify it with ``python -m services.chassis.evidence``."""
    return Json(await receipt_of(here.database, here.signer, who, document_id, synthetic=here.settings.synthetic))
