"""What one authority sees: its own copies, with its own ids and its own sequence (design.md §8).

A visit is named by ``visit_ref`` = HMAC-SHA-256(secret of the feed, visit id), so that two authorities cannot tell
that they served the same person; acts are renumbered from 1, so that a gap tells nothing.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

from pydantic import Field

from schemas import agreements, billing
from schemas.base import Code, EventData, Hash, Moment, Part, Slug
from schemas.diary import MAX_ACTS, Act, Coverage, Late, Received
from schemas.registry import event


class AuthorityVisitFacts(Part):
    """The part of a visit that concerns the authority; ``acts`` holds its own acts only."""

    occurred_at: Moment
    service_day: dt.date
    hour: Annotated[int, Field(ge=0, le=23)]
    language: Code
    place: Code
    late: Late | None = None
    acts: Annotated[tuple[Act, ...], Field(min_length=1, max_length=MAX_ACTS)]


class _OfVisit(EventData):
    visit_ref: Hash
    service_point_id: Slug
    provider_id: Slug


@event("authority.diary")
class AuthorityVisitRecorded(_OfVisit):
    """The authority's part of a visit."""

    visit: AuthorityVisitFacts


@event("authority.diary")
class AuthorityVisitCorrected(_OfVisit):
    """``before`` or ``after`` is null where the authority had, or has, no act in the visit."""

    reason: Code
    before: AuthorityVisitFacts | None = None
    after: AuthorityVisitFacts | None = None


@event("authority.diary")
class AuthorityVisitVoided(_OfVisit):
    """Takes ``before`` back."""

    reason: Code
    before: AuthorityVisitFacts


@event("authority.diary")
class AuthorityDocumentReceived(EventData):
    """A paper was received for the authority."""

    document_id: UUID
    service_point_id: Slug
    provider_id: Slug
    visit_ref: Hash
    act_no: Annotated[int, Field(ge=1, le=MAX_ACTS)]
    kind: Code
    mode: Code
    received: Received
    late: Late | None = None
    deadline: dt.date | None = None
    commitment: Hash
    coverage: Coverage
    verdict: Code | None = None


@event("authority.diary")
class AuthorityDocumentForwarded(EventData):
    """A paper was sent on to the authority."""

    document_id: UUID
    service_point_id: Slug
    provider_id: Slug
    forwarded_at: Moment
    means: Code


@event("authority.agreements")
class AuthorityAgreementProposed(agreements._Version):
    """A draft, or a draft amendment, of an agreement of the authority."""


@event("authority.agreements")
class AuthorityAgreementApproved(EventData):
    """Without the approver's pseudonym: that is the other party's own affair."""

    agreement_id: UUID
    version: Annotated[int, Field(ge=1)]
    party_id: Slug


@event("authority.agreements")
class AuthorityAgreementSigned(agreements._Version):
    """Both sides approved version 1."""


@event("authority.agreements")
class AuthorityAgreementAmended(agreements._Version):
    """Both sides approved a later version."""


@event("authority.agreements")
class AuthorityAgreementTerminated(agreements.AgreementTerminated):
    """An agreement of the authority ends."""


@event("authority.billing")
class AuthorityInvoiceIssued(billing._Document):
    """An invoice to the authority."""


@event("authority.billing")
class AuthorityCreditNoteIssued(billing._Document):
    """A credit note to the authority."""
