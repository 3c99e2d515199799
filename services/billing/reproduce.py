"""Prove that documents follow from what was known: the provider's chain is replayed from the log alone (B4, O9).

Reads the billing log, and the acts and terms at each run's cut-offs; never the read tables of invoices, which may be
gone. Every run is computed again on the chain as it then stood, and each document must come out to the byte.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.billing import BillingPeriodClosed, _Document
from schemas.envelope import decode
from schemas.registry import model_of
from services.billing.domain import series as series_of
from services.billing.domain.difference import billed_lines
from services.billing.domain.documents import Run
from services.billing.domain.runs import settle
from services.billing.domain.series import Series
from services.billing.known import Chain, read_known
from services.billing.store import canonical, digest
from services.chassis.clock import helsinki_day
from services.chassis.errors import NotFound


@dataclass(frozen=True, slots=True)
class Reproduced:
    """A document as recorded and as computed anew. ``made``: hash of the latter, empty where nothing came out."""

    number: str
    total: str
    recorded: str
    made: str

    @property
    def equal(self) -> bool:
        return self.recorded == self.made


@dataclass(slots=True)
class RecordedRun:
    """One run as it stands in the log: its end, its documents, the Helsinki day, and the chain before it."""

    ended: BillingPeriodClosed
    documents: list[_Document]
    today: dt.date
    before: Series
    earlier: list[_Document] = field(default_factory=list)


async def recorded_runs(connection: AsyncConnection, provider: str) -> list[RecordedRun]:
    """The provider's runs in the order of the log, each with the chain on which it rested."""
    rows = await connection.execute(
        text("SELECT body FROM log.events WHERE stream = :stream ORDER BY stream_version"),
        {"stream": f"invoices:{provider}"},
    )
    return list(_runs([bytes(row.body) for row in rows]))


def _runs(bodies: Sequence[bytes]) -> Iterator[RecordedRun]:
    state, documents, chain = Series(), list[_Document](), list[_Document]()
    first, before = None, state
    for body in bodies:
        event = decode(body)
        model = model_of(event.type)
        assert model is not None, f"unknown type {event.type} in an invoice series"
        data = model.model_validate(event.data)
        first = first or event.recordedtime
        state = series_of.evolve(state, data)
        if isinstance(data, _Document):
            documents.append(data)
        elif isinstance(data, BillingPeriodClosed):
            yield RecordedRun(data, documents, helsinki_day(first), before, list(chain))
            chain += documents
            documents, first, before = [], None, state


async def reproduce(connection: AsyncConnection, provider: str, only: UUID | None = None) -> list[Reproduced]:
    """Compute the provider's documents anew, or those of the run that issued document ``only``."""
    found = []
    for run in await recorded_runs(connection, provider):
        if only is None or any(document.invoice_id == only for document in run.documents):
            found += await _again(connection, run)
    return found


async def _again(connection: AsyncConnection, run: RecordedRun) -> list[Reproduced]:
    ended = run.ended
    provider, versions = ended.provider_id, len(run.earlier)
    chain = Chain({provider: run.before}, billed_lines(run.earlier))
    known = await read_known(connection, [provider], ended.period, ended.cut_offs, chain)
    settled = settle(known, ended.period, {provider: ended.run_id})[provider]
    made = series_of.close(
        Run(ended.run_id, provider, ended.period, ended.cut_offs),
        settled.drafts,
        run.before,
        version=versions,
        expected=versions,
        opens=known.openings[provider],
        today=run.today,
    )
    return _compare(run.documents, [each for each in made if isinstance(each, _Document)])


def _compare(recorded: Sequence[_Document], made: Sequence[_Document]) -> list[Reproduced]:
    hashes = {document.number: digest(canonical(document)) for document in made}
    known = [Reproduced(d.number, d.total, digest(canonical(d)), hashes.pop(d.number, "")) for d in recorded]
    return known + [Reproduced(number, "", "", made_hash) for number, made_hash in sorted(hashes.items())]


async def provider_of(connection: AsyncConnection, invoice_id: UUID) -> str:
    """Whose series holds a document, from the log alone. Raises ``not_found``."""
    row = (
        await connection.execute(
            text(
                "SELECT stream FROM log.events WHERE type LIKE 'fi.yhteispalvelu.billing.%' AND "
                "position(convert_to(:id, 'UTF8') in body) > 0 AND stream LIKE 'invoices:%' LIMIT 1"
            ),
            {"id": f'"invoice_id":"{invoice_id}"'},
        )
    ).one_or_none()
    if row is None:
        raise NotFound("not_found", f"No document {invoice_id} is in the log.")
    return str(row.stream).removeprefix("invoices:")


async def providers_in_log(connection: AsyncConnection) -> list[str]:
    rows = await connection.execute(
        text("SELECT DISTINCT stream FROM log.events WHERE stream LIKE 'invoices:%' ORDER BY 1")
    )
    return [str(row.stream).removeprefix("invoices:") for row in rows]
