"""Difference invoicing: what is due now − what has been invoiced, per line key (R28).

A line that is still due as it stands is left alone. Any other is taken back whole – negative quantity, same price –
and what is due instead is a new line: never an odd price, never a changed document.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import polars as pl

from schemas.billing import Line, LineRef, _Document
from services.billing.domain.money import amount_text, cents, price_text, ten_thousandths
from services.billing.domain.rating import KEY, LINES

BILLED = {**LINES, "number": pl.String, "line_no": pl.Int64, "open": pl.Boolean}
"""Lines of documents: ``open`` is one that takes nothing back and has not been taken back."""
SAME = [name for name in LINES if name != "version"]
"""A line is as due if all of this is equal; a version that changes no figure changes no line."""


class Change(NamedTuple):
    """The lines of one payer's document before it has a number: ``rows`` of :data:`BILLED` in their order."""

    provider_id: str
    payer_id: str
    rows: list[dict[str, Any]]
    corrects: tuple[str, ...]
    """Earlier numbers of the keys in it, oldest first."""


def changes(due: pl.DataFrame, billed: pl.DataFrame) -> list[Change]:
    """The lines that make the billed ones equal to the due ones, one entry per provider and payer.

    ``due`` and ``billed`` must be of the same scope of months and authorities.
    """
    standing = billed.filter("open")
    new = due.join(standing, on=SAME, how="anti")
    old = standing.join(due, on=SAME, how="anti")
    taken_back = old.with_columns(quantity=-pl.col("quantity"), amount=-pl.col("amount"))
    rows = pl.concat([taken_back, new], how="diagonal").sort(
        "provider", "payer", "month", "agreement", "item", "vat_rate", pl.col("number").is_null(), "number", "line_no",
        "commissioner", "clause", "price",
    )  # fmt: skip
    earlier = _earlier_numbers(billed)
    return [
        Change(provider, payer, part.to_dicts(), _corrected(part, earlier))
        for (provider, payer), part in rows.group_by("provider", "payer", maintain_order=True)
    ]


def _earlier_numbers(billed: pl.DataFrame) -> dict[tuple[str, ...], list[str]]:
    grouped = billed.group_by(KEY).agg(pl.col("number").unique())
    return {tuple(row[:-1]): row[-1] for row in grouped.select(*KEY, "number").iter_rows()}


def _corrected(part: pl.DataFrame, earlier: dict[tuple[str, ...], list[str]]) -> tuple[str, ...]:
    keys = part.select(KEY).unique().iter_rows()
    return tuple(sorted({number for key in keys for number in earlier.get(key, ())}))


def line_of(row: dict[str, Any], line_no: int) -> Line:
    """A row as the event's line."""
    return Line(
        line_no=line_no,
        agreement_id=row["agreement"],
        agreement_version=row["version"],
        commissioner_id=row["commissioner"],
        service_month=row["month"],
        item=row["item"],
        clause=row["clause"],
        unit=row["unit"],
        quantity=row["quantity"],
        unit_price=price_text(row["price"]),
        amount=amount_text(row["amount"]),
        vat_rate=row["vat_rate"] or None,
        exempt_reason=row["exempt_reason"] or None,
        reverses=LineRef(number=row["number"], line_no=row["line_no"]) if row.get("number") else None,
    )


def billed_lines(documents: Iterable[_Document]) -> pl.DataFrame:
    """All lines of ``documents`` as :data:`BILLED`: the chain folded from the log, without any read table."""
    rows = [row for document in documents for row in document_rows(document)]
    closed = {(row["provider"], row["reverses"].number, row["reverses"].line_no) for row in rows if row["reverses"]}
    for row in rows:
        row["open"] = row["reverses"] is None and (row["provider"], row["number"], row["line_no"]) not in closed
    return pl.DataFrame([[row[name] for name in BILLED] for row in rows], schema=BILLED, orient="row")


def document_rows(document: _Document) -> Iterator[dict[str, Any]]:
    """The lines of a document by the names of :data:`BILLED`, with ``reverses`` instead of ``open``."""
    for line in document.lines:
        yield {
            "provider": document.provider_id,
            "payer": document.payer_id,
            "agreement": str(line.agreement_id),
            "commissioner": line.commissioner_id,
            "month": line.service_month,
            "item": line.item,
            "vat_rate": line.vat_rate or "",
            "exempt_reason": line.exempt_reason or "",
            "clause": line.clause,
            "unit": line.unit,
            "price": ten_thousandths(line.unit_price),
            "quantity": line.quantity,
            "amount": cents(line.amount),
            "version": line.agreement_version,
            "number": document.number,
            "line_no": line.line_no,
            "reverses": line.reverses,
        }
