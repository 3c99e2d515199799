"""What may be asked of the diary: the payloads of its commands, as they come over HTTP.

Shapes are checked here, meanings by the deciders, which know the date of the visit: a code that is unknown or a
quantity that is absurd gets its own code there, and all of them are named at once.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict
from pydantic_core import PydanticCustomError

from schemas.diary import MAX_ACTS
from services.diary.domain import codes

MAX_TEXT = 80


def _aware(value: dt.datetime) -> dt.datetime:
    if value.tzinfo is None:
        raise PydanticCustomError("time_without_offset", "A time needs its offset, such as 2026-11-24T10:15:00+02:00.")
    return value


def _listed(values: tuple[str, ...]) -> dict[str, Any]:
    """The members of a code list, for the API description."""
    return {"enum": list(values)}


Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
Number = Annotated[int, Strict(), Field(ge=-(2**53), le=2**53)]
Moment = Annotated[dt.datetime, AfterValidator(_aware)]
Reason = Annotated[Text, Field(json_schema_extra=_listed(codes.CORRECTION_REASONS))]


class Body(BaseModel):
    """A request's body: immutable, unknown fields refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ActEntry(Body):
    """One service given in the visit. ``task`` is of 223/2007 §6 as in force on the day."""

    authority_id: Text
    service: Text
    task: Annotated[Text, Field(json_schema_extra={"examples": list(codes.TASKS_2017)})]
    channel: Annotated[Text, Field(json_schema_extra=_listed(codes.CHANNELS))]
    quantity: Number = 1
    minutes: Number | None = None
    performed_by: Annotated[Text, Field(json_schema_extra=_listed(codes.PERFORMERS))] = "adviser"


class VisitEntry(Body):
    """A visit as the counter tells it. ``place`` follows from the channel of the first act unless it is given."""

    service_point_id: Text
    occurred_at: Moment
    customers: Number = 1
    language: Annotated[Text, Field(json_schema_extra=_listed(codes.LANGUAGES))] = "fi"
    language_asked: Annotated[Text, Field(json_schema_extra=_listed(codes.LANGUAGES))] | None = None
    place: Annotated[Text, Field(json_schema_extra=_listed(codes.PLACES))] | None = None
    late_reason: Annotated[Text, Field(json_schema_extra=_listed(codes.LATE_REASONS))] | None = None
    acts: Annotated[tuple[ActEntry, ...], Field(min_length=1, max_length=MAX_ACTS)]


class RecordVisit(VisitEntry):
    """``PUT /api/visits/{visit_id}``; the command's id and target are the visit id."""


class ImportVisit(VisitEntry):
    """A visit out of a CSV file: the same decision, another right (``import_visits``)."""


class CorrectVisit(Body):
    """``POST …/corrections``: the visit as it should have been. The command's target is the visit id."""

    id: UUID
    based_on: Number
    reason: Reason
    visit: VisitEntry


class VoidVisit(Body):
    """``POST …/void``. The command's target is the visit id."""

    id: UUID
    based_on: Number
    reason: Reason


class Between(Body):
    """Bounds of a time: a drop box was last empty then, and was emptied then (edge case 5)."""

    from_: Annotated[Moment, Field(alias="from")]
    to: Moment


class Paper(Body):
    """A description of a paper that is not itself kept. Private: it is committed to, sealed, and never in an
    event."""

    title: Annotated[str, Field(max_length=200)] | None = None
    pages: Annotated[int, Strict(), Field(ge=1, le=9999)] | None = None
    sender: Annotated[str, Field(max_length=200)] | None = None
    reference: Annotated[str, Field(max_length=100)] | None = None
    note: Annotated[str, Field(max_length=500)] | None = None


class ReceiveDocument(Body):
    """``PUT /api/documents/{document_id}``; the command's id and target are the document id.

    ``content_sha256`` and ``paper`` say what was committed to. ``visit`` records the visit in the same command.
    """

    service_point_id: Text
    authority_id: Text
    kind: Annotated[Text, Field(json_schema_extra=_listed(codes.DOCUMENT_KINDS))]
    mode: Annotated[Text, Field(json_schema_extra=_listed(codes.ARRIVAL_MODES))]
    received_at: Moment | None = None
    received_between: Between | None = None
    stamp_id: UUID | None = None
    late_reason: Annotated[Text, Field(json_schema_extra=_listed(codes.LATE_REASONS))] | None = None
    visit_id: UUID
    act_no: Number
    deadline: dt.date | None = None
    paper: Paper | None = None
    content_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    visit: VisitEntry | None = None


class ForwardDocument(Body):
    """``POST …/forwarded``. The command's target is the document id."""

    id: UUID
    based_on: Number
    forwarded_at: Moment
    means: Annotated[Text, Field(json_schema_extra=_listed(codes.MEANS))]
