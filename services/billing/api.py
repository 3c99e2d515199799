"""Billing over HTTP (design.md §11): parse, hand on, answer."""

from __future__ import annotations

import base64
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from schemas.base import Month, Slug
from services.billing import previews, reading, running
from services.billing.domain.money import amount_text
from services.billing.payloads import PreviewRequest, RunRequest
from services.chassis.access import Action, Principal
from services.chassis.http import Json, answer
from services.chassis.http import page as listed
from services.chassis.identity import rule
from services.chassis.runtime import Here

Runner = Annotated[Principal, rule(Action.RUN_BILLING)]
Reader = Annotated[Principal, rule(Action.READ_INVOICE)]
Explainer = Annotated[Principal, rule(Action.EXPLAIN_INVOICE)]
Previewer = Annotated[Principal, rule(Action.PREVIEW_BILLING)]

router = APIRouter(prefix="/api", tags=["billing"])


@router.post("/runs", status_code=201)
async def post_run(wanted: RunRequest, who: Runner, here: Here) -> Json:
    """Invoice a provider for a month that is over. The same id again gives the same answer (200).

    409 ``projection_behind`` names the partitions that have not seen ``at_least``; 422 ``period_open``.
    """
    return answer(await running.run(here.database, here.writer, who, wanted))


@router.post("/previews")
async def post_preview(wanted: PreviewRequest, who: Previewer, here: Here) -> Json:
    """What a run would issue now, also for an open month or with hypothetical terms. Nothing is stored."""
    return Json(await previews.preview(here.database, who, wanted))


@router.get("/invoices")
async def list_invoices(
    who: Reader,
    here: Here,
    provider_id: Slug | None = None,
    payer_id: Slug | None = None,
    period: Month | None = None,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=reading.MAX_PAGE)] = 50,
) -> Json:
    """Invoices and credit notes, newest first. ``next`` is the ``after`` of the following page."""
    filters = reading.Filters(provider_id or "", payer_id or "", period or "")
    async with here.database.reading() as connection:
        rows, following = await reading.page(connection, who, filters, after, limit)
    return listed([_summary(row) for row in rows], following)


def _summary(row: Any) -> dict[str, Any]:
    return {
        "invoice_id": str(row.invoice_id),
        "number": row.number,
        "kind": row.kind,
        "provider_id": row.provider,
        "payer_id": row.payer,
        "period": row.period,
        "issued_on": row.issued_on.isoformat(),
        "due_on": row.due_on.isoformat(),
        "total": amount_text(row.total),
        "corrects": list(row.corrects),
        "hash": row.hash,
    }


@router.get("/invoices/{invoice_id}")
async def get_invoice(invoice_id: UUID, who: Reader, here: Here) -> Response:
    """The document as issued: canonical JSON (RFC 8785), the same bytes for ever; their SHA-256 in ``repr-digest``."""
    async with here.database.reading() as connection:
        stored = await reading.one(connection, who, Action.READ_INVOICE, invoice_id)
    digest = base64.b64encode(bytes.fromhex(stored.hash)).decode()
    headers = {"ETag": f'"{stored.hash}"', "Repr-Digest": f"sha-256=:{digest}:", "Cache-Control": "private, no-cache"}
    return Response(stored.body, media_type="application/json", headers=headers)


@router.get("/invoices/{invoice_id}/lines/{line_no}/explanation")
async def get_explanation(
    invoice_id: UUID,
    line_no: int,
    who: Explainer,
    here: Here,
    after: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=reading.MAX_PAGE)] = 50,
) -> Json:
    """Which acts, under which version of the terms, make the line; computed anew and compared with it.

    ``after`` counts the acts already seen; ``next`` is null at the end.
    """
    async with here.database.snapshot() as connection:
        stored = await reading.one(connection, who, Action.EXPLAIN_INVOICE, invoice_id)
        found = await reading.explained(connection, stored.document, line_no)
    sign = found.sign
    acts = found.explained.acts.slice(after, limit)
    views = reading.act_views(acts, stored.document, who, here.settings.feed_secret_bytes, sign)
    more = after + limit < found.explained.acts.height
    return Json(
        {
            **found.line.model_dump(mode="json", exclude_none=True),
            "version": found.line.agreement_version,
            "recomputed": {
                "quantity": sign * found.explained.quantity,
                "amount": amount_text(sign * found.explained.amount),
                "equal": found.explained.agrees_with(found.source),
            },
            "acts_total": found.explained.acts.height,
            "acts": views,
            "next": after + limit if more else None,
        }
    )
