"""Pages of billing: the list of invoices, one invoice, one line explained. A run is in :mod:`.pages_run`."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from services.billing import pages_run, reading
from services.billing.domain.documents import kind_of
from services.billing.domain.money import amount_text
from services.billing.domain.periods import days_in, first_day
from services.billing.domain.terms import FIXED
from services.billing.known import read_book, standing
from services.billing.presenting import (
    Words,
    describe,
    month_groups,
    priced_as,
    vat_residual,
    vat_rows,
    words_of,
)
from services.billing.projection import NAME
from services.billing.reading import Document, Filters, LineExplained
from services.chassis.access import Action, Principal, limits
from services.chassis.identity import rule
from services.chassis.projection import active_schema
from services.chassis.runtime import Here
from services.chassis.web.format import sort_key
from services.chassis.web.listing import listing

router = APIRouter(include_in_schema=False)
router.include_router(pages_run.router)

Anyone = Annotated[Principal, rule(Action.OPEN)]
Reader = Annotated[Principal, rule(Action.READ_INVOICE)]
Explainer = Annotated[Principal, rule(Action.EXPLAIN_INVOICE)]
FILTERS = ("provider", "payer", "period", "kind")


@router.get("/")
async def front(request: Request, who: Anyone, runtime: Here) -> Response:
    """The reader's invoices; for everybody else, what this is and where to sign in."""
    web = request.app.state.web
    if not limits(who, Action.READ_INVOICE):
        welcome: Response = web.page(request, "billing_welcome.html")
        return welcome
    chosen = {name: request.query_params.get(name, "")[:80] for name in FILTERS}
    filters = Filters(chosen["provider"], chosen["payer"], chosen["period"], chosen["kind"])
    asked = listing(request, tuple(reading.SORTABLE), default="issued", descending=True)
    async with runtime.database.snapshot() as connection:
        count, total = await reading.counted(connection, who, filters)
        asked = asked.counted(count)
        rows = await reading.sorted_page(
            connection, who, filters, asked.sort, asked.descending, asked.offset, asked.per_page
        )
        choices = await reading.choices(connection, who)
        words = await words_of(connection, request, {*choices["provider"], *choices["payer"]})
        stand = await standing(connection)
    page: Response = web.page(
        request, "invoices.html", listing=asked, filters=chosen, any_at_all=bool(choices["period"]),
        rows=[_list_row(words, row) for row in rows], total=amount_text(total), choices=_named(words, choices),
        several_providers=len(choices["provider"]) > 1, may_run=bool(limits(who, Action.RUN_BILLING)),
        halted=stand.halted,
    )  # fmt: skip
    return page


def _list_row(words: Words, row: Any) -> dict[str, Any]:
    return {
        "id": row.invoice_id,
        "number": row.number,
        "kind": row.kind,
        "provider": words.party(row.provider),
        "payer": words.party(row.payer),
        "period": row.period,
        "issued_on": row.issued_on,
        "due_on": row.due_on,
        "total": amount_text(row.total),
    }


def _named(words: Words, choices: dict[str, list[str]]) -> dict[str, list[tuple[str, str]]]:
    """The filters' choices by name, months newest first."""
    parties = {
        name: sorted(((party, words.party(party)) for party in choices[name]), key=lambda pair: sort_key(pair[1]))
        for name in ("provider", "payer")
    }
    months = [(month, words.fmt.month(month)) for month in reversed(choices["period"])]
    kinds = [(kind, words.text(f"bil.kind.{kind}")) for kind in ("invoice", "credit_note")]
    return {**parties, "period": months, "kind": kinds}


@router.get("/invoices/{invoice_id}")
async def invoice(request: Request, who: Reader, runtime: Here, invoice_id: UUID) -> Response:
    """One document, readable and printable, with what proves it."""
    async with runtime.database.snapshot() as connection:
        stored = await reading.one(connection, who, Action.READ_INVOICE, invoice_id)
        document = stored.document
        schema = await active_schema(connection, NAME)
        book = await read_book(connection, schema, document.cut_offs.agreements, [document.provider_id])
        named = {*document.corrects, *(line.reverses.number for line in document.lines if line.reverses)}
        ids = await reading.ids_of(connection, document.provider_id, named)
        later = await reading.reversals_of(connection, document)
        residual = await _residual(connection, document)
        commissioners = {line.commissioner_id for line in document.lines}
        words = await words_of(connection, request, {document.provider_id, document.payer_id, *commissioners})
    page: Response = request.app.state.web.page(
        request, "invoice.html", invoice=document, kind=kind_of(document), hash=stored.hash, ids=ids,
        seller=_party(words, document.provider_id), payer=_party(words, document.payer_id),
        months=month_groups(words, document, book, ids, later), vat=vat_rows(words, document),
        several_commissioners=commissioners != {document.payer_id},
        residual=amount_text(residual) if residual else None,
        later=sorted(set(later.values())), feed_root=document.feed.root if document.feed else None,
    )  # fmt: skip
    return page


