"""An authority recomputes an invoice from its own feed copies alone: no service, no database, no network (B9, B13).

Inputs are what the authority has: the invoice's canonical JSON, its feeds from the diary and the agreements, and its
earlier documents (its billing feed), one event a line. It checks first that the diary feed is dense up to the entry
named on the invoice. The rating rules are shared with the service, as a published rule may be; everything that
decides *what* is rated – acts, terms, earlier lines – is read from the copies by the code below and by nothing else.

The invoice's cut-off of the agreements log has no meaning in a feed. So the terms are tried as known up to each entry
of the agreements feed recorded by the day of issue, the newest first; the report names the entry that explains the
invoice.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl

from schemas.billing import Line, _Document
from services.billing.domain.difference import billed_lines, changes
from services.billing.domain.documents import drafts_of
from services.billing.domain.money import amount_text
from services.billing.domain.periods import month_of
from services.billing.domain.rating import ACTS, rate
from services.billing.domain.terms import FIXED, Book, Termination, Version, coverage, version_from
from services.billing.reading import document_of
from services.billing.store import canonical, digest
from services.chassis.clock import helsinki_day
from services.chassis.errors import Invalid


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What came out: the document with recomputed lines, or the difference to it."""

    number: str
    stated: str
    computed: str
    hash_stated: str
    hash_computed: str
    acts: int
    known_until: int
    """Entry of the agreements feed up to which the terms explain the invoice, or that was tried last."""

    @property
    def equal(self) -> bool:
        return self.hash_stated == self.hash_computed


def recompute(
    invoice: bytes, feed: Iterable[bytes], agreements: Iterable[bytes], earlier: Iterable[bytes] = ()
) -> Recomputed:
    """Rebuild the invoice from the copies. Raises ``feed_gap`` where an entry is missing."""
    document = document_of(invoice)
    acts = _acts(document, [orjson.loads(line) for line in feed])
    terms = [orjson.loads(line) for line in agreements]
    billed = billed_lines(_earlier(document, earlier))
    best: Recomputed | None = None
    for known_until, book in _books(document, terms):
        made = _document(document, acts, book, billed)
        result = Recomputed(
            number=document.number,
            stated=document.total,
            computed=made.total if made else "0.00",
            hash_stated=digest(canonical(document)),
            hash_computed=digest(canonical(made)) if made else "",
            acts=int((acts["sign"] * acts["quantity"]).sum()),
            known_until=known_until,
        )
        if result.equal:
            return result
        best = best or result
    if best is None:
        raise Invalid("no_agreements", "The agreements feed holds no signed agreement with this provider.")
    return best


def _acts(document: _Document, events: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Signed acts of the invoice's provider, from a feed proven dense up to the entry that the invoice names."""
    last = document.feed.last if document.feed else 0
    seen = {int(event["position"]): event for event in events}
    missing = [sequence for sequence in range(1, last + 1) if sequence not in seen]
    if missing:
        raise Invalid("feed_gap", f"Entry {missing[0]} of the feed is missing; {len(missing)} of {last} are not there.")
    rows = [row for number in range(1, last + 1) for row in _rows(document.provider_id, seen[number])]
    return pl.DataFrame(rows, schema=ACTS, orient="row")


def _rows(provider: str, event: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    data = event["data"]
    if data.get("provider_id") != provider or "visit_ref" not in data or "received" in data:
        return
    for facts, sign in ((data.get("before"), -1), (data.get("visit"), 1), (data.get("after"), 1)):
        for act in facts["acts"] if facts else ():
            yield (
                provider, data["service_point_id"], act["authority_id"], act["service"], act["task"], act["channel"],
                act["performed_by"], dt.date.fromisoformat(facts["service_day"]), sign, act["quantity"],
                act.get("minutes"),
            )  # fmt: skip


def _books(document: _Document, events: Sequence[dict[str, Any]]) -> Iterator[tuple[int, Book]]:
    """The terms as known up to each entry of the agreements feed, newest first."""
    facts = [event for event in events if _recorded(event) <= document.issued_on]
    facts.sort(key=lambda event: int(event["position"]))
    while facts:
        book = _book(document.provider_id, facts)
        if book.versions:
            yield int(facts[-1]["position"]), book
        facts.pop()


def _recorded(event: dict[str, Any]) -> dt.date:
    return helsinki_day(dt.datetime.fromisoformat(event["recordedtime"]))


def _book(provider: str, events: Sequence[dict[str, Any]]) -> Book:
    versions: list[Version] = []
    terminations: list[Termination] = []
    for event in events:
        data, position, name = event["data"], int(event["position"]), event["type"].split(".")[-2]
        if name in {"AgreementSigned", "AgreementAmended"} and data["agreement"]["provider_id"] == provider:
            body = {**data["terms"], "agreement": data["agreement"]}
            since = dt.date.fromisoformat(data["effective_from"])
            versions.append(version_from(data["agreement_id"], data["version"], position, since, body))
        elif name == "AgreementTerminated":
            last = dt.date.fromisoformat(data["last_day"])
            terminations.append(Termination(position, data["agreement_id"], last))
    return Book(versions=versions, terminations=terminations)


def _earlier(document: _Document, lines: Iterable[bytes]) -> list[_Document]:
    """Documents of the same series before this one, from the authority's billing feed."""
    found = []
    for line in lines:
        event = orjson.loads(line)
        name = event["type"].split(".")[-2]
        if name in {"InvoiceIssued", "CreditNoteIssued"}:
            kind = "credit_note" if name == "CreditNoteIssued" else "invoice"
            other = document_of(orjson.dumps({**event["data"], "kind": kind}))
            if other.provider_id == document.provider_id and other.number < document.number:
                found.append(other)
    return sorted(found, key=lambda other: other.number)


def _document(document: _Document, acts: pl.DataFrame, book: Book, billed: pl.DataFrame) -> _Document | None:
    """The document with every line, VAT and total computed anew; number, dates and references as stated."""
    months = _months(document, acts, billed)
    lines = rate(acts, coverage(book, months)).lines.filter(pl.col("payer") == document.payer_id)
    opened = _opening(document.lines, billed)
    due = lines.filter(
        (pl.col("month") <= document.period) & ((pl.col("clause") != FIXED) | (pl.col("month") >= opened))
    )
    mine = [change for change in changes(due, billed) if change.payer_id == document.payer_id]
    for draft in drafts_of(document.run_id, mine, {document.payer_id: document.feed} if document.feed else {}):
        if draft.invoice_id == document.invoice_id:
            stated = {name: getattr(document, name) for name in type(document).model_fields}
            made = {"lines": draft.lines, "vat": draft.vat, "corrects": draft.corrects}
            return type(document)(**stated | made | {"total": amount_text(draft.total_cents)})
    return None


def _months(document: _Document, acts: pl.DataFrame, billed: pl.DataFrame) -> list[str]:
    days = acts["day"].unique().to_list()
    named = {line.service_month for line in document.lines} | set(billed["month"].to_list())
    return sorted({*named, *(month_of(day) for day in days), document.period})


def _opening(lines: Iterable[Line], billed: pl.DataFrame) -> str:
    """First month of fixed fees that any document names."""
    fees = [line.service_month for line in lines if line.clause == FIXED]
    fees += billed.filter(pl.col("clause") == FIXED)["month"].to_list()
    return min(fees, default="9999-12")
