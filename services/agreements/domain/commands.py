"""What clients may wish: one closed model per command. The id of the thing is the command's target, not part of the
model.

Each is also the body of its HTTP request (with ``id`` beside it where the path does not carry the idempotency key).
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import Field

from schemas.agreements import Agreement, MunicipalityCode, Party, ServicePoint, Terms
from schemas.base import Code, Names, Part, Slug

Version = Annotated[int, Field(ge=1, le=10_000)]


class RegisterParty(Party):
    """``PUT /api/parties/{id}``"""


class RenameParty(Part):
    """``POST /api/parties/{id}/renaming``"""

    names: Names
    effective_from: dt.date


class SucceedParty(Part):
    """``POST /api/parties/{id}/succession``: in the whole country, or in the municipalities named."""

    successor_id: Slug
    effective_from: dt.date
    municipality_codes: Annotated[tuple[MunicipalityCode, ...], Field(min_length=1, max_length=400)] | None = None


class RegisterPoint(ServicePoint):
    """``PUT /api/service-points/{id}``"""


class ChangePoint(Part):
    """``POST /api/service-points/{id}/changes``: the point's data from a day on, complete; also a check without a
    change.
    """

    effective_from: dt.date
    point: ServicePoint


class ClosePoint(Part):
    """``POST /api/service-points/{id}/closing``"""

    last_day: dt.date
    successor_id: Slug | None = None


class DefineService(Part):
    """``PUT /api/services/{authority_id}/{code}``; again with a later ``valid_from`` to replace it from that day on."""

    names: Names
    tasks: Annotated[tuple[Code, ...], Field(min_length=1, max_length=20)]
    standard: bool
    valid_from: dt.date
    valid_until: dt.date | None = None


class ProposeAgreement(Agreement):
    """``PUT /api/agreements/{id}``: a draft."""

    signed_on: dt.date | None = None
    terms: Terms


class RedraftAgreement(ProposeAgreement):
    """``POST /api/agreements/{id}/draft``: another draft in place of version ``based_on``, which nobody can approve
    any more.
    """

    based_on: Version


class ApproveVersion(Part):
    """``POST /api/agreements/{id}/approvals``: the party is the caller's."""

    version: Version


class AmendAgreement(Part):
    """``POST /api/agreements/{id}/amendments``: ``replaces`` names an open amendment that this one takes the place
    of.
    """

    effective_from: dt.date
    signed_on: dt.date | None = None
    terms: Terms
    replaces: Version | None = None


class TerminateAgreement(Part):
    """``POST /api/agreements/{id}/termination``: notice by the caller's party."""

    last_day: dt.date
    notice_on: dt.date
