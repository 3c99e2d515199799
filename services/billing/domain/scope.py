"""Which months and authorities a run has to look at again (design.md §7: difference invoicing over all earlier months).

Law: rating is a pure function of acts and terms, so a month in which neither changed since it was last brought up to
date is still as invoiced. Leaving it out changes nothing; a scope that is too large changes nothing either. The test
that compares a run over the touched scope with one over everything is ``test_billing_scope.py``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from services.billing.domain.periods import first_day, following, last_day, month_of, months_between
from services.billing.domain.series import Series
from services.billing.domain.terms import Book


class Touched(NamedTuple):
    """An act of ``authority`` in ``month`` was recorded, corrected or voided since the last run."""

    authority: str
    month: str


class Reach(NamedTuple):
    """Days of a provider's acts to be read; every authority where ``authority`` is None. Reaches never overlap."""

    provider: str
    authority: str | None
    first: dt.date
    last: dt.date


@dataclass(frozen=True, slots=True)
class Scope:
    """One provider's months in scope → its authorities, or None for all of them."""

    provider: str
    months: dict[str, frozenset[str] | None] = field(default_factory=dict)

    def covers(self, month: str, authority: str) -> bool:
        if month not in self.months:
            return False
        authorities = self.months[month]
        return authorities is None or authority in authorities

    def reaches(self) -> Iterator[Reach]:
        """The scope as ranges of days, neighbouring months joined."""
        everyone = [month for month, authorities in sorted(self.months.items()) if authorities is None]
        yield from (Reach(self.provider, None, *days) for days in _ranges(everyone))
        some = {month: authorities for month, authorities in self.months.items() if authorities is not None}
        for authority in sorted(frozenset().union(*some.values())):
            of_authority = [month for month in sorted(some) if authority in some[month]]
            yield from (Reach(self.provider, authority, *days) for days in _ranges(of_authority))


def _ranges(months: Iterable[str]) -> Iterator[tuple[dt.date, dt.date]]:
    start = end = ""
    for month in months:
        if start and month != following(end):
            yield first_day(start), last_day(end)
            start = ""
        start, end = start or month, month
    if start:
        yield first_day(start), last_day(end)


def scope_of(
    provider: str, period: str, series: Series, opening: str, acts: Iterable[Touched], earliest: str | None, book: Book
) -> Scope:
    """What a run for ``period`` must look at.

    acts: touched since ``series.known``. opening: first month of fixed fees. earliest: first month that has an act,
    None if there is none. book: everything known now; what of it became known since the last run is told by
    positions.
    """
    months: dict[str, frozenset[str] | None] = {}
    first = min(opening, earliest or opening)
    never = [month for month in months_between(first, period) if month > series.billed_until]
    months.update(dict.fromkeys([*never, period]))
    changed = [*((t.authority, t.month, t.month) for t in acts), *_changed_terms(provider, series, first, period, book)]
    for authority, since, until in changed:
        for month in months_between(since, min(until, period)):
            _include(months, month, book.family_of(authority))
    return Scope(provider, months)


def _include(months: dict[str, frozenset[str] | None], month: str, family: frozenset[str]) -> None:
    known = months.get(month, frozenset())
    if known is not None:
        months[month] = known | family


def _changed_terms(
    provider: str, series: Series, first: str, period: str, book: Book
) -> Iterator[tuple[str, str, str]]:
    """(authority, first month, last month) of every change of terms since the last run."""
    since = series.known[1]
    mine = [version for version in book.versions if version.provider_id == provider]
    parties = {v.agreement_id: v.commissioner_ids for v in mine}
    for version in mine:
        if version.position > since:
            yield from _of(version.commissioner_ids, max(first, month_of(version.effective_from)), period)
    for ended in book.terminations:
        if ended.position > since and ended.agreement_id in parties:
            stated = min(t.last_day for t in book.terminations if t.agreement_id == ended.agreement_id)
            yield from _of(parties[ended.agreement_id], max(first, month_of(stated)), period)
    for succession in book.successions:
        if succession.position > since:
            yield from _of((succession.party_id,), max(first, month_of(succession.effective_from)), period)
    for point in _moved_points(book, since):
        for version in mine:
            if point in version.point_ids:
                yield from _of(version.commissioner_ids, first, period)


def _of(authorities: Iterable[str], first: str, last: str) -> Iterator[tuple[str, str, str]]:
    return ((authority, first, last) for authority in authorities)


def _moved_points(book: Book, since: int) -> set[str]:
    """Points whose municipality became known, or another, since the last run: area successions depend on it."""
    before = {fact.point_id: fact.municipality_code for fact in sorted(book.points) if fact.position <= since}
    return {point for point, code in book.municipality.items() if before.get(point) != code}
