"""Commands as the public HTTP interfaces take them (design.md §11), and the shapes in which the network makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

Body = dict[str, Any]
NAMESPACE = UUID("0b5c6f0e-7f0f-5d5e-9d55-53594e544831")
"""Root of the ids of agreements and of the commands about reference data (UUIDv5)."""


@dataclass(frozen=True, slots=True)
class Command:
    """One request about reference data. ``party_id`` is whose request it is (the token's ``party_id``)."""

    method: str
    path: str
    body: Body
    party_id: str | None = None

    @property
    def subject(self) -> str:
        """The id in the path: ``/api/parties/kela`` and ``/api/parties/kela/renaming`` are about ``kela``."""
        return self.path.split("/")[3]


class VisitCommand(NamedTuple):
    """One entry at a counter.

    kind: ``visit``, ``correction``, ``void``, ``document`` or ``forwarded``. ``id`` is the idempotency key: the id of
    the visit, of the document, or of the command itself. ``subject_id`` is the visit or document it is about.
    ``recorded_at`` is when a clerk would have entered it (RFC 3339, Helsinki); a service that loads it now records its
    own time.
    """

    kind: str
    id: str
    subject_id: str
    service_point_id: str
    recorder: str
    recorded_at: str
    body: Body

    @property
    def method(self) -> str:
        return "PUT" if self.kind in ("visit", "document") else "POST"

    @property
    def path(self) -> str:
        return _PATHS[self.kind].format(self.subject_id)


_PATHS = {
    "visit": "/api/visits/{}",
    "correction": "/api/visits/{}/corrections",
    "void": "/api/visits/{}/void",
    "document": "/api/documents/{}",
    "forwarded": "/api/documents/{}/forwarded",
}
