"""Events of the agreements service: parties, points, services, and the written agreements of 223/2007 §8."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

from pydantic import Field

from schemas.base import Code, EventData, Names, Part, Price, ServiceCode, Slug, StaffRef
from schemas.registry import event

ITEMS = (
    "parties", "tasks", "technical_connection", "steering", "premises", "confidentiality",
    "languages", "compensation", "staff", "training", "validity", "other",
)  # fmt: skip
"""The twelve items of 223/2007 §8 (as amended by 247/2017), in the order of the section."""

MunicipalityCode = Annotated[str, Field(pattern=r"^[0-9]{3}$")]
ItemText = Annotated[str, Field(min_length=1, max_length=4000)]
Text = Annotated[str, Field(max_length=400)]


class Party(Part):
    """Who may be provider or commissioner: an authority, and of what kind (R1)."""

    kind: Code
    family: Slug
    names: Names
    business_id: Annotated[str, Field(pattern=r"^[0-9]{7}-[0-9]$")] | None = None
    municipality_code: MunicipalityCode | None = None
    valid_from: dt.date


@event("agreements")
class PartyRegistered(EventData):
    """A party entered the register. ``family`` ties an authority to its predecessors and successors (M14)."""

    party_id: Slug
    party: Party


@event("agreements")
class PartyRenamed(EventData):
    """A party has another name from a day on; history keeps the old one (R9)."""

    party_id: Slug
    names: Names
    effective_from: dt.date


@event("agreements")
class PartySucceeded(EventData):
    """A party's tasks passed to another, in the whole country or in an area of municipalities (R9)."""

    party_id: Slug
    successor_id: Slug
    effective_from: dt.date
    municipality_codes: tuple[MunicipalityCode, ...] | None = None


class OpeningHours(Part):
    """Open from ``opens`` to ``closes`` (local wall time, ``09:00``) on ``weekday`` (1 = Monday, ISO 8601)."""

    weekday: Annotated[int, Field(ge=1, le=7)]
    opens: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    closes: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class ServicePoint(Part):
    """A point with the fields of the national form (domain.md D.2)."""

    provider_id: Slug
    names: Names
    municipality_code: MunicipalityCode
    village: Text | None = None
    region_code: Annotated[str, Field(pattern=r"^[0-9]{2}$")]
    visiting_address: Text
    postal_address: Text | None = None
    email: Text | None = None
    phone: Text | None = None
    responsible_title: Text | None = None
    located_in: Code
    accessible: bool
    confidential_room: bool
    remote_room: bool
    remote_equipment: bool
    common_sign: bool
    in_preparation: bool = False
    opening_hours: Annotated[tuple[OpeningHours, ...], Field(max_length=21)]
    opening_exceptions: Text | None = None
    checked_on: dt.date
    open_from: dt.date


@event("agreements")
class ServicePointRegistered(EventData):
    """A service point entered the register."""

    service_point_id: Slug
    point: ServicePoint


@event("agreements")
class ServicePointChanged(EventData):
    """The point's data from a day on, complete."""

    service_point_id: Slug
    point: ServicePoint
    effective_from: dt.date


@event("agreements")
class ServicePointClosed(EventData):
    """A point serves no more after ``last_day``; a moved or merged one has a successor."""

    service_point_id: Slug
    last_day: dt.date
    successor_id: Slug | None = None


@event("agreements")
class ServiceDefined(EventData):
    """A service in an authority's catalogue; defining it again replaces it from ``valid_from`` on."""

    authority_id: Slug
    code: ServiceCode
    names: Names
    tasks: Annotated[tuple[Code, ...], Field(min_length=1, max_length=20)]
    standard: bool
    valid_from: dt.date
    valid_until: dt.date | None = None


class ServiceRef(Part):
    authority_id: Slug
    code: ServiceCode


class Tariff(Part):
    """One price item of the compensation (item 8; §5 a).

    kind: ``per_act``; ``per_started_minute`` or ``per_minute``; ``fixed_monthly``; ``included_then_per_act``
    (``included`` acts a month are free, then ``price`` each). ``service``, ``task`` and ``channel`` narrow the acts it
    prices: the item that names a service beats one that does not, then task, then channel; each act is priced by
    exactly one item of its authority.
    """

    item: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
    kind: Code
    authority_id: Slug
    service: ServiceCode | None = None
    task: Code | None = None
    channel: Code | None = None
    price: Price
    included: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    payer_id: Slug | None = None


class Pendency(Part):
    """Whether a matter becomes pending when the point receives the paper (R21), and until when on a day (R19)."""

    at_receipt: bool
    kinds: tuple[Code, ...] = ()
    closing_time: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] | None = None


class Vat(Part):
    """VAT of the compensation: a rate in percent, or the stated reason for none (KHO:2009:42; E.5)."""

    rate: Annotated[str, Field(pattern=r"^[0-9]{1,2}(\.[0-9]{1,2})?$")] | None = None
    exempt_reason: Code | None = None


class Terms(Part):
    """The complete terms of one version of an agreement."""

    tasks: Annotated[tuple[Code, ...], Field(min_length=1, max_length=20)]
    services: Annotated[tuple[ServiceRef, ...], Field(min_length=1, max_length=400)]
    items: dict[Code, ItemText]
    pendency: Pendency
    tariffs: Annotated[tuple[Tariff, ...], Field(max_length=200)]
    vat: Vat = Vat(exempt_reason="viranomaistoiminta")


class Agreement(Part):
    """Who agrees, on which points, from when to when; ``terms`` may change by amendment, the rest does not."""

    provider_id: Slug
    commissioner_ids: Annotated[tuple[Slug, ...], Field(min_length=1, max_length=20)]
    service_point_ids: Annotated[tuple[Slug, ...], Field(min_length=1, max_length=300)]
    valid_from: dt.date
    valid_until: dt.date | None = None


class _OfAgreement(EventData):
    agreement_id: UUID


class _Version(_OfAgreement):
    """Carries the whole of one version, so that a reader needs no other event."""

    version: Annotated[int, Field(ge=1)]
    agreement: Agreement
    effective_from: dt.date
    signed_on: dt.date | None = None
    terms: Terms


@event("agreements")
class AgreementProposed(_Version):
    """A draft, or a draft amendment: not in force before both sides approve it."""


@event("agreements")
class AgreementApproved(_OfAgreement):
    """One party approved one version."""

    version: Annotated[int, Field(ge=1)]
    party_id: Slug
    approver: StaffRef


@event("agreements")
class AgreementSigned(_Version):
    """Both sides approved version 1: in force from ``effective_from``."""


@event("agreements")
class AgreementAmended(_Version):
    """Both sides approved a later version: its terms are in force from ``effective_from``, also backwards (R5)."""


@event("agreements")
class AgreementTerminated(_OfAgreement):
    """The agreement ends; ``last_day`` is its last covered day (R3)."""

    agreement: Agreement
    last_day: dt.date
    notice_by: Slug
    notice_on: dt.date
