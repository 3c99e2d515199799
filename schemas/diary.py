"""Events of the diary: what happened at the counter. They hold no direct personal identifier (R35, X8)."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

from pydantic import Field

from schemas.base import (
    Code,
    EventData,
    Hash,
    Moment,
    Part,
    Position,
    ServiceCode,
    Slug,
    StaffRef,
)
from schemas.registry import event

MAX_ACTS = 50


class Coverage(Part):
    """What the counter knew of the agreement then. Evidence; billing never reads it (design.md §3).

    status: ``in_force``, ``outside_scope``, ``none``, or ``own`` for the provider's own service (R7).
    """

    status: Code
    agreement_id: UUID | None = None
    agreement_version: Annotated[int, Field(ge=1)] | None = None
    agreements_position: Position


class Act(Part):
    """One service given in a visit for one authority (223/2007 §6)."""

    act_no: Annotated[int, Field(ge=1, le=MAX_ACTS)]
    authority_id: Slug
    service: ServiceCode
    task: Code
    channel: Code
    quantity: Annotated[int, Field(ge=1, le=999)]
    minutes: Annotated[int, Field(ge=0, le=1440)] | None = None
    performed_by: Code
    coverage: Coverage


class Late(Part):
    """The entry was made after the day of the visit (R15)."""

    reason: Code
    days: Annotated[int, Field(ge=0, le=36600)]


class VisitFacts(Part):
    """The content of a visit. ``service_day`` and ``hour`` are Helsinki facts: nobody downstream converts zones."""

    occurred_at: Moment
    service_day: dt.date
    hour: Annotated[int, Field(ge=0, le=23)]
    customers: Annotated[int, Field(ge=0, le=500)]
    language: Code
    language_asked: Code | None = None
    place: Code
    late: Late | None = None
    acts: Annotated[tuple[Act, ...], Field(min_length=1, max_length=MAX_ACTS)]


class _OfVisit(EventData):
    visit_id: UUID
    service_point_id: Slug
    provider_id: Slug
    recorder: StaffRef


@event("diary")
class VisitRecorded(_OfVisit):
    """A visit and its acts. Counted once as a visit, each act apart (R11)."""

    visit: VisitFacts


@event("diary")
class VisitCorrected(_OfVisit):
    """Takes ``before`` back and puts ``after`` in its place (R16).

    ``replaces`` is the stream version it was based on.
    """

    replaces: Annotated[int, Field(ge=1)]
    reason: Code
    before: VisitFacts
    after: VisitFacts


@event("diary")
class VisitVoided(_OfVisit):
    """Takes ``before`` back. The id is never used again."""

    replaces: Annotated[int, Field(ge=1)]
    reason: Code
    before: VisitFacts


class Stamp(Part):
    """The moment signed by the server at one key press, before the details were known (design.md §8)."""

    stamp_id: UUID
    stamped_at: Moment


class Received(Part):
    """When the paper came: a moment, or the bounds between which it came (edge case 5: a drop box)."""

    earliest: Moment
    latest: Moment


@event("diary")
class DocumentReceived(EventData):
    """A paper received for an authority (223/2007 §6 item 4; R18). The act it belongs to is in the visit.

    ``commitment`` is HMAC-SHA-256(random key, bytes); the key is on the receipt and in the private store. ``verdict``
    is null until an in-time rule has been applied; it is never guessed.
    """

    document_id: UUID
    service_point_id: Slug
    provider_id: Slug
    authority_id: Slug
    visit_id: UUID
    act_no: Annotated[int, Field(ge=1, le=MAX_ACTS)]
    recorder: StaffRef
    kind: Code
    mode: Code
    received: Received
    service_day: dt.date
    stamp: Stamp | None = None
    late: Late | None = None
    deadline: dt.date | None = None
    commitment: Hash
    coverage: Coverage
    verdict: Code | None = None


@event("diary")
class DocumentForwarded(EventData):
    """The paper was sent on to the authority (R18, P12)."""

    document_id: UUID
    service_point_id: Slug
    provider_id: Slug
    authority_id: Slug
    recorder: StaffRef
    replaces: Annotated[int, Field(ge=1)]
    forwarded_at: Moment
    means: Code
