"""Identifiers that are derived, so that the same command always makes the same ones."""

from __future__ import annotations

import hmac
from uuid import UUID, uuid5


def event_id(command_id: UUID, index: int) -> UUID:
    """Id of the ``index``-th event of a command: UUIDv5(command id, index)."""
    return uuid5(command_id, str(index))


def copy_id(source_event: UUID, authority_id: str) -> UUID:
    """Id of an authority's copy of an event; it tells nothing of the original to who does not have it."""
    return uuid5(source_event, authority_id)


def imported_visit_id(service_point_id: str, external_id: str) -> UUID:
    """Id of a visit that came in a CSV file: UUIDv5 over the point and the row's ``external_id``."""
    return uuid5(_IMPORTS, f"{service_point_id}\n{external_id}")


def reference(secret: bytes, authority_id: str, value: object) -> str:
    """An authority's own name for a thing: HMAC-SHA-256, hexadecimal. Two authorities cannot compare theirs."""
    return hmac.digest(secret, f"{authority_id}\n{value}".encode(), "sha256").hex()


_IMPORTS = UUID("6a1a70f6-5a8e-5a6f-9a3f-0c5f6a1d7e10")
