"""Acts × terms → lines. Pure, vectorised, exact: integers throughout (R27, R28, R29).

Every act is priced by exactly one tariff item, or is unbilled with one reason. The law of each clause:

- ``per_act``: quantity × price.
- ``per_minute``: the minutes of the entry × price; ``per_started_minute`` the same, but an act that took no whole
  minute has started one. ``minutes`` is the time of the entry as a whole: it is not multiplied by its quantity, so
  that shared minutes are never billed twice. An entry without minutes is unbilled (``no_minutes``): time is not
  guessed.
- ``included_then_per_act``: in each month the first ``included`` acts of the item are free, by day, then by when they
  were recorded; the rest × price. The terms of the act's own day say how many are free.
- ``fixed_monthly``: price × covered days / days of the month.

Amounts are rounded half up to cents once, per line. A line is (key, price, clause, commissioner), the key being
(agreement, payer, service month, tariff item, VAT rate); ``version`` is the newest agreement version among its acts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from services.billing.domain.terms import FIXED, Coverage

RATING_VERSION = 1
"""Named on every document. Any change of the rules above is a new version beside this one."""

KIND = ["provider", "point", "authority", "service", "task", "channel", "performed_by"]
ACTS = {
    **dict.fromkeys(KIND, pl.String), "day": pl.Date, "sign": pl.Int64, "quantity": pl.Int64, "minutes": pl.Int64,
}  # fmt: skip
"""Columns of the acts to be rated; signed rows, −1 takes an act back."""
LINES = {
    "provider": pl.String, "payer": pl.String, "agreement": pl.String, "commissioner": pl.String, "month": pl.String,
    "item": pl.String, "vat_rate": pl.String, "exempt_reason": pl.String, "clause": pl.String, "unit": pl.String,
    "price": pl.Int64, "quantity": pl.Int64, "amount": pl.Int64, "version": pl.Int64,
}  # fmt: skip
"""Columns of a line: ``price`` in ten-thousandths of a euro, ``amount`` in cents."""
KEY = ["provider", "agreement", "payer", "month", "item", "vat_rate"]
UNITS = {
    "per_act": "act",
    "included_then_per_act": "act",
    "per_minute": "minute",
    "per_started_minute": "minute",
    FIXED: "day_of_month",
}
BILLED_PERFORMER = "adviser"
"""Acts of the commissioner's own staff or over a remote link are compensated only by a clause that says so (R13)."""


class Rated(NamedTuple):
    """``lines`` as :data:`LINES`; ``unbilled``: provider, month, authority, reason, quantity."""

    lines: pl.DataFrame
    unbilled: pl.DataFrame


def rate(acts: pl.DataFrame, terms: Coverage) -> Rated:
    """Price signed ``acts`` by ``terms``; fixed fees are added for every month of the terms' window."""
    priced = attribute(by_day(acts), terms)
    unpriced = priced.filter(pl.col("reason").is_not_null())
    billed = with_units(priced.filter(pl.col("reason").is_null()))
    untimed = billed.filter(pl.col("unit") == "minute").with_columns(
        reason=pl.lit("no_minutes"), quantity=pl.col("untimed")
    )
    unbilled = (
        pl.concat([unpriced, untimed], how="diagonal")
        .group_by("provider", "month", "authority", "reason")
        .agg(pl.col("quantity").sum())
        .filter(pl.col("quantity") != 0)
    )
    return Rated(_sorted(pl.concat([_lines(billed), fixed_fees(terms.fixed)])), unbilled)


def by_day(acts: pl.DataFrame) -> pl.DataFrame:
    """Net quantities per day: what corrections and voids took back is gone."""
    sign, minutes = pl.col("sign"), pl.col("minutes")
    return (
        acts.group_by(*KIND, "day")
        .agg(
            quantity=(sign * pl.col("quantity")).sum(),
            minutes=(sign * minutes).sum(),
            started=(sign * minutes.clip(lower_bound=1)).sum(),
            untimed=(sign * pl.col("quantity")).filter(minutes.is_null()).sum(),
        )
        .filter(pl.col("quantity") != 0)
    )


def attribute(rows: pl.DataFrame, terms: Coverage) -> pl.DataFrame:
    """Each row (with the columns of :data:`KIND` and ``day``) with its price, or the ``reason`` why it has none."""
    rows = rows.with_row_index("row").with_columns(month=pl.col("day").dt.strftime("%Y-%m"))
    excluded = (
        pl.when(pl.col("authority") == pl.col("provider"))
        .then(pl.lit("own_service"))
        .when(pl.col("performed_by") != BILLED_PERFORMER)
        .then(pl.lit("not_by_adviser"))
    )
    rows = rows.with_columns(reason=excluded)
    candidates = rows.filter(pl.col("reason").is_null())
    found = (
        candidates.join(_menu(candidates, terms), on=MATCH)
        .filter(pl.col("day").is_between("first", "last"))
        .sort("row", "preference", "rank", "agreement")
        .unique("row", keep="first", maintain_order=True)
        .with_columns(reason=pl.col("preference").replace_strict(PREFERENCES, default=None, return_dtype=pl.String))
        .drop("first", "last", "rank", "preference")
    )
    rest = candidates.join(found, on="row", how="anti").with_columns(reason=pl.lit("no_agreement"))
    return pl.concat([found, rest, rows.filter(pl.col("reason").is_not_null())], how="diagonal").sort("row")


