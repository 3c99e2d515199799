"""Billing's own read tables: written in the transaction of their events, read by pages, API and runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.billing import BillingPeriodClosed, _Document
from services.billing.domain.difference import BILLED, document_rows
from services.billing.domain.documents import kind_of
from services.billing.domain.money import cents
from services.billing.domain.scope import Scope
from services.billing.domain.series import Closing, Series, closed
from services.billing.tables import invoice_lines, invoices, runs
from services.chassis.db import copy_rows
from services.chassis.evidence.canonical import canonical_json
from services.chassis.log import Placed


def canonical(document: _Document) -> bytes:
    """The document's canonical JSON: the event's data and what kind it is. Equal inputs give equal bytes, for ever."""
    return canonical_json({"kind": kind_of(document), **document.model_dump(mode="json", exclude_none=True)})


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


# Writing


async def project(connection: AsyncConnection, placed: Sequence[Placed]) -> None:
    """Three inserts and one update for a batch of events."""
    documents = [(each, each.event.data) for each in placed if isinstance(each.event.data, _Document)]
    ended = [(each, each.event.data) for each in placed if isinstance(each.event.data, BillingPeriodClosed)]
    if documents:
        await _copy(connection, invoices, [_invoice_row(each, document) for each, document in documents])
        rows = [row for _, document in documents for row in _line_rows(document)]
        await _copy(connection, invoice_lines, rows)
        await _close_reversed(connection, rows)
    if ended:
        await connection.execute(sa.insert(runs), [_run_row(each, closing) for each, closing in ended])


async def _copy(connection: AsyncConnection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    names = [column.name for column in table.columns]
    await copy_rows(connection, "read", table.name, names, [[row[name] for name in names] for row in rows])


def _invoice_row(placed: Placed, document: _Document) -> dict[str, Any]:
    body = canonical(document)
    return {
        "invoice_id": document.invoice_id,
        "position": placed.position,
        "run_id": document.run_id,
        "number": document.number,
        "kind": kind_of(document),
        "provider": document.provider_id,
        "payer": document.payer_id,
        "period": document.period,
        "issued_on": document.issued_on,
        "due_on": document.due_on,
        "total": cents(document.total),
        "corrects": list(document.corrects),
        "hash": digest(body),
        "body": body,
    }


def _line_rows(document: _Document) -> Iterable[dict[str, Any]]:
    for row in document_rows(document):
        reverses = row.pop("reverses")
        yield {
            **row,
            "invoice_id": document.invoice_id,
            "open": reverses is None,
            "reverses_number": reverses.number if reverses else None,
            "reverses_line": reverses.line_no if reverses else None,
        }


async def _close_reversed(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    taken = [row for row in rows if row["reverses_number"]]
    if taken:
        await connection.execute(
            _CLOSE,
            {
                "provider": [row["provider"] for row in taken],
                "number": [row["reverses_number"] for row in taken],
                "line_no": [row["reverses_line"] for row in taken],
            },
        )


_CLOSE = text(
    "UPDATE read.invoice_lines AS l SET open = false FROM unnest(CAST(:provider AS text[]), CAST(:number AS text[]), "
    "CAST(:line_no AS int[])) AS r (provider, number, line_no) "
    "WHERE l.provider = r.provider AND l.number = r.number AND l.line_no = r.line_no"
)


def _run_row(placed: Placed, ended: BillingPeriodClosed) -> dict[str, Any]:
    return {
        "run_id": ended.run_id,
        "position": placed.position,
        "provider": ended.provider_id,
        "period": ended.period,
        "opens": ended.opens or ended.period,
        "recorded": placed.recorded,
        "cut_off_diary": ended.cut_offs.diary,
        "cut_off_agreements": ended.cut_offs.agreements,
        "numbers": list(ended.documents),
        "unbilled": placed.command.payload.unbilled,
    }


# Reading for a run


async def stream_versions(connection: AsyncConnection, providers: Sequence[str]) -> dict[str, int]:
    """Version of each provider's stream, 0 before its first event."""
    rows = await connection.execute(
        text(
            "SELECT stream, max(stream_version) AS version FROM log.events "
            "WHERE stream = ANY(CAST(:streams AS text[])) GROUP BY stream"
        ),
        {"streams": [f"invoices:{provider}" for provider in providers]},
    )
    found = {row.stream.removeprefix("invoices:"): row.version for row in rows}
    return {provider: found.get(provider, 0) for provider in providers}


async def series(connection: AsyncConnection, providers: Sequence[str]) -> dict[str, Series]:
    """What the providers' runs have closed. Numbers are not in it: they are given under the lock of the log."""
    found = {provider: Series() for provider in providers}
    columns = (runs.c.provider, runs.c.opens, runs.c.period, runs.c.cut_off_diary, runs.c.cut_off_agreements)
    query = sa.select(*columns).where(runs.c.provider.in_(providers)).order_by(runs.c.position)
    for provider, opens, *closing in await connection.execute(query):
        found[provider] = closed(found[provider], Closing(*closing), opens)
    return found


async def billed(connection: AsyncConnection, scopes: Iterable[Scope]) -> pl.DataFrame:
    """Lines of the scopes' months as :data:`BILLED`; the caller cuts them to the authorities."""
    pairs = [(scope.provider, month) for scope in scopes for month in scope.months]
    if not pairs:
        return pl.DataFrame(schema=BILLED)
    columns = ", ".join(f"l.{name}::text" if name == "agreement" else f"l.{name}" for name in BILLED)
    rows = await connection.execute(
        text(
            f"SELECT {columns} FROM unnest(CAST(:provider AS text[]), CAST(:month AS text[])) AS s (provider, month) "
            "JOIN read.invoice_lines l ON l.provider = s.provider AND l.month = s.month"
        ),
        {"provider": [pair[0] for pair in pairs], "month": [pair[1] for pair in pairs]},
    )
    return pl.DataFrame([tuple(row) for row in rows], schema=BILLED, orient="row")
