"""The client's journal: what was wished, and what was answered. "Nothing lost" is judged against it, never against the
store, which would call itself complete after any loss (issue: "0 lost is judged against the client's journal").
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

ACKNOWLEDGED, REFUSED, UNKNOWN = "acknowledged", "refused", "unknown"


@dataclass(slots=True)
class Wish:
    """One command of one event, as its client remembers it. ``answers``: every acknowledgement it ever got.

    ``known_by``: the id of its event, or the subject where the client cannot know the id.
    """

    id: str
    known_by: str
    state: str = UNKNOWN
    answers: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Journal:
    """All commands of all clients."""

    wishes: dict[str, Wish] = field(default_factory=dict)

    def wish(self, command_id: str, subject: str = "") -> Wish:
        """Written down before it is sent. An event's id is UUIDv5(command id, index): the contract says it."""
        known_by = subject or str(uuid5(UUID(command_id), "0"))
        return self.wishes.setdefault(command_id, Wish(command_id, known_by))

    def acknowledged(self, command_id: str, answer: dict[str, Any]) -> None:
        self.wishes[command_id].state = ACKNOWLEDGED
        self.wishes[command_id].answers.append(answer)

    def refused(self, command_id: str) -> None:
        """A refusal says that nothing was recorded; it never overrules an acknowledgement."""
        if self.wishes[command_id].state == UNKNOWN:
            self.wishes[command_id].state = REFUSED

    def of(self, state: str) -> list[Wish]:
        return [wish for wish in self.wishes.values() if wish.state == state]


def judge_log(journal: Journal, events: Iterable[dict[str, Any]]) -> list[str]:
    """Compare the journal with events (CloudEvents as dicts, in any order).

    Acknowledged: exactly once, at the position that the client was told, each time it asked. Refused: absent. Unknown:
    at most once. Nothing that no client wished.
    """
    wrong: list[str] = []
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    subjects = {wish.known_by for wish in journal.wishes.values()}
    for event in events:
        found[event["subject"] if event["subject"] in subjects else event["id"]].append(event)
    for wish in journal.wishes.values():
        there = found.pop(wish.known_by, [])
        if wish.state == ACKNOWLEDGED and not there:
            wrong.append(f"{wish.id} was acknowledged and is lost")
        if wish.state == REFUSED and there:
            wrong.append(f"{wish.id} was refused and is there")
        if len(there) > 1:
            wrong.append(f"{wish.id} is there {len(there)} times")
        told = {(answer["event_id"], int(answer["position"])) for answer in wish.answers}
        if there and told - {(there[0]["id"], int(there[0]["position"]))}:
            wrong.append(f"{wish.id}: told {sorted(told)}, is at {there[0]['position']}")
    return wrong + [f"event {known_by} was wished by nobody" for known_by in found]


def read_topic(records: Iterable[tuple[dict[str, bytes], bytes]]) -> tuple[list[dict[str, Any]], list[str]]:
    """A partition as a reader with patience ends up with it: the chain from the start, repeats dropped.

    ``records``: (headers, value) in order of offset. Returns the events in order, and what is wrong: two records for
    one place, a chain that does not close, a seal that is not true.
    """
    wrong: list[str] = []
    by_previous: dict[int, tuple[int, bytes]] = {}
    seals: list[tuple[int, int]] = []
    for headers, value in records:
        position, previous = int(headers["position"]), int(headers["partitionprevious"])
        if "seal" in headers:
            seals.append((position, previous))
            continue
        if by_previous.setdefault(previous, (position, value)) != (position, value):
            wrong.append(f"two records follow {previous}")
    events: list[dict[str, Any]] = []
    at = 0
    while at in by_previous:
        at, value = by_previous.pop(at)
        events.append(json.loads(value))
    if by_previous:
        wrong.append(
            f"records {sorted(position for position, _ in by_previous.values())[:5]} hang in the air after {at}"
        )
    places = [int(event["position"]) for event in events]
    wrong += [f"seal {s} says it follows {p}, which is not there" for s, p in seals if p and p not in places]
    wrong += [f"seal {s} hides a record" for s, p in seals if any(p < place <= s for place in places)]
    return events, wrong


def lost_or_doubled(wanted: Sequence[Any], got: Sequence[Any], what: str) -> list[str]:
    """Two multisets of hashable things that must be equal."""
    missing, extra = Counter(wanted) - Counter(got), Counter(got) - Counter(wanted)
    return [f"{what}: missing {list(missing)[:5]}, too many {list(extra)[:5]}"] if missing or extra else []
