"""Taking back from the topic what a restored store has lost (design.md §5).

A store restored from a backup ends before its topic does. The relay then stops, and nothing may be appended until a
person decides. This re-imports the records that continue the store exactly: the same chain in every partition,
positions without a gap, and the authorities' copies from their own topics. What does not fit is named and left.

Not on any topic, and so not recovered: private rows (keys of documents) and the answers of commands; a command sent
again after a recovery is refused as stale or existing instead of being answered as before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from schemas.envelope import Attributes, decode
from schemas.registry import model_of
from schemas.topics import authority_topic
from services.chassis import relay_store
from services.chassis.access import PUBLIC
from services.chassis.clock import helsinki_day
from services.chassis.db import Database
from services.chassis.errors import Conflict
from services.chassis.evidence.merkle import leaf_hash
from services.chassis.log import Command, LogSpec, NewEvent, Placed, store
from services.chassis.rule import Link, Tail, link_of
from services.chassis.settings import Settings
from services.chassis.transport import Incoming, KafkaTransport, Transport

BATCH = 256


@dataclass(frozen=True, slots=True)
class Found:
    """A record of the topic that the store does not have."""

    link: Link
    partition: int
    key: str
    value: bytes
    attributes: Attributes
    trace: str


async def recover(
    settings: Settings, spec: LogSpec, database: Database, *, write: bool, say: Callable[[str], None]
) -> int:
    """Import what fits; returns 0 when store and topic then agree. Without ``write`` it only tells."""
    transport = await KafkaTransport.open(settings)
    try:
        return await recover_from(transport, spec, database, write=write, say=say)
    finally:
        await transport.close()


async def recover_from(
    transport: Transport, spec: LogSpec, database: Database, *, write: bool, say: Callable[[str], None]
) -> int:
    """The same over an open transport."""
    async with database.reading() as connection:
        head = await relay_store.head(connection)
    found = await _missing(transport, spec, head)
    say(f"the store ends at {head.position}; the topic holds {len(found)} events beyond it")
    if not found:
        return 0
    copies = await _copies(transport, spec, found)
    if not write:
        say("nothing was written; run again with --yes to import them")
        return 1
    for start in range(0, len(found), BATCH):
        await _import(database, spec, found[start : start + BATCH], copies)
    say(f"imported {len(found)} events; the store ends at {found[-1].link.position}")
    return 0


async def _missing(transport: Transport, spec: LogSpec, head: relay_store.LogHead) -> list[Found]:
    """Records beyond the store, in log order. Raises Conflict where they do not continue it."""
    found: dict[int, Found] = {}
    wanted = {(spec.topic.name, partition): -1 for partition in range(spec.topic.partitions)}
    async for piece in transport.read_to_end(wanted):
        for (_, partition), records in piece.items():
            for record in records:
                link = link_of(record.headers, record.value)
                if link.seal or link.position <= head.position:
                    continue
                if link.position in found and found[link.position].link.leaf != link.leaf:
                    raise Conflict("topic_forked", f"the topic holds two different events at {link.position}")
                key, trace = record.key or b"", dict(record.headers).get("traceparent", b"")
                found[link.position] = Found(
                    link, partition, key.decode(), record.value, decode(record.value), trace.decode()
                )
    ordered = [found[position] for position in sorted(found)]
    _require_chain(ordered, head)
    return ordered


def _require_chain(found: Sequence[Found], head: relay_store.LogHead) -> None:
    tails = list(head.tails)
    for expected, one in enumerate(found, start=head.position + 1):
        if one.link.position != expected:
            raise Conflict("topic_gap", f"the topic has no event at {expected}: it cannot be continued past it")
        if Tail(one.link.previous, one.link.previous_leaf) != tails[one.partition]:
            raise Conflict("store_forked", f"event {expected} does not continue this store's partition {one.partition}")
        tails[one.partition] = Tail(one.link.position, one.link.leaf)


async def _copies(transport: Transport, spec: LogSpec, found: Sequence[Found]) -> dict[tuple[str, int], bytes]:
    """The authorities' copies of the events, by feed and sequence. Raises Conflict where one is missing."""
    wanted = {place for one in found for place in _places(one)}
    topics = {feed: authority_topic(feed, spec.service).name for feed, _ in wanted}
    copies: dict[tuple[str, int], bytes] = {}
    if topics:
        async for piece in transport.read_to_end({(topic, 0): -1 for topic in topics.values()}):
            for (topic, _), records in piece.items():
                feed = next(name for name, its in topics.items() if its == topic)
                copies |= {(feed, _sequence(record)): record.value for record in records}
    if missing := sorted(wanted - copies.keys()):
        raise Conflict("copies_missing", f"copy {missing[0][1]} of feed {missing[0][0]} is not on its topic")
    return copies


