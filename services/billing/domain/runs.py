"""A run: what the providers' acts and terms make due, minus what their documents already say. Pure.

The same function serves a run, a preview, ``reproduce`` and the national run: it takes many providers at once,
because one join over all agreements costs little more than a join over one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import polars as pl

from schemas.billing import CutOffs, FeedRange
from services.billing.domain.difference import Change, changes
from services.billing.domain.documents import Draft, drafts_of
from services.billing.domain.rating import Rated, rate
from services.billing.domain.scope import Scope
from services.billing.domain.terms import FIXED, Book, coverage

NEVER = "9999-12"


@dataclass(frozen=True, slots=True)
class Known:
    """Everything a run rests on, read in one snapshot at one pair of cut-offs.

    acts: :data:`~services.billing.domain.rating.ACTS` of the scopes, with the ``authority`` as recorded. billed:
    :data:`~services.billing.domain.difference.BILLED` lines of the scopes. openings: first month of fixed fees, per
    provider. feeds: last entry of each payer's own feed among the provider's acts, by (provider, authority).
    """

    cut_offs: CutOffs
    acts: pl.DataFrame
    billed: pl.DataFrame
    book: Book
    scopes: Mapping[str, Scope]
    openings: Mapping[str, str]
    feeds: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a run of one provider found. ``unbilled``: reason → acts of the run's month that nobody pays for."""

    provider_id: str
    drafts: tuple[Draft, ...]
    unbilled: dict[str, int]


def due(known: Known) -> Rated:
    """All lines due in the scopes, and the acts in them that have none."""
    months = sorted({month for scope in known.scopes.values() for month in scope.months})
    rated = rate(known.acts, coverage(known.book, months))
    opened = [
        clause != FIXED or month >= known.openings.get(provider, NEVER)
        for provider, month, clause in rated.lines.select("provider", "month", "clause").iter_rows()
    ]
    return Rated(_in_scope(rated.lines.filter(pl.Series(opened, dtype=pl.Boolean)), known.scopes), rated.unbilled)


def _in_scope(lines: pl.DataFrame, scopes: Mapping[str, Scope]) -> pl.DataFrame:
    covered = [
        provider in scopes and scopes[provider].covers(month, commissioner)
        for provider, month, commissioner in lines.select("provider", "month", "commissioner").iter_rows()
    ]
    return lines.filter(pl.Series(covered, dtype=pl.Boolean))


def settle(known: Known, period: str, run_ids: Mapping[str, UUID]) -> dict[str, Settlement]:
    """A settlement for every provider in ``run_ids``, also where there is nothing to invoice."""
    rated = due(known)
    found: dict[str, list[Change]] = {provider: [] for provider in run_ids}
    for change in changes(rated.lines, _in_scope(known.billed, known.scopes)):
        found[change.provider_id].append(change)
    unbilled = unbilled_of(rated.unbilled.filter(pl.col("month") == period))
    return {
        provider: Settlement(
            provider,
            tuple(drafts_of(run_ids[provider], parts, _feeds(known, provider, parts))),
            unbilled.get(provider, {}),
        )
        for provider, parts in found.items()
    }


def _feeds(known: Known, provider: str, parts: Sequence[Change]) -> dict[str, FeedRange]:
    """B13. Without a root: billing does not hold the feed's tree, and what is not known is not stated."""
    lasts = {change.payer_id: known.feeds.get((provider, change.payer_id), 0) for change in parts}
    return {payer: FeedRange(feed=payer, last=last) for payer, last in lasts.items() if last}


def unbilled_of(rows: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Provider → reason → acts."""
    found: dict[str, dict[str, int]] = {}
    totals = rows.group_by("provider", "reason").agg(pl.col("quantity").sum()).sort("provider", "reason")
    for row in totals.iter_rows(named=True):
        found.setdefault(row["provider"], {})[row["reason"]] = row["quantity"]
    return found
