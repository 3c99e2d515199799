"""Control records: they travel on a log's topic and belong to no stream."""

from __future__ import annotations

from schemas.base import EventData, Hash, Position
from schemas.registry import event


@event("log")
class Sealed(EventData):
    """Everything of the log up to ``position`` stands before this record in its partition (design.md §5).

    ``root`` is the RFC 9162 root of the log's tree at size ``position``.
    """

    position: Position
    root: Hash
