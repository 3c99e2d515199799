"""Changes become documents: VAT, totals, number, reference and due date (R29, R33; AVL 1501/1993 § 209 e)."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from schemas.billing import CreditNoteIssued, CutOffs, FeedRange, InvoiceIssued, Line, VatTotal, _Document
from services.billing.domain.difference import Change, line_of
from services.billing.domain.money import amount_text, cents, vat_cents
from services.billing.domain.rating import KEY, RATING_VERSION
from services.chassis.ids_fi import make_reference

PAYMENT_DAYS = 30
"""Custom between authorities; 30/2013 binds debts to businesses only (domain.md E.3)."""
MAX_LINES = 2_000
"""Lines of one document: an event must fit in a Kafka record. A longer change becomes several documents."""
SERIES_CODE_MAX = 8


@dataclass(frozen=True, slots=True)
class Draft:
    """A document without number and dates: everything that rating decides."""

    invoice_id: UUID
    payer_id: str
    lines: tuple[Line, ...]
    vat: tuple[VatTotal, ...]
    total_cents: int
    corrects: tuple[str, ...]
    feed: FeedRange | None


@dataclass(frozen=True, slots=True)
class Run:
    """Which run a document belongs to, and what it knew."""

    run_id: UUID
    provider_id: str
    period: str
    cut_offs: CutOffs


def drafts_of(run_id: UUID, changes: Iterable[Change], feeds: dict[str, FeedRange]) -> list[Draft]:
    """One draft per payer, more only beyond :data:`MAX_LINES`. The ids follow from the run's."""
    return [
        _draft(uuid5(run_id, f"{change.payer_id}/{part}"), change, rows, feeds.get(change.payer_id))
        for change in changes
        for part, rows in enumerate(_parts(change.rows))
    ]


def _parts(rows: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Rows in parts of at most :data:`MAX_LINES`; the lines of a key stay together."""
    part: list[dict[str, Any]] = []
    for group in _by_key(rows):
        if part and len(part) + len(group) > MAX_LINES:
            yield part
            part = []
        part = part + group
    if part:
        yield part


def _by_key(rows: Sequence[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in KEY), []).append(row)
    return groups.values()


def _draft(invoice_id: UUID, change: Change, rows: Sequence[dict[str, Any]], feed: FeedRange | None) -> Draft:
    lines = tuple(line_of(row, number) for number, row in enumerate(rows, start=1))
    vat = vat_of(lines)
    total = sum(cents(each.base) + cents(each.vat) for each in vat)
    return Draft(invoice_id, change.payer_id, lines, vat, total, change.corrects, feed)


def vat_of(lines: Sequence[Line]) -> tuple[VatTotal, ...]:
    """VAT per rate on the document's sum, or the stated reason for none."""
    bases: dict[tuple[str, str], int] = {}
    for line in lines:
        key = (line.vat_rate or "", line.exempt_reason or "")
        bases[key] = bases.get(key, 0) + cents(line.amount)
    return tuple(
        VatTotal(
            rate=rate or None,
            exempt_reason=reason or None,
            base=amount_text(base),
            vat=amount_text(vat_cents(base, rate) if rate else 0),
        )
        for (rate, reason), base in sorted(bases.items())
    )


def numbered(draft: Draft, run: Run, serial: int, issued_on: dt.date) -> InvoiceIssued | CreditNoteIssued:
    """The document: a credit note if its total is negative."""
    number = f"{series_code(run.provider_id)}-{issued_on.year}-{serial:06d}"
    kind = CreditNoteIssued if draft.total_cents < 0 else InvoiceIssued
    return kind(
        invoice_id=draft.invoice_id,
        run_id=run.run_id,
        number=number,
        provider_id=run.provider_id,
        payer_id=draft.payer_id,
        period=run.period,
        issued_on=issued_on,
        due_on=issued_on + dt.timedelta(days=PAYMENT_DAYS),
        reference=make_reference(f"{issued_on.year}{serial:06d}"),
        rating_version=RATING_VERSION,
        cut_offs=run.cut_offs,
        feed=draft.feed,
        lines=draft.lines,
        vat=draft.vat,
        total=amount_text(draft.total_cents),
        corrects=draft.corrects,
    )


def series_code(provider_id: str) -> str:
    """Capitals and digits of a provider's id: ``kunta-732`` → ``KUNTA732``; longer ids end in a digest, so that two
    differ.
    """
    plain = provider_id.replace("-", "").upper()
    if len(plain) <= SERIES_CODE_MAX:
        return plain
    return plain[:4] + hashlib.sha256(provider_id.encode()).hexdigest()[:4].upper()


def kind_of(document: _Document) -> str:
    """``invoice`` (UNTDID 1001: 380) or ``credit_note`` (381)."""
    return "credit_note" if isinstance(document, CreditNoteIssued) else "invoice"


def serial_of(number: str) -> int:
    return int(number.rsplit("-", 1)[1])
