"""The log: the one totally ordered, append-only history of a service, in its own database (design.md §§1, 3, 4).

Law:
- Position 1, 2, 3 … without a gap; commit order is position order, because every append locks the one head row first.
- The bytes are the event. They are made once, inside the append transaction, and never re-serialised.
- What is appended is never changed: the running role has INSERT and SELECT here, and a trigger refuses the rest.
- A command has an id made by the client; the same id with the same body gives the first result, another is refused.
- Trees, feeds and the service's own read tables change in the transaction of the events they show.
"""

from services.chassis.log.model import Command, Decision, Handler, LogSpec, NewEvent, Outcome, Placed, StreamState
from services.chassis.log.writer import Writer

__all__ = [
    "Command",
    "Decision",
    "Handler",
    "LogSpec",
    "NewEvent",
    "Outcome",
    "Placed",
    "StreamState",
    "Writer",
]
