"""The run on pages: choose a month, see what it would issue, confirm, see what was issued.

The form carries the id of the run from the moment it is shown, so that sending it twice invoices once.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any
from urllib.parse import parse_qs
from uuid import UUID, uuid4

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from services.billing import previews, reading, running
from services.billing.domain.money import amount_text
from services.billing.domain.periods import month_of
from services.billing.known import Standing, standing
from services.billing.payloads import PreviewRequest, RunRequest
from services.billing.presenting import Words, words_of
from services.chassis.access import Action, Principal, limits
from services.chassis.clock import helsinki_day, now
from services.chassis.errors import ApudiaariError, Conflict, Invalid
from services.chassis.identity import rule
from services.chassis.runtime import Here

router = APIRouter(include_in_schema=False)
Runner = Annotated[Principal, rule(Action.RUN_BILLING)]
Reader = Annotated[Principal, rule(Action.READ_INVOICE)]
MONTHS = 12


def months_over(today: dt.date, count: int = MONTHS) -> list[str]:
    """The last months that are over, newest first."""
    months, day = [], today.replace(day=1)
    for _ in range(count):
        day = (day - dt.timedelta(days=1)).replace(day=1)
        months.append(month_of(day))
    return months


def _provider(who: Principal) -> str:
    (limit,) = limits(who, Action.RUN_BILLING)
    assert limit.provider_id is not None
    return limit.provider_id


@router.get("/run")
async def choose(request: Request, who: Runner, runtime: Here) -> Response:
    """Months to invoice; with ``?period=`` what a run would issue now."""
    period = request.query_params.get("period", "")
    months = months_over(helsinki_day(now()))
    return await _page(request, who, runtime, months, period if period in months else "", uuid4())


@router.post("/run")
async def send(request: Request, who: Runner, runtime: Here) -> Response:
    """Invoice the month; a refusal comes back on the same page with the same id."""
    wanted = await _wanted(request, who)
    try:
        await running.run(runtime.database, runtime.writer, who, wanted)
    except (Conflict, Invalid) as refusal:
        months = months_over(helsinki_day(now()))
        return await _page(request, who, runtime, months, wanted.period, wanted.id, refusal)
    return RedirectResponse(f"/runs/{wanted.id}", 303)


async def _wanted(request: Request, who: Principal) -> RunRequest:
    try:
        form = parse_qs((await request.body()).decode(), max_num_fields=10)
        return RunRequest.model_validate(
            {"id": form["id"][0], "period": form["period"][0], "provider_id": _provider(who)}
        )
    except (ValidationError, KeyError, ValueError) as error:
        raise Invalid("malformed_form", "The form could not be read. Open the page again.") from error


async def _page(
    request: Request, who: Principal, runtime: Here, months: list[str], period: str, run_id: UUID,
    refusal: ApudiaariError | None = None,
) -> Response:  # fmt: skip
    provider = _provider(who)
    async with runtime.database.snapshot() as connection:
        stand = await standing(connection)
        done = await reading.runs_of(connection, provider, months[-1])
    preview = None
    if period and refusal is None and not stand.halted:
        wanted = PreviewRequest(provider_id=provider, period=period)
        preview = await previews.preview(runtime.database, who, wanted)
    async with runtime.database.reading() as connection:
        payers = [each["payer_id"] for each in preview["documents"]] if preview else []
        words = await words_of(connection, request, {provider, *payers})
    page: Response = request.app.state.web.page(
        request, "run.html", refusal.status if refusal else 200, period=period, run_id=run_id, refusal=refusal,
        provider=words.party(provider), months=[_month(words, month, done.get(month)) for month in months],
        preview=_shown(words, preview) if preview else None, waiting=_waiting(stand, refusal), stand=stand,
    )  # fmt: skip
    return page


def _month(words: Words, month: str, run: Any) -> dict[str, Any]:
    return {"month": month, "name": words.fmt.month(month), "run": run}


def _shown(words: Words, preview: dict[str, Any]) -> dict[str, Any]:
    documents = [
        {**each, "payer": words.party(each["payer_id"]), "lines": len(each["lines"])} for each in preview["documents"]
    ]
    return {**preview, "documents": documents, "unbilled": _reasons(words, preview["unbilled"])}


def _reasons(words: Words, unbilled: dict[str, int]) -> list[tuple[str, int]]:
    return [(words.code("bil.unbilled", reason), count) for reason, count in sorted(unbilled.items())]


def _waiting(stand: Standing, refusal: ApudiaariError | None) -> list[dict[str, str]]:
    """Partitions that a run waits for: those that stopped, or those that the refusal names."""
    if refusal is not None and refusal.code in {"projection_behind", "projection_halted"}:
        return [{"where": each.pointer.removeprefix("/partitions/"), "why": each.detail} for each in refusal.errors]
    return [{"where": f"{part.topic}/{part.partition}", "why": part.reason} for part in stand.halted]


@router.get("/runs/{run_id}")
async def result(request: Request, who: Reader, runtime: Here, run_id: UUID) -> Response:
    """What a run issued, and what it left unbilled and why."""
    async with runtime.database.snapshot() as connection:
        run, documents = await reading.run_of(connection, who, run_id)
        words = await words_of(connection, request, {run.provider, *(row.payer for row in documents)})
    rows = [
        {
            "id": row.invoice_id, "number": row.number, "kind": row.kind, "payer": words.party(row.payer),
            "total": amount_text(row.total), "corrects": row.corrects,
        }
        for row in documents
    ]  # fmt: skip
    page: Response = request.app.state.web.page(
        request, "run_result.html", run=run, rows=rows, total=amount_text(sum(row.total for row in documents)),
        unbilled=_reasons(words, run.unbilled), provider=words.party(run.provider),
    )  # fmt: skip
    return page
