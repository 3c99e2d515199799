"""A small history of a diary and a register, as events with exact bytes: what billing's tests stand on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid5

import orjson
import polars as pl

from schemas import agreements as a
from schemas import catalogue, topics
from schemas.authority import (
    AuthorityAgreementAmended,
    AuthorityAgreementSigned,
    AuthorityVisitCorrected,
    AuthorityVisitFacts,
    AuthorityVisitRecorded,
    AuthorityVisitVoided,
)
from schemas.base import EventData, Names
from schemas.diary import Act, Coverage, VisitCorrected, VisitFacts, VisitRecorded, VisitVoided
from schemas.envelope import Envelope, encode
from services.billing import projection
from services.billing.domain.rating import ACTS
from services.billing.domain.terms import Book, PointFact, Succession, Termination
from services.billing.known import version_of
from services.chassis.ids import copy_id, reference
from services.chassis.projection.decode import Raw, decode_records

assert catalogue.types()
HELSINKI = dt.timezone(dt.timedelta(hours=2))
SPACE = UUID("6f8e1f3c-2b0b-5c50-9f6e-2f6a5c9b7a01")
SECRET = bytes(range(32))
PROVIDER, POINT = "kunta-732", "piste-732-1"
SERVED = a.Vat(exempt_reason="viranomaistoiminta")
Tariffs = Sequence[dict[str, Any]]


def ident(name: str) -> UUID:
    return uuid5(SPACE, name)


def act(authority: str = "kela", service: str = "asumistuki", **given: Any) -> dict[str, Any]:
    """An act with the common values filled in."""
    common = {"task": "advise", "channel": "counter", "quantity": 1, "minutes": 12, "performed_by": "adviser"}
    return {"authority_id": authority, "service": service, **common, **given}


def tariff(item: str = "neuvonta", price: str = "12.50", kind: str = "per_act", **given: Any) -> dict[str, Any]:
    return {"item": item, "kind": kind, "authority_id": "kela", "price": price, **given}


def terms(tariffs: Tariffs, services: Iterable[tuple[str, str]] = (), vat: a.Vat = SERVED) -> a.Terms:
    """Terms that cover the usual services and every task."""
    covered = tuple(services) or (("kela", "asumistuki"), ("kela", "elakkeet"), ("vero", "verokortti"))
    return a.Terms(
        tasks=("identify", "advise", "receive_document"),
        services=tuple(a.ServiceRef(authority_id=authority, code=code) for authority, code in covered),
        items={},
        pendency=a.Pendency(at_receipt=False),
        tariffs=tuple(a.Tariff(**each) for each in tariffs),
        vat=vat,
    )


@dataclass
class History:
    """Events in the order in which they are made; positions and feed sequences follow."""

    diary: list[bytes] = field(default_factory=list)
    agreements: list[bytes] = field(default_factory=list)
    feeds: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)
    facts: dict[str, tuple[dict[str, Any], VisitFacts]] = field(default_factory=dict)
    signed: dict[str, tuple[a.Agreement, int]] = field(default_factory=dict)
    recorded: dt.datetime = dt.datetime(2026, 1, 2, 8, tzinfo=dt.UTC)

    # The diary

    def visit(self, name: str, day: str, *acts: dict[str, Any], point: str = POINT, provider: str = PROVIDER) -> None:
        facts = _facts(day, acts)
        head = {"visit_id": ident(name), "service_point_id": point, "provider_id": provider, "recorder": "staff-0001"}
        self.facts[name] = (head, facts)
        self._told(VisitRecorded(**head, visit=facts))

    def correct(self, name: str, day: str, *acts: dict[str, Any]) -> None:
        head, before = self.facts[name]
        after = _facts(day, acts)
        self.facts[name] = (head, after)
        self._told(VisitCorrected(**head, replaces=1, reason="mistake", before=before, after=after))

    def void(self, name: str) -> None:
        head, before = self.facts.pop(name)
        self._told(VisitVoided(**head, replaces=1, reason="duplicate", before=before))

    def _told(self, data: VisitRecorded | VisitCorrected | VisitVoided) -> None:
        parts = [getattr(data, name, None) for name in ("visit", "before", "after")]
        concerned = {each.authority_id for part in parts if part for each in part.acts} - {data.provider_id}
        places = tuple((authority, self._copied(authority, data)) for authority in sorted(concerned))
        self._append(self.diary, "diary", data, f"visit:{data.visit_id}", places)

    def _copied(self, authority: str, data: Any) -> int:
        head = {
            "visit_ref": reference(SECRET, authority, data.visit_id),
            "service_point_id": data.service_point_id,
            "provider_id": data.provider_id,
        }
        parts = {
            name: _cut(authority, getattr(data, name))
            for name in ("visit", "before", "after")
            if getattr(data, name, None)
        }
        kinds = {
            VisitRecorded: AuthorityVisitRecorded,
            VisitCorrected: AuthorityVisitCorrected,
            VisitVoided: AuthorityVisitVoided,
        }
        reason = {} if isinstance(data, VisitRecorded) else {"reason": data.reason}
        return self._to_feed(authority, "diary", kinds[type(data)](**head, **reason, **parts))

    def _to_feed(self, authority: str, service: str, data: EventData) -> int:
        feed = self.feeds.setdefault((authority, service), [])
        source = ident(f"{service} {len(self.diary)} {len(self.agreements)}")
        self._append(feed, f"{service}/authority/{authority}", data, authority, (), copy_id(source, authority))
        return len(feed)

    # The register

    def party(self, party_id: str, kind: str = "state", name: str | None = None) -> None:
        text = name or party_id.capitalize()
        made = a.Party(
            kind=kind, family=party_id, names=Names(fi=text, sv=text, en=text), business_id="0112038-9",
            valid_from=dt.date(2007, 4, 1),
        )  # fmt: skip
        self._agreed(a.PartyRegistered(party_id=party_id, party=made), f"party:{party_id}")

    def point(self, point_id: str = POINT, provider: str = PROVIDER, municipality: str = "732") -> None:
        names = Names(fi=f"Asiointipiste {municipality}", sv=f"Servicepunkt {municipality}", en=f"Point {municipality}")
        made = a.ServicePoint(
            provider_id=provider, names=names, municipality_code=municipality, region_code="19",
            visiting_address="Esimerkkikatu 1", located_in="library", accessible=True, confidential_room=True,
            remote_room=True, remote_equipment=True, common_sign=True, opening_hours=(), checked_on=dt.date(2026, 1, 1),
            open_from=dt.date(2020, 1, 1),
        )  # fmt: skip
        self._agreed(a.ServicePointRegistered(service_point_id=point_id, point=made), f"point:{point_id}")

    def succeed(self, party: str, successor: str, day: str, codes: tuple[str, ...] | None = None) -> None:
        data = a.PartySucceeded(
            party_id=party, successor_id=successor, effective_from=dt.date.fromisoformat(day), municipality_codes=codes
        )
        self._agreed(data, f"party:{party}")

    def sign(
        self, name: str, tariffs: Tariffs, *, commissioners: tuple[str, ...] = ("kela",),
        points: tuple[str, ...] = (POINT,), provider: str = PROVIDER, since: str = "2026-01-01",
        until: str | None = None, services: Iterable[tuple[str, str]] = (), vat: a.Vat = SERVED,
    ) -> UUID:  # fmt: skip
        agreement = a.Agreement(
            provider_id=provider, commissioner_ids=commissioners, service_point_ids=points,
            valid_from=dt.date.fromisoformat(since), valid_until=dt.date.fromisoformat(until) if until else None,
        )  # fmt: skip
        self.signed[name] = (agreement, 1)
        self._version(a.AgreementSigned, AuthorityAgreementSigned, name, since, terms(tariffs, services, vat))
        return ident(name)

    def amend(
        self, name: str, effective: str, tariffs: Tariffs, services: Iterable[tuple[str, str]] = (), vat: a.Vat = SERVED
    ) -> None:
        agreement, version = self.signed[name]
        self.signed[name] = (agreement, version + 1)
        self._version(a.AgreementAmended, AuthorityAgreementAmended, name, effective, terms(tariffs, services, vat))

    def _version(self, kind: type[Any], copy: type[Any], name: str, effective: str, made: a.Terms) -> None:
        agreement, version = self.signed[name]
        body = {
            "agreement_id": ident(name), "version": version, "agreement": agreement,
            "effective_from": dt.date.fromisoformat(effective), "terms": made,
        }  # fmt: skip
        self._agreed(kind(**body), f"agreement:{ident(name)}")
        for authority in agreement.commissioner_ids:
            self._to_feed(authority, "agreements", copy(**body))

    def terminate(self, name: str, last_day: str) -> None:
        agreement, _ = self.signed[name]
        last = dt.date.fromisoformat(last_day)
        data = a.AgreementTerminated(
            agreement_id=ident(name), agreement=agreement, last_day=last, notice_by=PROVIDER, notice_on=last
        )
        self._agreed(data, f"agreement:{ident(name)}")

    def _agreed(self, data: EventData, stream: str) -> None:
        self._append(self.agreements, "agreements", data, stream)

    def _append(
        self, log: list[bytes], source: str, data: EventData, subject: str, places: tuple[Any, ...] = (),
        event_id: UUID | None = None,
    ) -> None:  # fmt: skip
        self.recorded += dt.timedelta(seconds=1)
        position = len(log) + 1
        made = event_id or ident(f"{source} {position}")
        head = Envelope(
            made, f"/apudiaari/{source}", data.TYPE, subject, self.recorded, self.recorded, position, 1, places
        )
        log.append(encode(head, data))

    # What billing makes of it

    def deltas(self) -> dict[str, pl.DataFrame]:
        """All rows of the projection, through the real decoder and fold."""
        return fold(self.diary, self.agreements)

    def acts(self, until: int | None = None) -> pl.DataFrame:
        frame = fold(self.diary[:until], []).get("acts")
        if frame is None:
            return pl.DataFrame(schema=ACTS)
        return frame.with_columns(pl.col("day").str.to_date()).select(ACTS.keys()).cast(ACTS)  # type: ignore[arg-type]

    def book(self, until: int | None = None) -> Book:
        return book_of(fold([], self.agreements[:until]))

    def json(self) -> tuple[list[Any], list[Any]]:
        return [orjson.loads(raw) for raw in self.diary], [orjson.loads(raw) for raw in self.agreements]


def fold(diary: Sequence[bytes], agreements: Sequence[bytes]) -> dict[str, pl.DataFrame]:
    """Rows per table; refuses to go on if the decoder finds poison."""
    found: dict[str, pl.DataFrame] = {}
    for source, events in ((projection.DIARY, diary), (projection.AGREEMENTS, agreements)):
        records = [Raw(number, 0, raw) for number, raw in enumerate(events, start=1)]
        decoded = decode_records(source, records)
        assert not decoded.poison, decoded.poison
        if decoded.frame.height:
            found |= projection.fold(source.topic.name, decoded.frame.drop("row"))
    return found


def book_of(deltas: dict[str, pl.DataFrame]) -> Book:
    """The terms from the projection's rows, as the database would give them."""

    def rows(table: str) -> list[Any]:
        return [_dated(row) for row in deltas[table].to_dicts()] if table in deltas else []

    return Book(
        versions=[version_of(row) for row in rows("agreement_versions")],
        terminations=[Termination(row.position, row.agreement_id, row.last_day) for row in rows("terminations")],
        successions=[
            Succession(
                row.position, row.party_id, row.successor_id, row.effective_from,
                frozenset((row.municipalities or "").split()),
            )
            for row in rows("successions")
        ],
        points=[PointFact(row.position, row.point_id, row.municipality) for row in rows("points")],
    )  # fmt: skip


