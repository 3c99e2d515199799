"""What the counter knows of parties, points, services and agreements, as the agreements log has told it so far.

A value: built from the rows of the projection ``register`` and asked by the deciders. Laws:

- Coverage is what was known at the counter at log position ``position`` of the agreements; it is stamped, never
  revised.
- The terms on a day are those of the highest version whose ``effective_from`` is not later: an amendment carries the
  complete terms from its day on, also backwards (R5).
- A successor takes over the agreements and the catalogue of its predecessor, by date and by the municipality of the
  point; where it is the provider itself, the agreement ends (R9).
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from uuid import UUID

from schemas.diary import Coverage

FIRST_DAY = dt.date.min
LAST_DAY = dt.date.max
MAX_SUCCESSIONS = 20
"""A chain longer than this is a loop in the register."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a party, a point or a service from a day on."""

    since: dt.date
    fi: str
    sv: str
    en: str

    def in_language(self, language: str) -> str:
        return {"sv": self.sv, "en": self.en}.get(language, self.fi)


@dataclass(frozen=True, slots=True)
class Party:
    """An authority or municipality; names by date, the newest last."""

    id: str
    kind: str
    family: str
    valid_from: dt.date
    names: tuple[Names, ...]


@dataclass(frozen=True, slots=True)
class Succession:
    """From a day on a party's tasks are another's; ``municipalities`` is None for the whole country."""

    party_id: str
    successor_id: str
    effective_from: dt.date
    municipalities: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class PointFacts:
    """A point's data from a day on."""

    position: int
    effective_from: dt.date
    provider_id: str
    municipality: str
    names: Names
    open_from: dt.date


@dataclass(frozen=True, slots=True)
class Point:
    """A service point: its data by date, oldest first, and its last day if it has closed."""

    id: str
    versions: tuple[PointFacts, ...]
    last_day: dt.date = LAST_DAY
    successor_id: str | None = None

    def on(self, day: dt.date) -> PointFacts:
        """The data on a day; before the first change, the first."""
        found = self.versions[0]
        for version in self.versions[1:]:
            if version.effective_from <= day:
                found = version
        return found

    @property
    def open_from(self) -> dt.date:
        return self.versions[0].open_from


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """A definition of a service in an authority's catalogue."""

    position: int
    authority_id: str
    code: str
    names: Names
    tasks: tuple[str, ...]
    standard: bool
    valid_from: dt.date
    valid_until: dt.date = LAST_DAY


@dataclass(frozen=True, slots=True)
class AgreementVersion:
    """One version of an agreement that is signed: whole, as its event carried it."""

    position: int
    agreement_id: UUID
    version: int
    provider_id: str
    commissioner_ids: tuple[str, ...]
    service_point_ids: tuple[str, ...]
    valid_from: dt.date
    valid_until: dt.date
    effective_from: dt.date
    tasks: frozenset[str]
    services: frozenset[tuple[str, str]]
    """(authority, code), under the authority's name when it was signed."""


@dataclass(frozen=True, slots=True)
class Covered:
    """Between two days an authority's acts at a point are under this version of an agreement."""

    first: dt.date
    last: dt.date
    version: AgreementVersion
    services: frozenset[str]
    in_force: Coverage
    outside_scope: Coverage


