"""Reads for API and pages: lists, one document, one line with what stands behind it; each limited by who asks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import polars as pl
import sqlalchemy as sa
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.billing import CreditNoteIssued, InvoiceIssued, Line
from services.billing.domain.explain import EVIDENCE, Explained, explain
from services.billing.domain.periods import first_day, last_day
from services.billing.domain.scope import Reach
from services.billing.domain.terms import Book, Version, coverage
from services.billing.known import acts_query, copied, read_book
from services.billing.projection import NAME
from services.billing.tables import invoice_lines, invoices, runs
from services.chassis.access import Action, Principal, Resource, limits, may, refusal, require
from services.chassis.errors import NotFound
from services.chassis.ids import copy_id, reference
from services.chassis.projection import active_schema

Document = InvoiceIssued | CreditNoteIssued
MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of invoices is narrowed to; empty is all."""

    provider_id: str = ""
    payer_id: str = ""
    period: str = ""
    kind: str = ""


def _visible(who: Principal) -> sa.ColumnElement[bool]:
    """Rows that the reader may see, straight from the access rules."""
    granted = limits(who, Action.READ_INVOICE)
    mine = [sa.or_(invoices.c.provider == g.party_id, invoices.c.payer == g.party_id) for g in granted if g.party_id]
    return sa.true() if any(limit.everything for limit in granted) else sa.or_(sa.false(), *mine)


def _where(who: Principal, filters: Filters) -> sa.ColumnElement[bool]:
    columns = {
        invoices.c.provider: filters.provider_id,
        invoices.c.payer: filters.payer_id,
        invoices.c.period: filters.period,
        invoices.c.kind: filters.kind,
    }
    return sa.and_(_visible(who), *(column == value for column, value in columns.items() if value))


LISTED = (
    invoices.c.position, invoices.c.invoice_id, invoices.c.number, invoices.c.kind, invoices.c.provider,
    invoices.c.payer, invoices.c.period, invoices.c.issued_on, invoices.c.due_on, invoices.c.total,
    invoices.c.corrects, invoices.c.hash,
)  # fmt: skip


async def page(
    connection: AsyncConnection, who: Principal, filters: Filters, after: int, limit: int
) -> tuple[list[Any], int | None]:
    """Invoices, newest first, before position ``after`` (0: from the newest); and the next ``after``."""
    query = sa.select(*LISTED).where(_where(who, filters)).order_by(invoices.c.position.desc()).limit(limit + 1)
    if after:
        query = query.where(invoices.c.position < after)
    rows = list(await connection.execute(query))
    return rows[:limit], rows[limit - 1].position if len(rows) > limit else None


SORTABLE = {
    "number": invoices.c.number,
    "payer": invoices.c.payer,
    "provider": invoices.c.provider,
    "period": invoices.c.period,
    "issued": invoices.c.position,
    "total": invoices.c.total,
}


async def counted(connection: AsyncConnection, who: Principal, filters: Filters) -> tuple[int, int]:
    """How many invoices, and their sum in cents."""
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(invoices.c.total), 0))
    count, total = (await connection.execute(query.where(_where(who, filters)))).one()
    return count, int(total)


async def sorted_page(
    connection: AsyncConnection, who: Principal, filters: Filters, sort: str, descending: bool, offset: int, limit: int
) -> list[Any]:
    """A page of the list as people read it."""
    column = SORTABLE[sort]
    order = (column.desc() if descending else column.asc(), invoices.c.position.desc())
    query = sa.select(*LISTED).where(_where(who, filters)).order_by(*order).offset(offset).limit(limit)
    return list(await connection.execute(query))


async def choices(connection: AsyncConnection, who: Principal) -> dict[str, list[str]]:
    """Providers, payers and periods that occur in what the reader may see: the choices of the filters."""
    found = {}
    for name, column in (("provider", invoices.c.provider), ("payer", invoices.c.payer), ("period", invoices.c.period)):
        found[name] = list(await connection.scalars(sa.select(column).where(_visible(who)).distinct().order_by(column)))
    return found