def _dated(row: dict[str, Any]) -> Any:
    for name in ("effective_from", "last_day"):
        if name in row:
            row[name] = dt.date.fromisoformat(row[name])
    return SimpleNamespace(**row)


def _facts(day: str, acts: Sequence[dict[str, Any]]) -> VisitFacts:
    occurred = dt.datetime.combine(dt.date.fromisoformat(day), dt.time(10), HELSINKI)
    coverage = Coverage(status="none", agreements_position=0)
    numbered = tuple(Act(act_no=n, coverage=coverage, **each) for n, each in enumerate(acts, start=1))
    return VisitFacts(
        occurred_at=occurred, service_day=occurred.date(), hour=10, customers=1, language="fi", place="point",
        acts=numbered,
    )  # fmt: skip


def _cut(authority: str, facts: VisitFacts) -> AuthorityVisitFacts | None:
    own = [each for each in facts.acts if each.authority_id == authority]
    if not own:
        return None
    renumbered = tuple(each.model_copy(update={"act_no": n}) for n, each in enumerate(own, start=1))
    return AuthorityVisitFacts(
        occurred_at=facts.occurred_at, service_day=facts.service_day, hour=facts.hour, language=facts.language,
        place=facts.place, acts=renumbered,
    )  # fmt: skip


__all__ = ["POINT", "PROVIDER", "SECRET", "History", "act", "book_of", "fold", "ident", "tariff", "topics"]