@dataclass(frozen=True)
class Register:
    """Everything the counter knows, at ``position`` of the agreements log."""

    position: int = 0
    parties: Mapping[str, Party] = field(default_factory=dict)
    successions: Sequence[Succession] = ()
    points: Mapping[str, Point] = field(default_factory=dict)
    services: Mapping[tuple[str, str], tuple[ServiceFacts, ...]] = field(default_factory=dict)
    """By (authority, code), oldest first."""
    agreements: Mapping[UUID, tuple[AgreementVersion, ...]] = field(default_factory=dict)
    """Versions of each agreement, oldest first."""
    ends: Mapping[UUID, dt.date] = field(default_factory=dict)
    """Last day of terminated agreements."""

    def successor(self, authority_id: str, municipality: str, day: dt.date) -> str | None:
        """Who has taken over from an authority in a municipality by ``day``; None while it is itself."""
        current = authority_id
        for _ in range(MAX_SUCCESSIONS):
            step = self._next(current, municipality, day)
            if step is None:
                break
            current = step.successor_id
        return None if current == authority_id else current

    def _next(self, party_id: str, municipality: str, day: dt.date) -> Succession | None:
        for succession in self._by_predecessor.get(party_id, ()):
            if succession.effective_from <= day and _within(succession, municipality):
                return succession
        return None

    def service(self, authority_id: str, code: str, municipality: str, day: dt.date) -> ServiceFacts | None:
        """The definition in force on a day, also one taken over from a predecessor; None where there is none."""
        key = (authority_id, code, municipality, day)
        if key in self._services_found:
            return self._services_found[key]
        found = self._service(authority_id, code, municipality, day, MAX_SUCCESSIONS)
        if len(self._services_found) < _REMEMBERED:
            self._services_found[key] = found
        return found

    def _service(self, authority_id: str, code: str, municipality: str, day: dt.date, left: int) -> ServiceFacts | None:
        defined = self.services.get((authority_id, code))
        if defined is not None:
            latest = next((each for each in reversed(defined) if each.valid_from <= day), None)
            return latest if latest is not None and day <= latest.valid_until else None
        for succession in self._by_successor.get(authority_id, ()) if left else ():
            if succession.effective_from <= day and _within(succession, municipality):
                taken = self._service(succession.party_id, code, municipality, day, left - 1)
                if taken is not None:
                    return taken
        return None

    def services_of(self, authority_id: str, municipality: str, day: dt.date) -> list[ServiceFacts]:
        """The catalogue of an authority on a day, with what it took over."""
        holders = [authority_id, *(each.party_id for each in self._by_successor.get(authority_id, ()))]
        codes = sorted({code for holder, code in self.services if holder in holders})
        found = (self.service(authority_id, code, municipality, day) for code in codes)
        return [each for each in found if each is not None]

    def coverage(
        self, point_id: str, provider_id: str, authority_id: str, service: str, task: str, day: dt.date
    ) -> Coverage:
        """What is known of the agreement for one act (D7)."""
        if authority_id == provider_id:
            return self.own
        outside: Coverage | None = None
        for covered in self.covered(point_id, authority_id):
            if covered.first <= day <= covered.last:
                if service in covered.services and task in covered.version.tasks:
                    return covered.in_force
                outside = outside or covered.outside_scope
        return outside or self.none

    def covered(self, point_id: str, authority_id: str) -> tuple[Covered, ...]:
        """The agreements of an authority at a point by date; worked out once for each pair."""
        key = (point_id, authority_id)
        found = self._covered_found.get(key)
        if found is None:
            found = self._covered_found[key] = tuple(self._cover(point_id, authority_id))
        return found

    def _cover(self, point_id: str, authority_id: str) -> Iterable[Covered]:
        point = self.points.get(point_id)
        if point is None:
            return
        for agreement_id in sorted(self._agreements_at.get(point_id, ()), key=self._signed_at):
            yield from self._cover_by(agreement_id, point, authority_id)

    def _cover_by(self, agreement_id: UUID, point: Point, authority_id: str) -> Iterable[Covered]:
        for version, first, last in self._intervals(agreement_id):
            if point.id not in version.service_point_ids:
                continue
            for commissioner in version.commissioner_ids:
                municipality = point.on(first).municipality
                held = self._held(commissioner, authority_id, municipality)
                if held is None or authority_id == version.provider_id:
                    continue
                since, until = max(first, held[0]), min(last, held[1])
                if since <= until:
                    services = frozenset(code for party, code in version.services if party == commissioner)
                    yield self._stamped(since, until, version, services)

    def _stamped(self, first: dt.date, last: dt.date, version: AgreementVersion, services: frozenset[str]) -> Covered:
        known = {
            "agreement_id": version.agreement_id,
            "agreement_version": version.version,
            "agreements_position": self.position,
        }
        return Covered(
            first,
            last,
            version,
            services,
            Coverage(status="in_force", **known),
            Coverage(status="outside_scope", **known),
        )

    def _intervals(self, agreement_id: UUID) -> Iterable[tuple[AgreementVersion, dt.date, dt.date]]:
        """Each version with the days on which it is the one that counts."""
        cap = self.ends.get(agreement_id, LAST_DAY)
        for version in reversed(self.agreements[agreement_id]):
            first = max(version.effective_from, version.valid_from)
            last = min(version.valid_until, cap)
            if first <= last:
                yield version, first, last
            cap = min(cap, _before(first))

    def _held(self, commissioner: str, authority_id: str, municipality: str) -> tuple[dt.date, dt.date] | None:
        """From when to when ``authority_id`` is the one that a commissioner's tasks have come to."""
        current, since = commissioner, FIRST_DAY
        for _ in range(MAX_SUCCESSIONS):
            step = self._first_step(current, municipality)
            if current == authority_id:
                return since, _before(step.effective_from) if step else LAST_DAY
            if step is None:
                return None
            current, since = step.successor_id, step.effective_from
        return None

    def _first_step(self, party_id: str, municipality: str) -> Succession | None:
        return next((s for s in self._by_predecessor.get(party_id, ()) if _within(s, municipality)), None)

    def _signed_at(self, agreement_id: UUID) -> int:
        return self.agreements[agreement_id][0].position

    @cached_property
    def none(self) -> Coverage:
        """No agreement known (R12)."""
        return Coverage(status="none", agreements_position=self.position)

    @cached_property
    def own(self) -> Coverage:
        """The provider's own service (R7)."""
        return Coverage(status="own", agreements_position=self.position)

    @cached_property
    def _by_predecessor(self) -> Mapping[str, list[Succession]]:
        return _grouped((each.party_id, each) for each in self.successions)

    @cached_property
    def _by_successor(self) -> Mapping[str, list[Succession]]:
        return _grouped((each.successor_id, each) for each in self.successions)

    @cached_property
    def _agreements_at(self) -> Mapping[str, set[UUID]]:
        found: dict[str, set[UUID]] = defaultdict(set)
        for agreement_id, versions in self.agreements.items():
            for version in versions:
                for point_id in version.service_point_ids:
                    found[point_id].add(agreement_id)
        return found

    @cached_property
    def _covered_found(self) -> dict[tuple[str, str], tuple[Covered, ...]]:
        return {}

    @cached_property
    def _services_found(self) -> dict[tuple[str, str, str, dt.date], ServiceFacts | None]:
        return {}


_REMEMBERED = 200_000
"""Answers kept by one register value; beyond that they are worked out again."""


def _within(succession: Succession, municipality: str) -> bool:
    return succession.municipalities is None or municipality in succession.municipalities


def _before(day: dt.date) -> dt.date:
    return day - dt.timedelta(days=1) if day > FIRST_DAY else day


def _grouped(pairs: Iterable[tuple[str, Succession]]) -> Mapping[str, list[Succession]]:
    found: dict[str, list[Succession]] = defaultdict(list)
    for key, succession in pairs:
        found[key].append(succession)
    for successions in found.values():
        successions.sort(key=lambda each: each.effective_from)
    return found
