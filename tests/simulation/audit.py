"""A log judged by its rows alone: what anybody could check with SQL, SHA-256 and RFC 9162. Imports nothing of ours."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import asyncpg


def leaf(body: bytes) -> bytes:
    """RFC 9162 leaf hash."""
    return hashlib.sha256(b"\x00" + body).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """RFC 9162 tree head, by its definition."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()


def root_of_frontier(frontier: bytes) -> bytes:
    """The tree head that a stored compact range stands for: 8 bytes of size, then the roots of its perfect subtrees."""
    hashes = [frontier[start : start + 32] for start in range(8, len(frontier), 32)]
    if not hashes:
        return root([])
    found = hashes[-1]
    for each in reversed(hashes[:-1]):
        found = hashlib.sha256(b"\x01" + each + found).digest()
    return found


async def read_log(dsn: str) -> list[Any]:
    """Every row of the log, in order."""
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch("SELECT * FROM log.events ORDER BY position"))
    finally:
        await connection.close()


async def audit(dsn: str) -> list[str]:
    """Everything that is wrong with the log of a database; empty when nothing is."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            events = await connection.fetch("SELECT * FROM log.events ORDER BY position")
            entries = await connection.fetch("SELECT * FROM log.feed_entries ORDER BY feed, sequence")
            feeds = await connection.fetch("SELECT * FROM log.feed_heads")
            head = await connection.fetchrow("SELECT * FROM log.head")
    finally:
        await connection.close()
    return [*_events(events, head), *_feeds(events, entries, feeds)]


def _events(rows: Sequence[Any], head: Any) -> list[str]:
    wrong: list[str] = []
    tails: dict[int, tuple[int, bytes]] = {}
    versions: dict[str, int] = defaultdict(int)
    last = None
    for number, row in enumerate(rows, start=1):
        event = json.loads(row["body"])
        if row["position"] != number or int(event["position"]) != number:
            wrong.append(f"position {row['position']} (says {event['position']}) where {number} belongs")
        if row["leaf"] != leaf(row["body"]):
            wrong.append(f"leaf of {number} is not its bytes'")
        if (row["previous_position"], row["previous_leaf"]) != tails.get(row["partition"], (0, b"")):
            wrong.append(f"{number} does not follow the record before it in partition {row['partition']}")
        tails[row["partition"]] = number, row["leaf"]
        versions[row["stream"]] += 1
        if row["stream_version"] != versions[row["stream"]]:
            wrong.append(f"{number}: version {row['stream_version']} of {row['stream']}")
        if last is not None and row["recorded"] < last:
            wrong.append(f"{number} was recorded before the one before it")
        last = row["recorded"]
    if head["position"] != len(rows):
        wrong.append(f"the head says {head['position']} of {len(rows)} events")
    if root_of_frontier(head["frontier"]) != root([row["leaf"] for row in rows]):
        wrong.append("the head's tree is not the tree of the events")
    return wrong


def _feeds(events: Sequence[Any], entries: Sequence[Any], heads: Sequence[Any]) -> list[str]:
    wrong: list[str] = []
    by_feed: dict[str, list[Any]] = defaultdict(list)
    for entry in entries:
        by_feed[entry["feed"]].append(entry)
    told = {
        (feed, int(sequence)): row["position"]
        for row in events
        for feed, _, sequence in (place.rpartition(":") for place in json.loads(row["body"]).get("places", "").split())
    }
    if told != {(entry["feed"], entry["sequence"]): entry["position"] for entry in entries}:
        wrong.append("the places named in the events are not the entries of the feeds")
    for feed in heads:
        of_feed = by_feed[feed["feed"]]
        previous = b""
        for number, entry in enumerate(of_feed, start=1):
            if (
                entry["sequence"] != number
                or entry["leaf"] != leaf(entry["body"])
                or entry["previous_leaf"] != previous
            ):
                wrong.append(f"feed {feed['feed']}: entry {entry['sequence']} is out of place")
            previous = entry["leaf"]
        if feed["sequence"] != len(of_feed) or feed["leaf"] != previous:
            wrong.append(f"feed {feed['feed']}: its head is not its end")
        if root_of_frontier(feed["frontier"]) != root([entry["leaf"] for entry in of_feed]):
            wrong.append(f"feed {feed['feed']}: its tree is not the tree of its entries")
    return wrong
