"""A service's whole log as it stands in its database, and what must hold of any log.

Reads two columns with plain SQL, parses with the standard library, and believes nothing else that the store says.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import asyncpg

from deploy.demo.naive.evidence import demand, sha256, tree_root

Event = dict[str, Any]


class Row(NamedTuple):
    """One stored event: its place, the hash that the store keeps of it, and its exact bytes."""

    position: int
    leaf: bytes
    body: bytes


class Log:
    """The log of one service, read again only where it has grown."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.rows: list[Row] = []
        self.events: list[Event] = []

    async def refresh(self) -> Log:
        """Read what was appended since. Raises Refused when a new row breaks a law."""
        fresh = await read_rows(self._dsn, len(self.rows))
        events = [json.loads(row.body) for row in fresh]
        check_rows(fresh, events, after=len(self.rows), last=self.events[-1] if self.events else None)
        self.rows += fresh
        self.events += events
        return self

    def event(self, event_id: str) -> Event:
        """An event by its id, newest first."""
        found = next((event for event in reversed(self.events) if event["id"] == event_id), None)
        demand(found is not None, f"the log has no event {event_id}")
        assert found is not None
        return found

    def row(self, position: int) -> Row:
        demand(0 < position <= len(self.rows), f"the log has no position {position}")
        return self.rows[position - 1]


async def read_rows(dsn: str, after: int) -> list[Row]:
    """The stored events after a position."""
    connection = await asyncpg.connect(dsn)
    try:
        query = "SELECT position, leaf, body FROM log.events WHERE position > $1 ORDER BY position"
        return [Row(*row) for row in await connection.fetch(query, after)]
    finally:
        await connection.close()


def check_rows(rows: Sequence[Row], events: Sequence[Event], *, after: int = 0, last: Event | None = None) -> None:
    """Dense positions, true leaves, times that never go back. Raises Refused."""
    for number, (row, event) in enumerate(zip(rows, events, strict=True), after + 1):
        demand(row.position == number, f"position {number} is missing")
        demand(event["position"] == str(number), f"the event at {number} says {event['position']}")
        check_leaf(row)
        if last is not None:
            demand(event["recordedtime"] > last["recordedtime"], f"the time of position {number} goes back")
        last = event


def check_leaf(row: Row) -> None:
    """The leaf is RFC 9162's over the exact bytes. Raises Refused."""
    demand(sha256(b"\x00" + row.body) == row.leaf, f"the leaf of position {row.position} is not that of its bytes")


def check_root(rows: Sequence[Row], size: int, root: bytes) -> None:
    """A signed checkpoint speaks of this log: its root is that of the first ``size`` events. Raises Refused."""
    demand(0 < size <= len(rows), f"the log has {len(rows)} events, the checkpoint speaks of {size}")
    demand(tree_root([row.body for row in rows[:size]]) == root, "the checkpoint is not of this log")


def check_recorded(answer: Event, event: Event, row: Row, sent: Event) -> None:
    """The answer, the stored event and what was sent say the same of a visit. Raises Refused."""
    demand(json.loads(row.body) == event, "the event is not what was stored")
    check_leaf(row)
    demand(answer["event_id"] == event["id"], "the answer names another event")
    demand(str(answer["position"]) == event["position"], "the answer names another position")
    visit = event["data"]["visit"]
    demand(event["data"]["service_point_id"] == sent["service_point_id"], "the visit is at another point")
    demand(moment(visit["occurred_at"]) == moment(sent["occurred_at"]), "the time of the visit differs")
    demand(len(visit["acts"]) == len(sent["acts"]), "the number of acts differs")
    for number, (act, wanted) in enumerate(zip(visit["acts"], sent["acts"], strict=True), 1):
        demand(act["act_no"] == number, "the acts are not numbered from 1")
        for name, value in wanted.items():
            demand(act[name] == value, f"act {number}: {name} is {act[name]!r}, {value!r} was sent")
    demand((visit.get("late") or {}).get("reason") == sent.get("late_reason"), "the late reason differs")


def check_acknowledged(journal: Iterable[Event], rows: Sequence[Row], events: Sequence[Event]) -> int:
    """Whatever a client was told is recorded is in the log, once. Returns how many promises were kept."""
    promised: dict[int, str] = {}
    for entry in journal:
        known = promised.setdefault(entry["position"], entry["event_id"])
        demand(known == entry["event_id"], f"two events were promised at position {entry['position']}")
    for position, event_id in promised.items():
        demand(position <= len(rows), f"the acknowledged event at position {position} is lost")
        demand(events[position - 1]["id"] == event_id, f"another event stands at position {position}")
    demand(len({event["id"] for event in events}) == len(events), "an event stands in the log twice")
    return len(promised)


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)
