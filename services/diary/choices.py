"""What can be chosen at a counter: authorities and services of a point on a day, the likely ones first."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from services.chassis.access import Action, Limit, Principal, limits
from services.chassis.web.format import sort_key
from services.diary.domain import codes
from services.diary.domain.register import Names, Party, Point, Register, ServiceFacts

ACCELERATORS = "123456789"
OWN_ACCELERATOR = "0"
USUAL_TASKS = ("advise", "support", "identify", "receive_document", "hand_out", "appoint")
"""The task that an entry means when it says none: the first of these that the service has."""


@dataclass(frozen=True, slots=True)
class ServiceChoice:
    """A service to choose; ``value`` names it with its authority."""

    value: str
    name: str
    tasks: tuple[str, ...]
    usual_task: str


@dataclass(frozen=True, slots=True)
class AuthorityChoice:
    """An authority with its services; ``kind``: ``agreed``, ``none`` (no agreement at this point) or ``own``."""

    authority_id: str
    name: str
    kind: str
    key: str
    services: tuple[ServiceChoice, ...]


@dataclass(frozen=True, slots=True)
class PointChoice:
    """A point that the principal may see, and whether it may record there."""

    id: str
    name: str
    records: bool


def points(known: Register, who: Principal, day: dt.date, language: str) -> list[PointChoice]:
    """Points by name."""
    seen, recorded = limits(who, Action.READ_VISITS), limits(who, Action.RECORD_VISIT)
    found = [
        PointChoice(point.id, point_name(point, day, language), any(_reaches(each, point, day) for each in recorded))
        for point in known.points.values()
        if any(_reaches(each, point, day) for each in seen)
    ]
    return sorted(found, key=lambda each: sort_key(each.name))


def _reaches(limit: Limit, point: Point, day: dt.date) -> bool:
    """Whether some visit at the point may fall under the limit."""
    return (limit.points is None or point.id in limit.points) and (
        limit.provider_id is None or point.on(day).provider_id == limit.provider_id
    )


def only_for(who: Principal) -> frozenset[str] | None:
    """The authorities for which alone the principal may record, or None where there is no such limit."""
    named = [limit.authority_id for limit in limits(who, Action.RECORD_VISIT)]
    return None if None in named else frozenset(each for each in named if each)


def authorities(known: Register, point: Point, day: dt.date, language: str) -> list[AuthorityChoice]:
    """Those with an agreement first, then the others, the provider's own service last; the first nine have a digit."""
    facts = point.on(day)
    found: list[tuple[str, str, str, tuple[ServiceChoice, ...]]] = []
    for party in known.parties.values():
        kind = _kind(known, point, party, facts.provider_id, day)
        if kind is None or known.successor(party.id, facts.municipality, day) is not None:
            continue
        services = _services(known, party.id, facts.municipality, day, language)
        if services:
            found.append((kind, party_name(party, day, language), party.id, services))
    order = ("agreed", "none", "own")
    found.sort(key=lambda each: (order.index(each[0]), sort_key(each[1])))
    keys = iter(ACCELERATORS)
    return [
        AuthorityChoice(ident, name, kind, OWN_ACCELERATOR if kind == "own" else next(keys, ""), services)
        for kind, name, ident, services in found
    ]


def _kind(known: Register, point: Point, party: Party, provider_id: str, day: dt.date) -> str | None:
    """How a party stands to the point, or None if it has nothing to do there."""
    if party.valid_from > day:
        return None
    if party.id == provider_id:
        return "own"
    if any(covered.first <= day <= covered.last for covered in known.covered(point.id, party.id)):
        return "agreed"
    return "none" if party.kind != "municipal" else None


def _services(
    known: Register, authority_id: str, municipality: str, day: dt.date, language: str
) -> tuple[ServiceChoice, ...]:
    """Standard services first, then the rest, each by name."""
    found = known.services_of(authority_id, municipality, day)
    found.sort(key=lambda each: (not each.standard, sort_key(each.names.in_language(language))))
    return tuple(
        ServiceChoice(f"{authority_id}:{each.code}", each.names.in_language(language), *_tasks(each, day))
        for each in found
    )


def _tasks(service: ServiceFacts, day: dt.date) -> tuple[tuple[str, ...], str]:
    tasks = tuple(task for task in service.tasks if codes.is_task(task, day)) or codes.tasks_on(day)
    return tasks, next((task for task in USUAL_TASKS if task in tasks), tasks[0])


def usual_task(known: Register, authority_id: str, code: str, municipality: str, day: dt.date) -> str:
    """The task of an entry that names none."""
    service = known.service(authority_id, code, municipality, day)
    return _tasks(service, day)[1] if service is not None else codes.tasks_on(day)[0]


def party_name(party: Party, day: dt.date, language: str) -> str:
    """The name a party bore on a day."""
    return _on(party.names, day).in_language(language)


def point_name(point: Point, day: dt.date, language: str) -> str:
    return point.on(day).names.in_language(language)


def _on(names: tuple[Names, ...], day: dt.date) -> Names:
    found = names[0]
    for each in names[1:]:
        if each.since <= day:
            found = each
    return found
