"""The terms as known at a cut-off, laid out so that acts can be joined to them (R3, R5, R9).

Laws, each a test in ``test_billing_terms.py``:
- On a day the highest version whose ``effective_from`` has come is in force, whatever the order in which versions
  became known.
- An agreement covers ``valid_from`` to ``valid_until``, or to the stated last day if it was terminated.
- From a succession's date the successor stands in the predecessor's place, in the whole country or in the
  municipalities named: as commissioner, as payer, as the authority of a service or price. Where that makes the
  commissioner the provider itself, the agreement ends.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import polars as pl

from services.billing.domain.money import ten_thousandths
from services.billing.domain.periods import days_in, first_day, last_day

FIXED = "fixed_monthly"
KINDS = ("per_act", "per_started_minute", "per_minute", "included_then_per_act", FIXED)


class Price(NamedTuple):
    """One tariff item of an agreement version; ``price`` in ten-thousandths of a euro."""

    item: str
    kind: str
    authority_id: str
    service: str | None
    task: str | None
    channel: str | None
    price: int
    included: int
    payer_id: str | None

    @classmethod
    def of(cls, tariff: dict[str, Any]) -> Price:
        """From the event's JSON."""
        included = tariff.get("included")
        return cls(
            str(tariff["item"]),
            str(tariff["kind"]),
            str(tariff["authority_id"]),
            _optional(tariff.get("service")),
            _optional(tariff.get("task")),
            _optional(tariff.get("channel")),
            ten_thousandths(str(tariff["price"])),
            included if isinstance(included, int) else 0,
            _optional(tariff.get("payer_id")),
        )


def _optional(value: object) -> str | None:
    return None if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Version:
    """One signed version of an agreement, complete. ``position``: where the agreements log made it known."""

    agreement_id: str
    version: int
    position: int
    provider_id: str
    commissioner_ids: tuple[str, ...]
    point_ids: tuple[str, ...]
    valid_from: dt.date
    valid_until: dt.date | None
    effective_from: dt.date
    tasks: frozenset[str]
    services: tuple[tuple[str, str], ...]
    prices: tuple[Price, ...]
    vat_rate: str
    """Percent, empty where there is none."""
    exempt_reason: str


class Termination(NamedTuple):
    position: int
    agreement_id: str
    last_day: dt.date


class Succession(NamedTuple):
    """``municipality_codes`` is empty where the whole country is meant."""

    position: int
    party_id: str
    successor_id: str
    effective_from: dt.date
    municipality_codes: frozenset[str]

    def applies_in(self, municipality: str) -> bool:
        return not self.municipality_codes or municipality in self.municipality_codes


class PointFact(NamedTuple):
    position: int
    point_id: str
    municipality_code: str


class Slice(NamedTuple):
    """Days on which one version of an agreement is in force, both included."""

    version: Version
    first: dt.date
    last: dt.date


@dataclass(frozen=True)
class Book:
    """Everything known of the agreements at one cut-off."""

    versions: Sequence[Version]
    terminations: Sequence[Termination] = ()
    successions: Sequence[Succession] = ()
    points: Sequence[PointFact] = ()
    _spans: dict[tuple[str, str], list[tuple[dt.date, str]]] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def municipality(self) -> dict[str, str]:
        """Of each point, as last stated."""
        return {fact.point_id: fact.municipality_code for fact in sorted(self.points)}

    @cached_property
    def by_agreement(self) -> dict[str, list[Version]]:
        """Versions of each agreement, lowest first."""
        found: dict[str, list[Version]] = {}
        for version in sorted(self.versions, key=lambda each: (each.agreement_id, each.version)):
            found.setdefault(version.agreement_id, []).append(version)
        return found

    @cached_property
    def last_days(self) -> dict[str, dt.date]:
        """Of terminated agreements, as last stated."""
        return {each.agreement_id: each.last_day for each in sorted(self.terminations)}

    @cached_property
    def family(self) -> dict[str, frozenset[str]]:
        """Every party that a succession names → all parties tied to it by successions."""
        families: dict[str, frozenset[str]] = {}
        for succession in self.successions:
            pair = (succession.party_id, succession.successor_id)
            joined = frozenset().union(*(families.get(party, frozenset({party})) for party in pair))
            families.update(dict.fromkeys(joined, joined))
        return families

    def family_of(self, party: str) -> frozenset[str]:
        return self.family.get(party, frozenset({party}))

    def spans(self, party: str, municipality: str) -> list[tuple[dt.date, str]]:
        """Who stands in a party's place in a municipality, each from its first day."""
        key = (party, municipality)
        if key not in self._spans:
            self._spans[key] = self._follow(party, municipality)
        return self._spans[key]

    def _follow(self, party: str, municipality: str) -> list[tuple[dt.date, str]]:
        spans, seen = [(dt.date.min, party)], {party}
        while True:
            start, current = spans[-1]
            heirs = [s for s in self._successions_of.get(current, ()) if s.applies_in(municipality)]
            if not heirs:
                return spans
            heir = min(heirs, key=lambda s: (s.effective_from, s.position))
            if heir.successor_id in seen:
                return spans
            seen.add(heir.successor_id)
            spans.append((max(start, heir.effective_from), heir.successor_id))

    @cached_property
    def _successions_of(self) -> dict[str, list[Succession]]:
        found: dict[str, list[Succession]] = {}
        for succession in self.successions:
            found.setdefault(succession.party_id, []).append(succession)
        return found

    def stands_for(self, party: str, municipality: str, day: dt.date) -> str:
        """The party that ``party`` has become by ``day`` in a municipality."""
        return [heir for start, heir in self.spans(party, municipality) if start <= day][-1]

    def turning_days(self, party: str) -> list[dt.date]:
        """Days on which anything changes in a party's family of successions."""
        family = self.family_of(party)
        return sorted({s.effective_from for s in self.successions if s.party_id in family})

    def slices(self, agreement_id: str) -> Iterator[Slice]:
        """The version in force, day by day, over the agreement's validity."""
        versions = self.by_agreement[agreement_id]
        starts = sorted({version.effective_from for version in versions})
        ends = [start - dt.timedelta(days=1) for start in starts[1:]] + [dt.date.max]
        for start, end in zip(starts, ends, strict=True):
            version = max((v for v in versions if v.effective_from <= start), key=lambda v: v.version)
            until = min(end, version.valid_until or dt.date.max, self.last_days.get(agreement_id, dt.date.max))
            if (since := max(start, version.valid_from)) <= until:
                yield Slice(version, since, until)


