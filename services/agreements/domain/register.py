"""Everything the deciders may know: the fold of all events of this log, in memory.

Law: a pure fold. ``apply`` takes events in log order, each once; asking never changes anything. A few thousand
parties, points and agreements fold in well under a second, so one process keeps the whole and reads only what is new
(:mod:`..context`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from schemas import agreements as events
from schemas.base import EventData, Names
from services.agreements.domain.timeline import earliest

MAX_CHAIN = 32
"""Successions are refused where they would make a ring; this bounds the walk all the same."""


@dataclass(slots=True)
class PartyRecord:
    party: events.Party
    names: list[tuple[dt.date, Names]]
    successions: list[events.PartySucceeded] = field(default_factory=list)

    def successor(self, municipality_code: str | None, day: dt.date) -> events.PartySucceeded | None:
        """What passed this party's tasks in the municipality on; without a municipality, only what was nationwide."""
        for each in self.successions:
            area = each.municipality_codes
            if each.effective_from <= day and (area is None or municipality_code in area):
                return each
        return None


@dataclass(slots=True)
class PointRecord:
    versions: list[tuple[dt.date, events.ServicePoint]]
    last_day: dt.date | None = None

    def on(self, day: dt.date) -> events.ServicePoint:
        """The data in force on a day: of those that had taken effect, the newest known; before all, the first."""
        return next((point for since, point in reversed(self.versions) if since <= day), self.versions[0][1])

    @property
    def municipality_code(self) -> str:
        """A point never moves to another municipality: it would be a new point (design.md §3)."""
        return self.versions[0][1].municipality_code

    @property
    def open_from(self) -> dt.date:
        return self.versions[-1][1].open_from


@dataclass(slots=True)
class VersionRecord:
    """One version as proposed; ``in_force`` once every side has approved it."""

    version: int
    agreement: events.Agreement
    effective_from: dt.date
    signed_on: dt.date | None
    terms: events.Terms
    approvals: set[str] = field(default_factory=set)
    in_force: bool = False


@dataclass(slots=True)
class AgreementRecord:
    versions: dict[int, VersionRecord] = field(default_factory=dict)
    open_version: int | None = None
    """The proposal that waits for approvals; at most one at a time."""
    last_day: dt.date | None = None

    @property
    def newest(self) -> VersionRecord:
        return self.versions[max(self.versions)]

    @property
    def agreement(self) -> events.Agreement:
        """Parties, points and validity: of the signed agreement, or of its newest draft."""
        return next((v.agreement for v in self.versions.values() if v.in_force), self.newest.agreement)

    @property
    def in_force(self) -> list[VersionRecord]:
        """Versions that every side has approved, oldest first. Empty for a draft."""
        return [version for version in self.versions.values() if version.in_force]

    @property
    def ends(self) -> dt.date | None:
        """The last covered day by term or by notice."""
        return earliest(self.agreement.valid_until, self.last_day)


@dataclass(slots=True)
class Register:
    parties: dict[str, PartyRecord] = field(default_factory=dict)
    points: dict[str, PointRecord] = field(default_factory=dict)
    services: dict[tuple[str, str], list[events.ServiceDefined]] = field(default_factory=dict)
    agreements: dict[UUID, AgreementRecord] = field(default_factory=dict)
    signed_at: dict[str, set[UUID]] = field(default_factory=dict)
    """Agreements ever signed, by point: where to look for another that covers the same."""

    def apply(self, event: EventData) -> None:
        """Fold one event."""
        match event:
            case events.PartyRegistered():
                self.parties[event.party_id] = PartyRecord(event.party, [(event.party.valid_from, event.party.names)])
            case events.PartyRenamed():
                self.parties[event.party_id].names.append((event.effective_from, event.names))
            case events.PartySucceeded():
                self.parties[event.party_id].successions.append(event)
            case events.ServicePointRegistered():
                self.points[event.service_point_id] = PointRecord([(event.point.open_from, event.point)])
            case events.ServicePointChanged():
                self.points[event.service_point_id].versions.append((event.effective_from, event.point))
            case events.ServicePointClosed():
                self.points[event.service_point_id].last_day = event.last_day
            case events.ServiceDefined():
                self.services.setdefault((event.authority_id, event.code), []).append(event)
            case _:
                self._apply_to_agreement(event)

    def _apply_to_agreement(self, event: EventData) -> None:
        match event:
            case events.AgreementProposed():
                record = self.agreements.setdefault(event.agreement_id, AgreementRecord())
                record.versions[event.version] = VersionRecord(
                    event.version, event.agreement, event.effective_from, event.signed_on, event.terms
                )
                record.open_version = event.version
            case events.AgreementApproved():
                self.agreements[event.agreement_id].versions[event.version].approvals.add(event.party_id)
            case events.AgreementSigned() | events.AgreementAmended():
                record = self.agreements[event.agreement_id]
                record.versions[event.version].in_force = True
                record.open_version = None
                for point_id in event.agreement.service_point_ids:
                    self.signed_at.setdefault(point_id, set()).add(event.agreement_id)
            case events.AgreementTerminated():
                self.agreements[event.agreement_id].last_day = event.last_day

    def holder(self, party_id: str, municipality_code: str | None, day: dt.date) -> str:
        """Who has the party's tasks in a municipality on a day: itself, or the last of its successors (R9)."""
        for _ in range(MAX_CHAIN):
            record = self.parties.get(party_id)
            passed = record.successor(municipality_code, day) if record else None
            if passed is None:
                return party_id
            party_id = passed.successor_id
        return party_id

    def tenures(self, party_id: str, municipality_code: str) -> Iterator[tuple[str, dt.date, dt.date | None]]:
        """(holder, first day, last day) of the party's tasks in a municipality, one after another."""
        since = dt.date.min
        for _ in range(MAX_CHAIN):
            record = self.parties.get(party_id)
            passed = record.successor(municipality_code, dt.date.max) if record else None
            if passed is None:
                break
            yield party_id, since, passed.effective_from - dt.timedelta(days=1)
            party_id, since = passed.successor_id, max(since, passed.effective_from)
        yield party_id, since, None

    def service_on(self, authority_id: str, code: str, day: dt.date) -> events.ServiceDefined | None:
        """The catalogue entry in force on a day; of several definitions the newest known one rules."""
        for defined in reversed(self.services.get((authority_id, code), [])):
            if defined.valid_from <= day:
                return defined if defined.valid_until is None or day <= defined.valid_until else None
        return None