MATCH = ["provider", "point", "authority", "service", "task", "channel"]
PREFERENCES = {0: None, 1: "no_tariff", 2: "outside_scope", 3: "commissioner_is_provider"}
"""Where several agreements cover a place on a day, one that prices the act goes first."""


def _menu(rows: pl.DataFrame, terms: Coverage) -> pl.DataFrame:
    """What every kind of act costs on which days: priced once per kind, not per act."""
    offers = (
        rows.select(MATCH)
        .unique()
        .join(terms.segments, on=["provider", "point", "authority"])
        .join(terms.scopes, on="scope")
        .join(terms.services.with_columns(in_services=True), on=["scope", "service"], how="left")
        .join(terms.tasks.with_columns(in_tasks=True), on=["scope", "task"], how="left")
        .with_row_index("offer")
    )
    best = (
        offers.join(terms.prices, on="scope")
        .filter(_names("service") & _names("task") & _names("channel"))
        .sort(["offer", "weight", "item"], descending=[False, True, False])
        .unique("offer", keep="first", maintain_order=True)
        .select("offer", "item", "clause", "price", "included", "payer")
    )
    preference = (
        pl.when("ended")
        .then(3)
        .when(pl.col("in_services").is_null() | pl.col("in_tasks").is_null())
        .then(2)
        .when(pl.col("item").is_null())
        .then(1)
        .otherwise(0)
    )
    return (
        offers.join(best, on="offer", how="left")
        .with_columns(preference=preference.cast(pl.Int64))
        .drop("offer", "scope", "ended", "in_services", "in_tasks")
    )


def _names(what: str) -> pl.Expr:
    return pl.col(f"of_{what}").is_null() | (pl.col(f"of_{what}") == pl.col(what))


def with_units(priced: pl.DataFrame, order: Sequence[str] = ("day", "commissioner", *MATCH)) -> pl.DataFrame:
    """Add ``unit`` and ``units``: what is multiplied by the price. ``order``: in which included acts are used up."""
    quota = ["agreement", "payer", "item", "month"]
    before = pl.col("quantity").cum_sum().over(quota) - pl.col("quantity")
    free = (pl.col("included") - before).clip(0, pl.col("quantity"))
    by_clause = {
        "per_act": pl.col("quantity"),
        "included_then_per_act": pl.col("quantity") - free,
        "per_minute": pl.col("minutes"),
        "per_started_minute": pl.col("started"),
    }
    units = pl.lit(None, dtype=pl.Int64)
    for clause, expression in by_clause.items():
        units = pl.when(pl.col("clause") == clause).then(expression).otherwise(units)
    return priced.sort(order).with_columns(
        units=units, unit=pl.col("clause").replace_strict(UNITS, default="unknown", return_dtype=pl.String)
    )


def _lines(billed: pl.DataFrame) -> pl.DataFrame:
    """One line per key, commissioner, clause and price; an act's cent is rounded here, once per line."""
    by = [*KEY, "commissioner", "exempt_reason", "clause", "unit", "price"]
    return (
        billed.group_by(by)
        .agg(quantity=pl.col("units").sum(), version=pl.col("version").max())
        .filter(pl.col("quantity") != 0)
        .with_columns(amount=(pl.col("quantity") * pl.col("price") + 50) // 100)
        .select(LINES.keys())
        .cast(LINES)  # type: ignore[arg-type]  # A mapping of names to types is one of the accepted forms.
    )


def fixed_fees(fixed: pl.DataFrame) -> pl.DataFrame:
    """Monthly fees in proportion to covered days; days at the same price make one line."""
    by = [*KEY, "commissioner", "exempt_reason", "price", "of_days"]
    twice = 2 * pl.col("quantity") * pl.col("price")
    return (
        fixed.group_by(by)
        .agg(quantity=pl.col("days").sum(), version=pl.col("version").max())
        .with_columns(
            clause=pl.lit(FIXED),
            unit=pl.lit(UNITS[FIXED]),
            amount=(twice + 100 * pl.col("of_days")) // (200 * pl.col("of_days")),
        )
        .select(LINES.keys())
        .cast(LINES)  # type: ignore[arg-type]  # A mapping of names to types is one of the accepted forms.
    )


def _sorted(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.sort("provider", "payer", "month", "agreement", "item", "commissioner", "clause", "price", "vat_rate")
