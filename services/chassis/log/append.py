"""One batch of commands becomes events: the body of the append transaction (design.md §4).

Law: nothing here commits. The head row is locked before anything is read; positions, times, feed places, bytes and
trees are given under that lock and in the order of the commands. A refused command leaves its neighbours as they are.
Nothing is appended to a store that the relay has not compared with the topic since it was restored or copied.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.envelope import Envelope, decode, encode
from schemas.registry import model_of
from schemas.topics import partition_of
from services.chassis import ids
from services.chassis.clock import helsinki_day
from services.chassis.errors import ApudiaariError, Conflict, Unavailable
from services.chassis.evidence.merkle import leaf_hash
from services.chassis.log import store
from services.chassis.log.model import Command, Decision, LogSpec, NewEvent, Outcome, Placed, StreamState

MICROSECOND = dt.timedelta(microseconds=1)
Result = Outcome | ApudiaariError


@dataclass(slots=True)
class _Decided:
    """What the deciders of a batch wanted, in log order, and what to answer to whom."""

    placed: list[Placed] = field(default_factory=list)
    answers: list[tuple[Command, Decision, int, int]] = field(default_factory=list)
    """(command, decision, index of its first and after its last event in ``placed``)"""


async def append_batch(
    connection: AsyncConnection, spec: LogSpec, commands: Sequence[Command], clock: Callable[[], dt.datetime]
) -> list[Result]:
    """Carry out ``commands`` in order inside the open transaction; a result for each, in the same order."""
    head = await store.lock_head(connection)
    _require_compared(head)
    known = await store.known_commands(connection, [command.id for command in commands])
    states = await _load_states(connection, spec, [command for command in commands if command.id not in known])
    context = await spec.context.load(connection, commands)
    decided = _Decided()
    results: dict[int, Result] = {}
    answered: dict[UUID, tuple[bytes, int]] = {}
    for index, command in enumerate(commands):
        if command.id in known:
            digest, answer = known[command.id]
            results[index] = Outcome(answer, True) if digest == command.digest else _reused()
        elif command.id in answered:
            digest, first = answered[command.id]
            results[index] = _Repeat(first) if digest == command.digest else _reused()  # type: ignore[assignment]
        else:
            try:
                _decide(spec, command, states, context, head, decided, clock)
                answered[command.id] = (command.digest, index)
            except ApudiaariError as refusal:
                results[index] = refusal
    if decided.answers:  # Also a decision without events, as when what is wished is so already, is answered.
        placed = await _write(connection, spec, head, decided.placed) if decided.placed else []
        fresh = await _answer(connection, decided, placed)
        results.update({answered[command_id][1]: outcome for command_id, outcome in fresh.items()})
        if placed:
            await spec.project(connection, placed)
    return [_resolve(results, results[index]) for index in range(len(commands))]


def _require_compared(head: store.Head) -> None:
    """A restored store may end before its topic does. A log that was never written to needs no comparison."""
    if head.position == 0 and not head.compared:
        head.compared = head.here
    if head.compared != head.here:
        raise Unavailable(
            "store_not_compared",
            "The store was restored or moved, and has not been compared with what was published. Try again later.",
        )


@dataclass(frozen=True, slots=True)
class _Repeat:
    """The same command twice in one batch: the answer of the first."""

    first: int


def _resolve(results: dict[int, Result], result: Result | _Repeat) -> Result:
    if not isinstance(result, _Repeat):
        return result
    original = results[result.first]
    return Outcome(original.answer, True) if isinstance(original, Outcome) else original


def _reused() -> Conflict:
    return Conflict("id_reused", "This id was used for another request. Make a new id.", pointer="/id")


async def _load_states(
    connection: AsyncConnection, spec: LogSpec, commands: Sequence[Command]
) -> dict[str, StreamState]:
    """Fold every stream that the commands name, from one read."""
    streams = {stream for command in commands for stream in spec.handlers[type(command.payload)].streams(command)}
    states = dict.fromkeys(streams, StreamState())
    if streams:
        for row in await store.stream_events(connection, streams):
            model = model_of(row.type)
            if model is None:
                raise RuntimeError(f"the log holds an event of unknown type {row.type}")
            value = spec.evolve(states[row.stream].value, model.model_validate(decode(row.body).data))
            states[row.stream] = StreamState(row.stream_version, value)
    return states


def _decide(
    spec: LogSpec,
    command: Command,
    states: dict[str, StreamState],
    context: Any,
    head: store.Head,
    decided: _Decided,
    clock: Callable[[], dt.datetime],
) -> None:
    """Decide one command and give its events position, version and time. Refusal leaves everything untouched."""
    recorded = max(clock(), head.recorded + MICROSECOND)
    decision = spec.handlers[type(command.payload)].decide(command, states, context, recorded)
    first = len(decided.placed)
    for number, event in enumerate(decision.events):
        state = states.get(event.stream, StreamState())
        head.position += 1
        head.recorded = recorded + number * MICROSECOND
        placed = Placed(
            event, command, ids.event_id(command.id, number), head.position, state.version + 1, head.recorded
        )
        decided.placed.append(placed)
        states[event.stream] = StreamState(placed.version, spec.evolve(state.value, event.data))
        context.apply(placed)
    decided.answers.append((command, decision, first, len(decided.placed)))


async def _write(
    connection: AsyncConnection, spec: LogSpec, head: store.Head, wanted: Sequence[Placed]
) -> list[Placed]:
    """Give feed places, make the bytes, extend the trees, insert all of it."""
    feeds = await store.feed_heads(connection, sorted({name for placed in wanted for name in placed.event.copies}))
    placed: list[Placed] = []
    rows: list[tuple[Any, ...]] = []
    entries: list[tuple[Any, ...]] = []
    leaves: list[bytes] = []
    feed_leaves: dict[str, list[bytes]] = {feed: [] for feed in feeds}
    for want in wanted:
        here = _with_places(want, feeds)
        placed.append(here)
        for authority, sequence in here.places:
            entry = _copy(spec, here, authority, sequence, feeds[authority])
            feed_leaves[authority].append(feeds[authority].leaf)
            entries.append(entry)
        row = _row(spec, here, head)
        leaves.append(row[11])
        rows.append(row)
    extended = head.frontier.extend(leaves)
    head.frontier = extended.frontier
    completed = [("", node) for node in extended.completed]
    for feed, new_leaves in feed_leaves.items():
        grown = feeds[feed].frontier.extend(new_leaves)
        feeds[feed].frontier = grown.frontier
        completed += [(feed, node) for node in grown.completed]
    await store.insert_events(connection, rows)
    if entries:
        await store.insert_entries(connection, entries)
        await store.move_feeds(connection, feeds)
    await store.insert_nodes(connection, completed)
    await store.move_head(connection, head)
    return placed


def _with_places(placed: Placed, feeds: dict[str, store.FeedHead]) -> Placed:
    """The next sequence of each concerned authority's feed."""
    places = []
    for authority in sorted(placed.event.copies):
        feeds[authority].sequence += 1
        places.append((authority, feeds[authority].sequence))
    return Placed(
        placed.event, placed.command, placed.id, placed.position, placed.version, placed.recorded, tuple(places)
    )


