"""The whole synthetic network: reference data as commands in the order to apply, and the stream of visits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from deploy.demo.network.afterwards import change, document
from deploy.demo.network.agreements import make_agreements
from deploy.demo.network.catalogue import (
    AUTHORITIES,
    CATALOGUE,
    COUNTIES,
    GENERAL_GUIDANCE,
    TASKS_2017_SINCE,
    TE_REFORM,
    Service,
    tasks_on,
)
from deploy.demo.network.commands import Command, VisitCommand
from deploy.demo.network.parties import (
    OWN_EMPLOYMENT_AREAS,
    family_of,
    municipality_party,
    party_commands,
    rename_commands,
    since,
    succession_commands,
    successions,
)
from deploy.demo.network.points import Point, make_points
from deploy.demo.network.tables import seeded
from deploy.demo.network.visits import Counter, Stream
from deploy.demo.network.written import Agreement, agreement_commands, amendment_commands, termination_commands
from services.chassis.clock import HELSINKI

SYNTHETIC = {
    "fi": "Esittelyaineisto: pisteet, sopimukset, hinnat ja käynnit synteettisiä, kunnat ja viranomaiset todellisia.",
    "sv": "Demonstrationsmaterial: punkter, avtal, priser och besök är syntetiska, kommuner och myndigheter verkliga.",
    "en": "Demonstration data: points, agreements, prices, visits are synthetic; municipalities and authorities real.",
}
"""Shown wherever figures of this network are shown."""
EARLIEST_TODAY = dt.date(2026, 6, 1)
TENANT = Command(
    "PUT",
    "/api/parties/esimerkkiyhdistys",
    {
        "kind": "third_sector",
        "family": "esimerkkiyhdistys",
        "names": {
            "fi": "Esimerkkiyhdistys ry (synteettinen)",
            "sv": "Exempelföreningen rf (syntetisk)",
            "en": "Example Association (synthetic)",
        },
        "business_id": None,
        "municipality_code": None,
        "valid_from": "2015-01-01",
    },
)
"""A tenant who shares a room and may never be party to an agreement (R1). Not in ``parties``."""


@dataclass(frozen=True, slots=True)
class Network:
    """Make it with :meth:`make`; apply the lists in the order of the fields, then the visits."""

    seed: int
    today: dt.date
    parties: list[Command]
    renames: list[Command]
    successions: list[Command]
    points: list[Command]
    services: list[Command]
    agreements: list[Command]
    amendments: list[Command]
    terminations: list[Command]
    service_points: tuple[Point, ...]
    written: tuple[Agreement, ...]

    @classmethod
    def make(cls, seed: int = 1, *, today: dt.date) -> Network:
        """The network as it stands on ``today`` (Helsinki date). Raises ValueError before June 2026: LVV must exist."""
        if today < EARLIEST_TODAY:
            raise ValueError(f"the network is made for days from {EARLIEST_TODAY} on, not for {today}")
        points = make_points(seed, today)
        written = tuple(make_agreements(seed, today, points))
        codes = {p.municipality.code for p in points} | OWN_EMPLOYMENT_AREAS
        return cls(
            seed=seed,
            today=today,
            parties=party_commands(codes),
            renames=rename_commands(),
            successions=succession_commands(),
            points=[point.command for point in points],
            services=list(_services(points)),
            agreements=[c for a in written for c in agreement_commands(a)],
            amendments=[c for a in written for c in amendment_commands(a)],
            terminations=[c for a in written for c in termination_commands(a)],
            service_points=points,
            written=written,
        )

    def commands(self) -> Iterator[Command]:
        """Every command about reference data, in the order to apply."""
        yield from self.parties
        yield from self.renames
        yield from self.successions
        yield from self.points
        yield from self.services
        yield from self.agreements
        yield from self.amendments
        yield from self.terminations

    def visits(
        self, start: dt.date, end: dt.date, total: int, *, now: dt.datetime | None = None,
        history_reason: str | None = None,
    ) -> Iterator[VisitCommand]:  # fmt: skip
        """``total`` visits of ``start`` to ``end`` by time of recording; corrections, voids and documents besides.

        Nothing is recorded after ``now`` (aware; default: the first moment of ``today``, so the stream ends yesterday).
        ``history_reason`` is written as the late reason of every visit of a day before ``now``'s, for a store whose own
        clock makes all of history a late entry.
        """
        moment = (now or dt.datetime.combine(self.today, dt.time(), HELSINKI)).astimezone(HELSINKI)
        last = min(end, moment.date())
        days = [start + dt.timedelta(days=n) for n in range((last - start).days + 1)]
        rng = seeded(self.seed, "visits", start, end, total)
        return Stream(rng, self._counters(), moment, history_reason, change, document).run(days, total)

    def last_months(self, full: int = 3) -> tuple[dt.date, dt.date]:
        """From the first day of the ``full``-th last full month to ``today``."""
        months = self.today.year * 12 + self.today.month - 1 - full
        return dt.date(months // 12, months % 12 + 1, 1), self.today

    def agreement_for(self, service_point_id: str, authority_id: str, day: dt.date) -> Agreement | None:
        """The agreement that covers a point and an authority, or one it succeeded, on ``day``."""
        predecessors = {s.party_id for s in successions() if s.successor_id == authority_id and s.on <= day}
        return next(
            (
                a
                for a in self.written
                if service_point_id in a.service_point_ids
                and a.covers(day)
                and not {authority_id, *predecessors}.isdisjoint(a.commissioner_ids)
            ),
            None,
        )

    def _counters(self) -> list[Counter]:
        by_point: dict[str, list[Agreement]] = {p.id: [] for p in self.service_points}
        for agreement in self.written:
            for point_id in agreement.service_point_ids:
                by_point[point_id].append(agreement)
        return [Counter(p, by_point[p.id], _recorders(p)) for p in self.service_points]


def _recorders(point: Point) -> tuple[str, ...]:
    """Pseudonyms of the advisers: one at a small point, up to four at a large one."""
    count = 1 + min(3, int(point.weekly // 15))
    return tuple(f"neuvoja-{point.id.removeprefix('piste-')}-{n}" for n in range(1, count + 1))


def _services(points: tuple[Point, ...]) -> Iterator[Command]:
    """The catalogue: of each authority its family's services, of each provider general guidance."""
    authorities = [a.id for a in (*AUTHORITIES, *COUNTIES)]
    areas = sorted({s.successor_id for s in successions() if s.successor_id.startswith("te-alue-")})
    for authority in (*authorities, *areas):
        for service in CATALOGUE[family_of(authority)]:
            yield from _definitions(authority, service)
    for code in sorted(OWN_EMPLOYMENT_AREAS):
        for service in CATALOGUE["te"]:
            yield from _definitions(municipality_party(code), service, TE_REFORM)
    for provider in sorted({p.provider_id for p in points}):
        yield from _definitions(provider, GENERAL_GUIDANCE)
    elsewhere = {municipality_party(p.municipality.code) for p in points if not p.provider_id.startswith("kunta-")}
    for municipality in sorted(elsewhere):
        for service in CATALOGUE["kunta"]:
            yield from _definitions(municipality, service)


def _definitions(authority_id: str, service: Service, not_before: dt.date = dt.date.min) -> Iterator[Command]:
    """The service from its first day, and where it is older than the tasks of 2017, once more from these on (R4)."""
    start = max(service.since, since(authority_id), not_before)
    first = tasks_on(service, start)
    yield _definition(authority_id, service, first, start)
    if first != service.tasks:
        yield _definition(authority_id, service, service.tasks, TASKS_2017_SINCE)


def _definition(authority_id: str, service: Service, tasks: tuple[str, ...], start: dt.date) -> Command:
    body = {
        "names": {"fi": service.fi, "sv": service.sv, "en": service.en},
        "tasks": list(tasks),
        "standard": service.standard,
        "valid_from": start.isoformat(),
    }
    return Command("PUT", f"/api/services/{authority_id}/{service.code}", body, authority_id)
