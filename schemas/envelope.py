"""The CloudEvents 1.0 envelope in structured JSON.

The bytes made here are the event: stored, published and hashed as they are.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel

from schemas.base import EventData

CONTENT_TYPE = "application/cloudevents+json"
DATA_CONTENT_TYPE = "application/json"
MAX_EVENT_BYTES = 900_000
"""Below Kafka's default record limit of 1 MiB, with room for key and headers."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The attributes of an event. ``occurred`` keeps its own offset; ``recorded`` is UTC with microseconds.

    ``places``: where authorities find their copies, ``((authority, sequence), …)``; empty on a copy itself.
    """

    id: UUID
    source: str
    type: str
    subject: str
    occurred: dt.datetime
    recorded: dt.datetime
    position: int
    stream_version: int
    places: tuple[tuple[str, int], ...] = ()


def rfc3339(moment: dt.datetime) -> str:
    """RFC 3339 text; UTC ends in ``Z`` and always has six decimals, so that it sorts as text."""
    if moment.tzinfo is dt.UTC:
        return moment.isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"
    return moment.isoformat()


def encode(envelope: Envelope, data: EventData) -> bytes:
    """The exact bytes of the event."""
    head: dict[str, Any] = {
        "specversion": "1.0",
        "id": envelope.id,
        "source": envelope.source,
        "type": envelope.type,
        "subject": envelope.subject,
        "time": rfc3339(envelope.occurred),
        "recordedtime": rfc3339(envelope.recorded),
        "position": str(envelope.position),
        "streamversion": str(envelope.stream_version),
    }
    if envelope.places:
        head["places"] = " ".join(f"{authority}:{sequence}" for authority, sequence in envelope.places)
    head["dataschema"] = _dataschema(envelope.type)
    head["datacontenttype"] = DATA_CONTENT_TYPE
    body = data.__pydantic_serializer__.to_json(data, exclude_none=True)
    encoded = b'%b,"data":%b}' % (orjson.dumps(head)[:-1], body)
    if len(encoded) > MAX_EVENT_BYTES:
        raise ValueError(f"event of {len(encoded)} bytes is over the limit of {MAX_EVENT_BYTES}")
    return encoded


@cache
def _dataschema(event_type: str) -> str:
    """``fi.yhteispalvelu.diary.VisitRecorded.v1`` → ``/schemas/diary.VisitRecorded/1``."""
    name, version = event_type.removeprefix("fi.yhteispalvelu.").rsplit(".v", 1)
    return f"/schemas/{name}/{version}"


class Attributes(BaseModel):
    """An envelope as read: attributes typed, unknown ones ignored, ``data`` left as it came."""

    id: UUID
    source: str
    type: str
    subject: str
    time: dt.datetime
    recordedtime: dt.datetime
    position: int
    streamversion: int
    places: str = ""
    data: dict[str, Any]

    def place_of(self, authority: str) -> int | None:
        """The sequence of ``authority``'s copy, or None."""
        for place in self.places.split():
            name, _, sequence = place.rpartition(":")
            if name == authority:
                return int(sequence)
        return None


def decode(raw: bytes) -> Attributes:
    """Parse an envelope; raises :class:`pydantic.ValidationError` on anything that is not one of ours."""
    return Attributes.model_validate_json(raw)