def _row(spec: LogSpec, placed: Placed, head: store.Head) -> tuple[Any, ...]:
    """The row of an event, chained to the record before it in its partition."""
    event = placed.event
    body = encode(_envelope(spec.source, event, placed, placed.id, placed.position, placed.version), event.data)
    leaf = leaf_hash(body)
    partition = partition_of(event.key, spec.topic.partitions)
    row = (
        placed.position, placed.id, event.stream, placed.version, event.data.TYPE, event.key, partition,
        head.tail_positions[partition], head.tail_leaves[partition], placed.recorded, placed.command.id, leaf, body,
        placed.command.trace,
    )  # fmt: skip
    head.tail_positions[partition], head.tail_leaves[partition] = placed.position, leaf
    return row


def _copy(spec: LogSpec, placed: Placed, authority: str, sequence: int, feed: store.FeedHead) -> tuple[Any, ...]:
    """The row of an authority's copy: its own id, its own sequence, nothing of the whole log."""
    data = placed.event.copies[authority]
    envelope = Envelope(
        ids.copy_id(placed.id, authority),
        spec.feed_source(authority),
        data.TYPE,
        f"{authority}:{sequence}",
        placed.event.occurred,
        placed.recorded,
        sequence,
        sequence,
    )
    body = encode(envelope, data)
    leaf = leaf_hash(body)
    previous, feed.leaf = feed.leaf, leaf
    day = helsinki_day(placed.recorded)
    return (authority, sequence, placed.position, placed.recorded, day, store.RENDERER, leaf, previous, body)


def _envelope(source: str, event: NewEvent, placed: Placed, event_id: UUID, position: int, version: int) -> Envelope:
    return Envelope(
        event_id,
        source,
        event.data.TYPE,
        event.stream,
        event.occurred,
        placed.recorded,
        position,
        version,
        placed.places,
    )


async def _answer(connection: AsyncConnection, decided: _Decided, placed: Sequence[Placed]) -> dict[UUID, Outcome]:
    """Make and keep each command's answer, so that asking again gives the same."""
    outcomes: dict[UUID, Outcome] = {}
    rows = []
    for command, decision, first, last in decided.answers:
        answer = decision.answer(placed[first:last])
        outcomes[command.id] = Outcome(answer, False)
        rows.append((command.id, command.digest, placed[last - 1].position if last else 0, answer))
    await store.insert_commands(connection, rows)
    return outcomes