def _sequence(record: Incoming) -> int:
    return link_of(record.headers, record.value).position


def _places(one: Found) -> list[tuple[str, int]]:
    split = (place.rpartition(":") for place in one.attributes.places.split())
    return [(feed, int(sequence)) for feed, _, sequence in split]


async def _import(
    database: Database, spec: LogSpec, found: Sequence[Found], copies: dict[tuple[str, int], bytes]
) -> None:
    """Append exact bytes: the only way into the log that makes none."""
    async with database.transaction() as connection:
        head = await store.lock_head(connection)
        context = await spec.context.load(connection, [])
        feeds = await store.feed_heads(connection, sorted({feed for one in found for feed, _ in _places(one)}))
        rows, entries, placed = [], [], []
        leaves: dict[str, list[bytes]] = {feed: [] for feed in feeds}
        for one in found:
            event = _placed(one)
            placed.append(event)
            tail = head.tail_positions[one.partition], head.tail_leaves[one.partition]
            rows.append(
                (
                    event.position, event.id, event.event.stream, event.version, event.event.data.TYPE,
                    event.event.key, one.partition, *tail, event.recorded, event.id, one.link.leaf, one.value,
                    one.trace,
                )
            )  # fmt: skip
            head.tail_positions[one.partition], head.tail_leaves[one.partition] = event.position, one.link.leaf
            for feed, sequence in event.places:
                body = copies[feed, sequence]
                leaf, previous = leaf_hash(body), feeds[feed].leaf
                day = helsinki_day(event.recorded)
                entries.append(
                    (feed, sequence, event.position, event.recorded, day, store.RENDERER, leaf, previous, body)
                )
                leaves[feed].append(leaf)
                feeds[feed].sequence, feeds[feed].leaf = sequence, leaf
        grown = head.frontier.extend([one.link.leaf for one in found])
        head.frontier, completed = grown.frontier, [("", node) for node in grown.completed]
        for feed, added in leaves.items():
            extended = feeds[feed].frontier.extend(added)
            feeds[feed].frontier = extended.frontier
            completed += [(feed, node) for node in extended.completed]
        head.position, head.recorded = placed[-1].position, placed[-1].recorded
        await store.insert_events(connection, rows)
        if entries:
            await store.insert_entries(connection, entries)
            await store.move_feeds(connection, feeds)
        await store.insert_nodes(connection, completed)
        await store.move_head(connection, head)
        for event in placed:
            context.apply(event)
        await spec.project(connection, placed)


def _placed(one: Found) -> Placed:
    attributes = one.attributes
    model = model_of(attributes.type)
    if model is None:
        raise Conflict("type_unknown", f"event {one.link.position} is of {attributes.type}, which this version lacks")
    data = model.model_validate(attributes.data)
    event = NewEvent(attributes.subject, one.key, attributes.time, data)
    command = Command(_NO_COMMAND, None, PUBLIC, b"")
    return Placed(
        event,
        command,
        attributes.id,
        one.link.position,
        attributes.streamversion,
        attributes.recordedtime,
        tuple(_places(one)),
    )


_NO_COMMAND = UUID(int=0)