# One document


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as issued: its bytes, their hash, and the same as a model."""

    document: Document
    body: bytes
    hash: str
    position: int


def document_of(body: bytes) -> Document:
    """The model of a canonical JSON."""
    fields = orjson.loads(body)
    model = CreditNoteIssued if fields.pop("kind") == "credit_note" else InvoiceIssued
    return model.model_validate(fields)


async def one(connection: AsyncConnection, who: Principal, action: Action, invoice_id: UUID) -> Stored:
    """A document, if the reader may see it; otherwise it does not exist for them."""
    query = sa.select(invoices.c.body, invoices.c.hash, invoices.c.position).where(invoices.c.invoice_id == invoice_id)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise refusal(who, secret=True)
    document = document_of(row.body)
    require(who, action, _resource(document))
    return Stored(document, row.body, row.hash, row.position)


def _resource(document: Document) -> Resource:
    parties = frozenset({document.provider_id, document.payer_id})
    return Resource(provider_id=document.provider_id, party_ids=parties)


async def by_number(connection: AsyncConnection, provider: str, number: str) -> Stored:
    """A document by its number in its provider's series."""
    query = sa.select(invoices.c.body, invoices.c.hash, invoices.c.position).where(
        invoices.c.provider == provider, invoices.c.number == number
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFound("not_found", "There is no such invoice.")
    return Stored(document_of(row.body), row.body, row.hash, row.position)


async def ids_of(connection: AsyncConnection, provider: str, numbers: Iterable[str]) -> dict[str, UUID]:
    """Ids of documents by number: for links."""
    query = sa.select(invoices.c.number, invoices.c.invoice_id).where(
        invoices.c.provider == provider, invoices.c.number.in_(list(numbers))
    )
    return {row.number: row.invoice_id for row in await connection.execute(query)}


async def reversals_of(connection: AsyncConnection, document: Document) -> dict[int, tuple[str, UUID]]:
    """Line number → the later document that took it back."""
    query = sa.select(invoice_lines.c.reverses_line, invoice_lines.c.number, invoice_lines.c.invoice_id).where(
        invoice_lines.c.provider == document.provider_id, invoice_lines.c.reverses_number == document.number
    )
    return {line: (number, invoice_id) for line, number, invoice_id in await connection.execute(query)}


def line_of(document: Document, line_no: int) -> Line:
    for line in document.lines:
        if line.line_no == line_no:
            return line
    raise NotFound("line_not_found", f"The invoice has no line {line_no}.", pointer="/line_no")


# A line explained


@dataclass(frozen=True, slots=True)
class LineExplained:
    """``line`` as asked for; ``source``: the line whose acts are shown, which is the reversed one for a reversal."""

    line: Line
    source: Line
    issued: Document
    explained: Explained
    versions: dict[int, Version]

    @property
    def sign(self) -> int:
        """-1 for a line that takes another back."""
        return -1 if self.line.reverses else 1


async def explained(connection: AsyncConnection, document: Document, line_no: int) -> LineExplained:
    """Compute a line anew from acts and terms as known at its document's cut-offs."""
    line = line_of(document, line_no)
    issued, source = document, line
    if line.reverses is not None:
        issued = (await by_number(connection, document.provider_id, line.reverses.number)).document
        source = line_of(issued, line.reverses.line_no)
    schema = await active_schema(connection, NAME)
    book = await read_book(connection, schema, issued.cut_offs.agreements, [issued.provider_id])
    acts = await _evidence(connection, schema, issued, source, book)
    terms = coverage(book, [source.service_month])
    versions = {v.version: v for v in book.by_agreement.get(str(source.agreement_id), ())}
    return LineExplained(line, source, issued, explain(source, issued, acts, terms), versions)


async def _evidence(
    connection: AsyncConnection, schema: str, document: Document, line: Line, book: Book
) -> pl.DataFrame:
    month = line.service_month
    reaches = [
        Reach(document.provider_id, authority, first_day(month), last_day(month))
        for authority in sorted(book.family_of(line.commissioner_id))
    ]
    query = acts_query(schema, reaches, document.cut_offs.diary, EVIDENCE)
    return await copied(connection, query, EVIDENCE)


def act_views(rows: pl.DataFrame, document: Document, who: Principal, secret: bytes, sign: int) -> list[dict[str, Any]]:
    """Acts as the reader may name them: the provider by visit, an authority by its own references and feed places."""
    inside = may(who, Action.READ_VISITS, Resource(provider_id=document.provider_id))
    return [_act_view(row, document.payer_id, secret, sign, inside=inside) for row in rows.iter_rows(named=True)]


def _act_view(row: dict[str, Any], payer: str, secret: bytes, sign: int, *, inside: bool) -> dict[str, Any]:
    own = row["authority"] == payer
    named = (
        {"visit_ref": row["visit_id"], "act_no": row["act_no"], "event_id": row["event_id"]}
        if inside
        else {
            "visit_ref": reference(secret, payer, row["visit_id"]),
            "act_no": row["own_no"],
            "event_id": str(copy_id(UUID(row["event_id"]), payer)),
        }
    )
    return {
        **named,
        "sign": sign,
        "feed_sequence": row["sequence"] if inside or own else None,
        "day": row["day"].isoformat(),
        "service_point_id": row["point"],
        "service": row["service"],
        "task": row["task"],
        "channel": row["channel"],
        "quantity": row["quantity"],
        "minutes": row["minutes"],
        "billed": row["units"],
        "agreement_version": row["version"],
    }


# Names


async def party_names(
    connection: AsyncConnection, parties: Sequence[str], day: dt.date | None = None
) -> dict[str, dict[str, Any]]:
    """Names and business ids as in force on ``day`` (or last known): ``{party: {names, business_id}}``."""
    schema = await active_schema(connection, NAME)
    rows = await connection.execute(
        text(
            f"SELECT party_id, effective_from, business_id, names FROM {schema}.parties "
            "WHERE party_id = ANY(CAST(:parties AS text[])) AND (CAST(:day AS date) IS NULL OR effective_from <= :day) "
            "ORDER BY effective_from, position"
        ),
        {"parties": list(parties), "day": day},
    )
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        known = found.setdefault(row.party_id, {"names": {}, "business_id": None})
        known["names"] = orjson.loads(row.names)
        known["business_id"] = row.business_id or known["business_id"]
    return found


async def point_names(connection: AsyncConnection, points: Sequence[str]) -> dict[str, dict[str, str]]:
    """Names of points as last known."""
    schema = await active_schema(connection, NAME)
    rows = await connection.execute(
        text(
            f"SELECT point_id, names FROM {schema}.points WHERE point_id = ANY(CAST(:points AS text[])) "
            "ORDER BY position"
        ),
        {"points": list(points)},
    )
    return {row.point_id: orjson.loads(row.names) for row in rows}


async def runs_of(connection: AsyncConnection, provider: str, since: str) -> dict[str, Any]:
    """The last run of each month from ``since`` on, by month."""
    query = sa.select(runs).where(runs.c.provider == provider, runs.c.period >= since).order_by(runs.c.position)
    return {row.period: row for row in await connection.execute(query)}


async def run_of(connection: AsyncConnection, who: Principal, run_id: UUID) -> tuple[Any, list[Any]]:
    """A run and its documents, for those who may see the whole of it."""
    row = (await connection.execute(sa.select(runs).where(runs.c.run_id == run_id))).one_or_none()
    if row is None:
        raise refusal(who, secret=True)
    require(who, Action.READ_INVOICE, Resource(provider_id=row.provider, party_ids=frozenset({row.provider})))
    query = sa.select(*LISTED).where(invoices.c.run_id == run_id).order_by(invoices.c.position)
    return row, list(await connection.execute(query))