SEGMENTS = {
    "provider": pl.String, "point": pl.String, "authority": pl.String, "first": pl.Date, "last": pl.Date,
    "scope": pl.Int64, "ended": pl.Boolean, "rank": pl.Int64,
}  # fmt: skip
SCOPES = {
    "scope": pl.Int64, "agreement": pl.String, "version": pl.Int64, "commissioner": pl.String, "vat_rate": pl.String,
    "exempt_reason": pl.String,
}  # fmt: skip
PRICES = {
    "scope": pl.Int64, "item": pl.String, "clause": pl.String, "of_service": pl.String, "of_task": pl.String,
    "of_channel": pl.String, "price": pl.Int64, "included": pl.Int64, "payer": pl.String, "weight": pl.Int64,
}  # fmt: skip
FIXED_FEES = {
    "provider": pl.String, "payer": pl.String, "agreement": pl.String, "commissioner": pl.String, "month": pl.String,
    "item": pl.String, "vat_rate": pl.String, "exempt_reason": pl.String, "price": pl.Int64, "days": pl.Int64,
    "of_days": pl.Int64, "version": pl.Int64,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Coverage:
    """The terms of a window of days as frames that acts are joined to.

    segments: which scope covers (provider, point, authority as recorded) on which days; ``ended`` where the
    commissioner has become the provider; ``rank`` settles which agreement wins where two cover the same act. scopes:
    whose scope it is. services and tasks: what it covers. prices: its items priced by acts. fixed: fees by month with
    their covered days.
    """

    segments: pl.DataFrame
    scopes: pl.DataFrame
    services: pl.DataFrame
    tasks: pl.DataFrame
    prices: pl.DataFrame
    fixed: pl.DataFrame


class _Scope(NamedTuple):
    """What one version covers and charges for one commissioner, under the names of the day."""

    agreement_id: str
    version: int
    commissioner: str
    vat_rate: str
    exempt_reason: str
    codes: frozenset[str]
    tasks: frozenset[str]
    prices: tuple[tuple[Price, str], ...]
    """Items with their payers."""


def coverage(book: Book, months: Sequence[str]) -> Coverage:
    """The terms of the days from the first to the last of ``months`` (sorted)."""
    building = _Building(book, first_day(months[0]), last_day(months[-1]))
    for agreement_id in book.by_agreement:
        building.add(agreement_id)
    return building.frames(months)


@dataclass
class _Building:
    book: Book
    first: dt.date
    last: dt.date
    segments: dict[tuple[object, ...], None] = field(default_factory=dict)
    scopes: dict[_Scope, int] = field(default_factory=dict)
    fees: list[tuple[str, dt.date, dt.date, int]] = field(default_factory=list)
    """(provider, first, last, scope) of the agreements' home municipality, for fixed fees"""

    def add(self, agreement_id: str) -> None:
        rank = self.book.by_agreement[agreement_id][0].position
        for version, since, until in self.book.slices(agreement_id):
            start, end = max(since, self.first), min(until, self.last)
            if start <= end:
                self._add_slice(Slice(version, start, end), rank)

    def _add_slice(self, part: Slice, rank: int) -> None:
        homes: set[tuple[dt.date, dt.date, int]] = set()
        for number, point in enumerate(sorted(part.version.point_ids)):
            municipality = self.book.municipality.get(point, "")
            for commissioner in part.version.commissioner_ids:
                for first, last in self._pieces(commissioner, part):
                    heir = self.book.stands_for(commissioner, municipality, first)
                    scope = self._scope(part.version, heir, municipality, first)
                    self._cover(part.version, point, municipality, heir, first, last, scope, rank)
                    if number == 0 and heir != part.version.provider_id:
                        homes.add((first, last, scope))
        self.fees += [(part.version.provider_id, first, last, scope) for first, last, scope in sorted(homes)]

    def _pieces(self, commissioner: str, part: Slice) -> Iterable[tuple[dt.date, dt.date]]:
        """The slice cut wherever a succession may change somebody."""
        cuts = [day for day in self.book.turning_days(commissioner) if part.first < day <= part.last]
        starts = [part.first, *cuts]
        return zip(starts, [*(cut - dt.timedelta(days=1) for cut in cuts), part.last], strict=True)

    def _scope(self, version: Version, commissioner: str, municipality: str, day: dt.date) -> int:
        def heir(party: str) -> str:
            return self.book.stands_for(party, municipality, day)

        scope = _Scope(
            version.agreement_id,
            version.version,
            commissioner,
            version.vat_rate,
            version.exempt_reason,
            frozenset(code for authority, code in version.services if heir(authority) == commissioner),
            version.tasks,
            tuple(
                (price, heir(price.payer_id or price.authority_id))
                for price in version.prices
                if heir(price.authority_id) == commissioner
                and heir(price.payer_id or price.authority_id) != version.provider_id
            ),
        )
        return self.scopes.setdefault(scope, len(self.scopes))

    def _cover(
        self, version: Version, point: str, municipality: str, commissioner: str, first: dt.date, last: dt.date,
        scope: int, rank: int,
    ) -> None:  # fmt: skip
        """One segment for every name under which the commissioner's acts may have been recorded."""
        ended = commissioner == version.provider_id
        for name in self.book.family_of(commissioner):
            if self.book.stands_for(name, municipality, first) == commissioner:
                self.segments[version.provider_id, point, name, first, last, scope, ended, rank] = None

    def frames(self, months: Sequence[str]) -> Coverage:
        scopes = list(self.scopes.items())
        acted = [(n, p, payer) for scope, n in scopes for p, payer in scope.prices if p.kind in KINDS[:-1]]
        return Coverage(
            segments=pl.DataFrame(list(self.segments), schema=SEGMENTS, orient="row"),
            scopes=pl.DataFrame([(n, *scope[:5]) for scope, n in scopes], schema=SCOPES, orient="row"),
            services=_pairs("service", [(n, code) for scope, n in scopes for code in sorted(scope.codes)]),
            tasks=_pairs("task", [(n, task) for scope, n in scopes for task in sorted(scope.tasks)]),
            prices=pl.DataFrame([_price_row(n, p, payer) for n, p, payer in acted], schema=PRICES, orient="row"),
            fixed=pl.DataFrame(list(self._fixed(months)), schema=FIXED_FEES, orient="row"),
        )

    def _fixed(self, months: Sequence[str]) -> Iterator[tuple[object, ...]]:
        by_number = {number: scope for scope, number in self.scopes.items()}
        for provider, first, last, number in self.fees:
            scope = by_number[number]
            for price, payer in scope.prices:
                if price.kind == FIXED:
                    for month, days in _days_by_month(first, last, months):
                        yield (
                            provider, payer, scope.agreement_id, scope.commissioner, month, price.item, scope.vat_rate,
                            scope.exempt_reason, price.price, days, days_in(month), scope.version,
                        )  # fmt: skip


def _pairs(name: str, rows: list[tuple[int, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"scope": pl.Int64, name: pl.String}, orient="row")


def _price_row(scope: int, price: Price, payer: str) -> tuple[object, ...]:
    """The item that names a service beats one that does not, then task, then channel."""
    weight = 4 * (price.service is not None) + 2 * (price.task is not None) + (price.channel is not None)
    return (
        scope, price.item, price.kind, price.service, price.task, price.channel, price.price, price.included, payer,
        weight,
    )  # fmt: skip


def _days_by_month(first: dt.date, last: dt.date, months: Sequence[str]) -> Iterator[tuple[str, int]]:
    for month in months:
        days = (min(last, last_day(month)) - max(first, first_day(month))).days + 1
        if days > 0:
            yield month, days


def version_from(
    agreement_id: str, version: int, position: int, effective_from: dt.date, body: dict[str, Any]
) -> Version:
    """A version from the JSON of its event: ``{agreement, tasks, services, tariffs, vat}``."""
    agreement, vat = body["agreement"], body.get("vat") or {}
    return Version(
        agreement_id=agreement_id,
        version=version,
        position=position,
        provider_id=agreement["provider_id"],
        commissioner_ids=tuple(agreement["commissioner_ids"]),
        point_ids=tuple(agreement["service_point_ids"]),
        valid_from=dt.date.fromisoformat(agreement["valid_from"]),
        valid_until=dt.date.fromisoformat(agreement["valid_until"]) if agreement.get("valid_until") else None,
        effective_from=effective_from,
        tasks=frozenset(body["tasks"]),
        services=tuple((each["authority_id"], each["code"]) for each in body["services"]),
        prices=tuple(Price.of(tariff) for tariff in body["tariffs"] or ()),
        vat_rate=vat.get("rate") or "",
        exempt_reason=vat.get("exempt_reason") or ("" if vat.get("rate") else "viranomaistoiminta"),
    )
