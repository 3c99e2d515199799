"""A small register for tests of the counter: Salla's point, authorities with successions, agreements and services.

Told as events of the agreements log, and brought into the diary's database by the projection's own fold and write.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import polars as pl
from sqlalchemy import text

from schemas import topics
from schemas.agreements import (
    Agreement,
    AgreementAmended,
    AgreementSigned,
    AgreementTerminated,
    Names,
    Party,
    PartyRegistered,
    PartyRenamed,
    PartySucceeded,
    Pendency,
    ServiceDefined,
    ServicePoint,
    ServicePointClosed,
    ServicePointRegistered,
    ServiceRef,
    Terms,
)
from schemas.base import EventData
from schemas.envelope import Envelope, encode
from services.chassis.db import Database
from services.chassis.projection.decode import Raw, decode_records
from services.diary import projection
from services.diary.context import register_of
from services.diary.domain.register import Register
from services.diary.register_tables import TABLES

SALLA, KEMIJARVI = "piste-732-1", "piste-320-1"
MUNICIPALITY = "kunta-732"
KELA_AGREEMENT = UUID("0d9b7d3e-6d42-4c8e-8a35-5a4b5d8d0001")
VERO_AGREEMENT = UUID("0d9b7d3e-6d42-4c8e-8a35-5a4b5d8d0002")
REGISTER_AGREEMENT = UUID("0d9b7d3e-6d42-4c8e-8a35-5a4b5d8d0003")
SINCE = dt.date(2007, 4, 1)
OPENED, CLOSED = dt.date(2010, 1, 1), dt.date(2024, 6, 30)
AMENDED_FROM = dt.date(2026, 1, 1)

NAMES = {
    "kela": ("Kela", "FPA", "Kela"),
    "vero": ("Verohallinto", "Skatteförvaltningen", "Tax Administration"),
    "maistraatti": ("Maistraatti", "Magistraten", "Local Register Office"),
    "dvv": ("Digi- ja väestötietovirasto", "MDB", "Digital and Population Data Services Agency"),
    "poliisi": ("Poliisi", "Polisen", "Police"),
    "te-toimisto": ("TE-toimisto", "TE-byrån", "TE Office"),
    "kunta-732": ("Sallan kunta", "Salla kommun", "Municipality of Salla"),
    "kunta-320": ("Kemijärven kaupunki", "Kemijärvi stad", "Town of Kemijärvi"),
}
SERVICES = (
    ("kela", "asumistuki", "advise receive_document support"),
    ("kela", "elakkeet", "advise receive_document"),
    ("vero", "verokortti", "identify advise hand_out"),
    ("vero", "veroilmoitus", "advise receive_document"),
    ("maistraatti", "otteet", "identify advise hand_out"),
    ("poliisi", "passi", "identify appoint hand_out"),
    ("kunta-732", "yleisneuvonta", "advise support"),
    ("kunta-320", "yleisneuvonta", "advise support"),
    ("te-toimisto", "tyonhaku", "identify advise support"),
)


def names(fi: str, sv: str | None = None, en: str | None = None) -> Names:
    return Names(fi=fi, sv=sv or fi, en=en or fi)


def party(party_id: str, valid_from: dt.date = SINCE) -> PartyRegistered:
    value = Party(kind="state", family=party_id, names=names(*NAMES[party_id]), valid_from=valid_from)
    return PartyRegistered(party_id=party_id, party=value)


def point(point_id: str, provider_id: str, municipality: str, name: str) -> ServicePointRegistered:
    value = ServicePoint(
        provider_id=provider_id,
        names=names(name),
        municipality_code=municipality,
        region_code="19",
        visiting_address="Esimerkkikatu 1",
        located_in="town_hall",
        accessible=True,
        confidential_room=True,
        remote_room=True,
        remote_equipment=True,
        common_sign=True,
        opening_hours=(),
        checked_on=dt.date(2026, 1, 1),
        open_from=OPENED,
    )
    return ServicePointRegistered(service_point_id=point_id, point=value)


def service(authority_id: str, code: str, tasks: str, valid_from: dt.date = SINCE) -> ServiceDefined:
    return ServiceDefined(
        authority_id=authority_id,
        code=code,
        names=names(code.capitalize()),
        tasks=tuple(tasks.split()),
        standard=True,
        valid_from=valid_from,
    )


def terms(*services: str, tasks: str = "identify advise receive_document support hand_out") -> Terms:
    """``services`` as ``authority:code``."""
    pairs = (each.split(":") for each in services)
    return Terms(
        tasks=tuple(tasks.split()),
        services=tuple(ServiceRef(authority_id=authority, code=code) for authority, code in pairs),
        items={},
        pendency=Pendency(at_receipt=True),
        tariffs=(),
    )


def signed(
    agreement_id: UUID, commissioner: str, agreed: Terms, valid_from: dt.date, points: Sequence[str] = (SALLA,)
) -> AgreementSigned:
    value = Agreement(
        provider_id=MUNICIPALITY,
        commissioner_ids=(commissioner,),
        service_point_ids=tuple(points),
        valid_from=valid_from,
    )
    return AgreementSigned(
        agreement_id=agreement_id,
        version=1,
        agreement=value,
        effective_from=valid_from,
        signed_on=valid_from,
        terms=agreed,
    )


def amended(first: AgreementSigned, version: int, agreed: Terms, effective_from: dt.date) -> AgreementAmended:
    return AgreementAmended(
        agreement_id=first.agreement_id,
        version=version,
        agreement=first.agreement,
        effective_from=effective_from,
        terms=agreed,
    )


def terminated(first: AgreementSigned, last_day: dt.date) -> AgreementTerminated:
    return AgreementTerminated(
        agreement_id=first.agreement_id,
        agreement=first.agreement,
        last_day=last_day,
        notice_by=MUNICIPALITY,
        notice_on=last_day,
    )


def small_register() -> list[EventData]:
    """Agreements: Kela since 2020 (pensions 2026), tax since 2020, the register office since 2012; police none."""
    kela = signed(KELA_AGREEMENT, "kela", terms("kela:asumistuki"), dt.date(2020, 1, 1))
    return [
        *(party(each) for each in NAMES),
        PartyRenamed(party_id="kela", names=names("Kansaneläkelaitos"), effective_from=dt.date(2030, 1, 1)),
        PartySucceeded(party_id="maistraatti", successor_id="dvv", effective_from=dt.date(2020, 1, 1)),
        PartySucceeded(
            party_id="te-toimisto",
            successor_id="kunta-732",
            effective_from=dt.date(2025, 1, 1),
            municipality_codes=("732",),
        ),
        point(SALLA, MUNICIPALITY, "732", "Sallan asiointipiste"),
        point(KEMIJARVI, "kunta-320", "320", "Kemijärven asiointipiste"),
        ServicePointClosed(service_point_id=KEMIJARVI, last_day=CLOSED),
        *(service(*each) for each in SERVICES),
        kela,
        amended(kela, 2, terms("kela:asumistuki", "kela:elakkeet"), AMENDED_FROM),
        signed(VERO_AGREEMENT, "vero", terms("vero:verokortti", "vero:veroilmoitus"), dt.date(2020, 1, 1)),
        signed(REGISTER_AGREEMENT, "maistraatti", terms("maistraatti:otteet"), dt.date(2012, 1, 1)),
    ]


def raw(events: Sequence[EventData], first: int = 1) -> list[Raw]:
    """Events as records of the agreements topic, at positions from ``first``."""
    now = dt.datetime(2026, 11, 24, 8, tzinfo=dt.UTC)
    records = []
    for position, data in enumerate(events, first):
        envelope = Envelope(
            UUID(int=position), "/apudiaari/agreements", data.TYPE, f"s:{position}", now, now, position, 1
        )
        records.append(Raw(position, 0, encode(envelope, data)))
    return records


def frame(events: Sequence[EventData], first: int = 1) -> pl.DataFrame:
    """The frame that the projection folds."""
    decoded = decode_records(projection.SPEC.sources[0], raw(events, first))
    assert not decoded.poison, decoded.poison
    return decoded.frame


def register(events: Sequence[EventData] | None = None) -> Register:
    """The register as a value, by the projection's own fold."""
    told = list(events) if events is not None else small_register()
    deltas = projection.fold(topics.AGREEMENTS.name, frame(told)) if told else {}
    rows = {table: [_row(row) for row in deltas[table].to_dicts()] if table in deltas else [] for table in TABLES}
    return register_of(len(told), rows)


