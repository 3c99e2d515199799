"""A line taken apart: which acts, under which version of the terms, times which price, make its cents (B8)."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from schemas.billing import Line, _Document
from services.billing.domain.money import cents, half_up, split, ten_thousandths
from services.billing.domain.periods import days_in
from services.billing.domain.rating import ACTS, KIND, attribute, fixed_fees, with_units
from services.billing.domain.terms import FIXED, Coverage

EVIDENCE = {
    **ACTS, "position": pl.Int64, "act_no": pl.Int64, "sequence": pl.Int64, "visit_id": pl.String,
    "event_id": pl.String,
}  # fmt: skip
"""Acts with what proves them: :data:`~services.billing.domain.rating.ACTS` and their place in the diary and in the
feed.
"""


@dataclass(frozen=True, slots=True)
class Explained:
    """``acts``: those that stand behind the line, in the order in which they are counted, with ``own_no`` (the act's
    number in the authority's copy), ``version`` of the agreement and ``units`` billed. ``quantity`` and ``amount``
    (cents) are computed anew; they equal the line's, or something is wrong.
    """

    acts: pl.DataFrame
    quantity: int
    amount: int
    by_point: list[tuple[str, int, int]]
    """(point, units, cents): the line's amount divided among its points, summing to it exactly."""

    def agrees_with(self, line: Line) -> bool:
        return self.quantity == line.quantity and self.amount == cents(line.amount)


def standing_acts(rows: pl.DataFrame) -> pl.DataFrame:
    """The acts that corrections and voids left; ``own_no`` and ``began``: where the visit began for its
    authority, a log position (not ``first``, which in the terms is a day).
    """
    rows = rows.with_columns(
        own_no=pl.col("act_no").rank("dense").over("position", "authority", "sign").cast(pl.Int64),
        began=pl.col("position").min().over("visit_id", "authority"),
    )
    changed = rows.filter(pl.col("sign") < 0)["visit_id"].unique()
    touched = pl.col("visit_id").is_in(changed.implode())
    same = ["visit_id", "act_no", *KIND, "day", "quantity", "minutes", "began"]
    left = (
        rows.filter(touched)
        .sort("position", "sign")
        .group_by(same, maintain_order=True)
        .agg(pl.col("sign").sum(), pl.col("position", "sequence", "event_id", "own_no").last())
        .filter(pl.col("sign") > 0)
    )
    return pl.concat([rows.filter(~touched), left.select(rows.columns).cast(dict(rows.schema))])  # type: ignore[arg-type]


def explain(line: Line, document: _Document, rows: pl.DataFrame, terms: Coverage) -> Explained:
    """Take a line apart. ``rows``: :data:`EVIDENCE` of its month as known at the document's cut-offs; ``terms``
    likewise.
    """
    if line.clause == FIXED:
        return _fee(line, document, terms)
    acts = _behind(line, document, standing_acts(rows), terms)
    quantity = int(acts["units"].sum())
    amount = half_up(quantity * ten_thousandths(line.unit_price), 100)
    shares = acts.group_by("point").agg(pl.col("units").sum()).sort("point")
    parts = split(amount, shares["units"].to_list()) if shares.height else []
    return Explained(acts, quantity, amount, list(zip(shares["point"], shares["units"], parts, strict=True)))


def _behind(line: Line, document: _Document, acts: pl.DataFrame, terms: Coverage) -> pl.DataFrame:
    numbered = acts.sort("day", "began", "act_no").with_columns(
        started=pl.col("minutes").clip(lower_bound=1), untimed=pl.lit(0, dtype=pl.Int64)
    )
    priced = attribute(numbered, terms).filter(pl.col("reason").is_null())
    units = with_units(priced, order=["day", "began", "act_no"])
    return units.filter(
        pl.col("agreement") == str(line.agreement_id),
        pl.col("payer") == document.payer_id,
        pl.col("commissioner") == line.commissioner_id,
        pl.col("month") == line.service_month,
        pl.col("item") == line.item,
        pl.col("clause") == line.clause,
        pl.col("price") == ten_thousandths(line.unit_price),
        pl.col("vat_rate") == (line.vat_rate or ""),
    ).with_columns(pl.col("units").fill_null(0))


def _fee(line: Line, document: _Document, terms: Coverage) -> Explained:
    found = fixed_fees(terms.fixed).filter(
        pl.col("agreement") == str(line.agreement_id),
        pl.col("payer") == document.payer_id,
        pl.col("commissioner") == line.commissioner_id,
        pl.col("month") == line.service_month,
        pl.col("item") == line.item,
        pl.col("price") == ten_thousandths(line.unit_price),
        pl.col("vat_rate") == (line.vat_rate or ""),
    )
    days = int(found["quantity"].sum())
    amount = half_up(days * ten_thousandths(line.unit_price), 100 * days_in(line.service_month))
    return Explained(pl.DataFrame(schema=EVIDENCE), days, amount, [])
