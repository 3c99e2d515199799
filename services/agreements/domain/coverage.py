"""What an agreement covers, and where two would cover the same (R2, R9).

Law: on no day is a (point, commissioner, service) covered by two agreements, else nobody could say which terms price
an act. The commissioner is whoever holds the tasks on that day, so an agreement that a successor took over counts as
the successor's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from services.agreements.domain.register import AgreementRecord, Register, VersionRecord
from services.agreements.domain.sides import end_of
from services.agreements.domain.timeline import Span, spans


class Covered(NamedTuple):
    service_point_id: str
    authority_id: str
    service: str


class Days(NamedTuple):
    """First and last day; ``last`` None is without end."""

    first: dt.date
    last: dt.date | None

    def meets(self, other: Days) -> bool:
        """Whether the two have a day in common."""
        return (self.last is None or other.first <= self.last) and (other.last is None or self.first <= other.last)

    def within(self, first: dt.date, last: dt.date | None) -> Days | None:
        """The days that are also between ``first`` and ``last``."""
        start = max(self.first, first)
        end = min((day for day in (self.last, last) if day is not None), default=None)
        return Days(start, end) if end is None or start <= end else None


@dataclass(frozen=True, slots=True)
class Overlap:
    covered: Covered
    days: Days
    agreement_id: UUID


def coverage(
    register: Register, versions: Iterable[VersionRecord], last_day: dt.date | None
) -> dict[Covered, list[Days]]:
    """Every (point, holder, service) that the versions cover, with the days."""
    found: dict[Covered, list[Days]] = {}
    for span in spans(versions, last_day):
        for key, days in _of_span(register, span):
            found.setdefault(key, []).append(days)
    return found


def _of_span(register: Register, span: Span[VersionRecord]) -> Iterator[tuple[Covered, Days]]:
    agreement, terms = span.version.agreement, span.version.terms
    whole = Days(span.first, span.last)
    for point_id in agreement.service_point_ids:
        point = register.points[point_id]
        for commissioner in agreement.commissioner_ids:
            tenures = list(register.tenures(commissioner, point.municipality_code))
            names = {holder for holder, _, _ in tenures}
            codes = {ref.code for ref in terms.services if ref.authority_id in names}
            for holder, first, last in tenures:
                days = whole.within(first, last)
                if days is not None and holder != agreement.provider_id:
                    yield from ((Covered(point_id, holder, code), days) for code in codes)


def first_overlap(
    register: Register, agreement_id: UUID, record: AgreementRecord, version: VersionRecord
) -> Overlap | None:
    """Where the agreement, with ``version`` in force, would cover what another already covers; None where nowhere."""
    neighbours = set().union(*(register.signed_at.get(each, set()) for each in version.agreement.service_point_ids))
    neighbours.discard(agreement_id)
    if not neighbours:
        return None
    ours = coverage(register, [*record.in_force, version], end_of(register, record))
    for other_id in sorted(neighbours):
        other = register.agreements[other_id]
        if not _may_meet(version.agreement.valid_from, record.ends, other):
            continue
        theirs = coverage(register, other.in_force, end_of(register, other))
        for key in ours.keys() & theirs.keys():
            for days in ours[key]:
                if any(days.meets(each) for each in theirs[key]):
                    return Overlap(key, days, other_id)
    return None


def _may_meet(valid_from: dt.date, ends: dt.date | None, other: AgreementRecord) -> bool:
    """A cheap first look: most agreements of a point follow one another."""
    theirs = Days(other.agreement.valid_from, other.ends)
    return Days(valid_from, ends).meets(theirs)