async def _residual(connection: AsyncConnection, document: Document) -> int:
    if not any(each.rate for each in document.vat):
        return 0
    earlier = [(await reading.by_number(connection, document.provider_id, number)) for number in document.corrects]
    return vat_residual(document, [each.document for each in earlier])


def _party(words: Words, party_id: str) -> dict[str, Any]:
    return {"id": party_id, "name": words.party(party_id), "business_id": words.business_id(party_id)}


@router.get("/invoices/{invoice_id}/lines/{line_no}")
async def line(request: Request, who: Explainer, runtime: Here, invoice_id: UUID, line_no: int) -> Response:
    """How a line's cents come about, down to the acts."""
    async with runtime.database.snapshot() as connection:
        stored = await reading.one(connection, who, Action.EXPLAIN_INVOICE, invoice_id)
        found = await reading.explained(connection, stored.document, line_no)
        acts = found.explained.acts
        asked = listing(request, (), default="day").counted(acts.height)
        shown = acts.slice(asked.offset, asked.per_page)
        points = (
            {*shown["point"].to_list(), *(point for point, _, _ in found.explained.by_point)} if acts.height else ()
        )
        words = await words_of(connection, request, {found.line.commissioner_id, stored.document.payer_id}, points)
        schema = await active_schema(connection, NAME)
        book = await read_book(connection, schema, found.issued.cut_offs.agreements, [stored.document.provider_id])
        reversed_id = await _id_of(connection, stored.document, found)
    views = reading.act_views(shown, stored.document, who, runtime.settings.feed_secret_bytes, found.sign)
    for view in views:
        view["point"] = words.point(view["service_point_id"])
    price = priced_as(book, found.source)
    page: Response = request.app.state.web.page(
        request, "line.html", invoice=stored.document, kind=kind_of(stored.document), line=found.line,
        source=found.source, what=describe(words, found.line, price), price=price, equation=_equation(words, found),
        commissioner=words.party(found.line.commissioner_id), version=found.versions.get(found.line.agreement_version),
        agrees=found.explained.agrees_with(found.source), recomputed=amount_text(found.sign * found.explained.amount),
        sign=found.sign, acts=views, acts_total=acts.height, free=_free(found), listing=asked, reversed_id=reversed_id,
        by_point=[(words.point(p), units, amount_text(found.sign * c)) for p, units, c in found.explained.by_point],
        agreement_url=_agreement_url(runtime, found), day=first_day(found.line.service_month),
    )  # fmt: skip
    return page


async def _id_of(connection: AsyncConnection, document: Document, found: LineExplained) -> UUID | None:
    if found.line.reverses is None:
        return None
    number = found.line.reverses.number
    return (await reading.ids_of(connection, document.provider_id, [number])).get(number)


def _equation(words: Words, found: LineExplained) -> dict[str, str]:
    """Quantity, price and amount as a sentence of figures."""
    source = found.line
    per_month = source.clause == FIXED
    return {
        "quantity": words.quantity(source),
        "price": words.price(source.unit_price),
        "amount": words.fmt.money(source.amount),
        "days": str(days_in(source.service_month)) if per_month else "",
    }


def _free(found: LineExplained) -> int | None:
    """Acts that the monthly quota left free, where the clause has one."""
    if found.source.clause != "included_then_per_act" or not found.explained.acts.height:
        return None
    return int((found.explained.acts["quantity"] - found.explained.acts["units"]).sum())


def _agreement_url(runtime: Here, found: LineExplained) -> str | None:
    base = runtime.settings.base_urls.get("agreements")
    return f"{base.rstrip('/')}/agreements/{found.line.agreement_id}" if base else None