def _row(values: dict[str, Any]) -> SimpleNamespace:
    """A row as the database gives it: days are dates, agreements have UUIDs."""
    typed = dict(values)
    for name, value in values.items():
        if value is not None and (name.startswith("valid_") or name in {"effective_from", "open_from", "last_day"}):
            typed[name] = dt.date.fromisoformat(value)
    if "agreement_id" in typed:
        typed["agreement_id"] = UUID(typed["agreement_id"])
    return SimpleNamespace(**typed)


def visit(**changes: Any) -> dict[str, Any]:
    """The body of an ordinary visit, with changes."""
    body: dict[str, Any] = {
        "service_point_id": SALLA,
        "occurred_at": "2026-11-24T10:15:00+02:00",
        "customers": 1,
        "language": "fi",
        "acts": [act()],
    }
    return {**body, **changes}


def act(**changes: Any) -> dict[str, Any]:
    """The body of an ordinary act, with changes."""
    body: dict[str, Any] = {
        "authority_id": "kela",
        "service": "asumistuki",
        "task": "advise",
        "channel": "counter",
        "quantity": 1,
        "minutes": 12,
    }
    return {**body, **changes}


async def know(database: Database, events: Sequence[EventData], first: int = 1) -> int:
    """Bring events into the diary's register, as its projector would; the position it stands at then."""
    deltas = projection.fold(topics.AGREEMENTS.name, frame(events, first))
    async with database.transaction() as connection:
        await projection.write(connection, projection.SPEC.schema(1), deltas)
        position = first + len(events) - 1
        statement = (
            "UPDATE projection.positions SET position = :position WHERE projection = :projection AND topic = :topic"
        )
        values = {"position": position, "projection": projection.NAME, "topic": topics.AGREEMENTS.name}
        await connection.execute(text(statement), values)
    return position
