"""The relay: puts the log and the feeds on Kafka. The topic is derived; the relay keeps nothing (design.md §5).

Law:
- Published is what the rule folds from the topic, never what was sent.
- Per partition: log order, stored bytes, one unacknowledged batch at a time (`Track.sending`). Any error, or an
  acknowledged offset that is not larger than the last, ends the term: everything is asked again with new clients.
- A record read back must be in the store with the same leaf; else the topic is ahead of a restored store, or forked.
  The relay then stops and says so; it never publishes over a contradiction.
- A seal names a log row read earlier, and is written only after every partition was read back as folding to it.
  Publishing goes on meanwhile: what was sent since may stand before the seal.
- Leadership only saves work. Two leaders make repeats, which everybody drops.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from schemas.topics import Topic, authority_topic
from services.chassis import relay_store as store
from services.chassis.db import Database, Listener, Row
from services.chassis.relay_metrics import LAG, LEADER, PUBLISHED, SEALED, TERMS
from services.chassis.rule import Link, NotOurs, Stand, Tail, Verdict, headers_of, link_of
from services.chassis.seal import seal_bytes
from services.chassis.transport import Incoming, Outgoing, Transport, Where

LOGGER = logging.getLogger(__name__)
Result = TypeVar("Result")
READ_ROWS = 4000
SEAL_EVERY_SECONDS = 1.0
READ_BACK_TIMES = 3
"""Where end offsets are inexact, silence may be taken for the end: a short reading is not yet a loss."""
CHECK_EVERY_SECONDS = 2.0
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)


class TopicContradicts(Exception):
    """The topic holds what the store does not: a restored store behind its topic, or a fork. Needs a person."""


class AskAgain(Exception):
    """The broker is not what it was a moment ago: start over from what can be read."""


@dataclass(slots=True)
class Track:
    """One partition that the relay keeps. ``offset``: next to read back; ``acknowledged``: the last offset known of.

    ``sending`` is held from a send to its acknowledgement, and while what was read back is folded: a record that is
    there before its acknowledgement is not taken for a stranger's.
    """

    where: Where
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    stand: Stand = field(default_factory=Stand)
    read: Stand = field(default_factory=Stand)
    offset: int = -1
    last_read: int = -1
    acknowledged: int = -1


@dataclass(slots=True)
class Status:
    """What readiness and metrics say of the relay."""

    leading: bool = False
    compared: bool = False
    contradiction: str = ""
    error: str = ""


class Relay:
    """Publishes one service's log and feeds. ``connect`` opens a transport for one term."""

    def __init__(
        self, database: Database, topic: Topic, connect: Callable[[], Awaitable[Transport]], listener: Listener
    ) -> None:
        self._database, self._topic, self._connect, self._listener = database, topic, connect, listener
        self.status = Status()
        self._at_end = time.monotonic()

    async def run(self) -> None:
        """Lead when nobody else does, term after term, until cancelled."""
        failures = 0
        LAG.set_function(self.lag_seconds)
        while True:
            try:
                async with store.leadership(self._database.url) as leads:
                    self.status.leading = leads()
                    LEADER.set(self.status.leading)
                    if self.status.leading:
                        await self._term(leads)
            except AskAgain as reason:
                LOGGER.info("the relay asks again: %s", reason)
            except asyncio.CancelledError:
                if _told_to_end():
                    raise
                self.status.error = "a client of the broker gave up what it was asked"
                LOGGER.warning("the relay starts over: %s", self.status.error)
            except TopicContradicts as contradiction:
                self.status.contradiction = str(contradiction)
                LOGGER.error("the topic contradicts the store: %s", contradiction)
            except Exception as error:
                self.status.error = repr(error)
                LOGGER.warning("the relay starts over: %r", error)
            failures = failures + 1 if self.status.leading and not self.status.compared else 0
            self.status.compared = False
            await asyncio.sleep(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)] if self.status.leading else 1.0)

    def lag_seconds(self) -> float:
        """How long ago all that was recorded was known to be published; it grows while the relay cannot work."""
        return time.monotonic() - self._at_end if self.status.leading else 0.0

    async def _term(self, leads: Callable[[], bool]) -> None:
        TERMS.inc()
        transport = await self._connect()
        try:
            term = Term(self._database, self._topic, transport)
            await term.compare()
            self.status.compared, self.status.contradiction, self.status.error = True, "", ""
            await _until_one_ends(self._publish(term, leads), self._seal(term, leads), term.watch())
        finally:
            await transport.close()

    async def _publish(self, term: Term, leads: Callable[[], bool]) -> None:
        while leads():
            busy = await term.publish()
            self._at_end = max(self._at_end, term.at_end)
            if not busy:
                await self._listener.wait()

    async def _seal(self, term: Term, leads: Callable[[], bool]) -> None:
        """Beside publishing, which reading back would hold up."""
        while leads():
            head = await term.head_to_seal()
            if head is not None:
                await term.wait_until_published(head.position)
                await term.seal(head)
            await asyncio.sleep(SEAL_EVERY_SECONDS)


async def _until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Run together until one returns or raises; the others are cancelled."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        while pending := [task for task in tasks if not task.done()]:  # A task may swallow a cancellation: ask again.
            for task in pending:
                task.cancel()
            await asyncio.wait(pending, timeout=1)
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _all(*works: Coroutine[Any, Any, Result]) -> list[Result]:
    """Run together until all have ended, and only then raise what one of them raised."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results  # type: ignore[return-value]  # mypy does not see that no exception is left.


def _told_to_end() -> bool:
    """Whether this task was cancelled, or only a future of a client that lost its broker: that ends a term, not us."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Term:
    """One term of leadership over one connection: compare; then publish, seal and watch beside each other."""

    def __init__(self, database: Database, topic: Topic, transport: Transport) -> None:
        self._database, self._topic, self._transport = database, topic, transport
        self._tracks: dict[Where, Track] = {(topic.name, p): Track((topic.name, p)) for p in range(topic.partitions)}
        self._cluster = ""
        self.published_to = 0
        self.at_end = 0.0
        self._moved = asyncio.Event()
        self._sealed = 0
        self._feeds: dict[str, Track] = {}

    # -- compare -------------------------------------------------------------------------------------------------

    async def compare(self) -> None:
        """Find out what is published, by reading it back, and check every record read against the store."""
        self._cluster = await self._transport.cluster_id()
        await self._transport.ensure([self._topic])
        async with self._database.reading() as connection:
            remembered = await store.remembered(connection, self._cluster)
            for feed in await store.feeds(connection):
                await self._add_feed(feed)
        for where, track in self._tracks.items():
            if where in remembered:
                offset, tail = remembered[where]
                track.stand = Stand(tail)
                track.offset = offset
        await self._check_remembered(remembered)
        await self._read_back()
        for track in self._tracks.values():
            track.stand = Stand(track.read.tail, track.read.sealed)
        self.published_to = await self._caught_up()
        await store.mark_compared(self._database)

    async def _add_feed(self, feed: str) -> None:
        topic = authority_topic(feed, self._topic.owner)
        await self._transport.ensure([topic])
        track = Track((topic.name, 0))
        self._feeds[feed] = self._tracks[topic.name, 0] = track

    async def _check_remembered(self, remembered: Mapping[Where, tuple[int, Tail]]) -> None:
        """A remembered place counts only if its very record is still there; else all is read from the start."""
        held: set[Where] = set()
        at = {where: offset for where, (offset, _) in remembered.items() if where in self._tracks}
        if at:
            async for piece in self._transport.read_to_end(at):
                for where, records in piece.items():
                    first = records[0]
                    tail = remembered[where][1]
                    with suppress(NotOurs):
                        link = link_of(first.headers, first.value)
                        if first.offset == at[where] and Tail(link.position, link.leaf) == tail:
                            held.add(where)
                if held >= at.keys():
                    break
        for where, track in self._tracks.items():
            if where in held:
                track.read, track.offset = Stand(remembered[where][1]), remembered[where][0] + 1
            else:
                track.read, track.offset = Stand(), -1

    async def _read_back(self, stop: Mapping[Where, int] | None = None) -> None:
        """Fold what stands on the topic behind each track's offset, and check it against the store.

        To its end, or until the offsets of ``stop`` were read: while publishing goes on, the end moves.
        """
        if stop is not None and self._has_read(stop):
            return
        async for piece in self._transport.read_to_end({where: track.offset for where, track in self._tracks.items()}):
            folded: dict[Where, Sequence[Link]] = {}
            for where, records in piece.items():
                track = self._tracks[where]
                async with track.sending:
                    folded[where] = _fold(track, records)
            await self._check_against_store(folded)
            if stop is not None and self._has_read(stop):
                return

    def _has_read(self, offsets: Mapping[Where, int]) -> bool:
        return all(self._tracks[where].offset > offset for where, offset in offsets.items())

    async def _check_against_store(self, folded: Mapping[Where, Sequence[Link]]) -> None:
        if not any(folded.values()):
            return
        main = [link for where, links in folded.items() if where[0] == self._topic.name for link in links]
        feeds = {name: folded[track.where] for name, track in self._feeds.items() if track.where in folded}
        async with self._database.reading() as connection:
            missing = await store.not_in_log(connection, main) or await store.not_in_feeds(connection, feeds)
        if missing:
            raise TopicContradicts(f"the topic holds {missing}, which the store does not: was the store restored?")

    async def _caught_up(self) -> int:
        """The position up to which every partition is published."""
        async with self._database.reading() as connection:
            head = await store.head(connection)
        behind = [
            track.stand.tail.position
            for (topic, partition), track in self._tracks.items()
            if topic == self._topic.name and track.stand.tail.position < head.tails[partition].position
        ]
        return min(behind, default=head.position)

    # -- publish -------------------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Look at the broker beside publishing: a send to a topic that is gone would wait for half a minute."""
        while True:
            await asyncio.sleep(CHECK_EVERY_SECONDS)
            await self.check()

    async def check(self) -> None:
        """Notice a replaced broker also when there is nothing to publish."""
        if await self._transport.cluster_id() != self._cluster:
            raise AskAgain("another cluster")
        known = {where: max(track.acknowledged + 1, track.offset) for where, track in self._tracks.items()}
        ends = await self._transport.end_offsets(list(known))
        for where, end in (ends or {}).items():
            if end < known[where]:
                raise AskAgain(f"{where} ends at {end}: the topic was replaced")

    async def publish(self) -> bool:
        """Publish the next piece of the log and of every feed; False when there was nothing."""
        return any(await _all(self.publish_log(), self.publish_feeds()))

    async def publish_log(self) -> bool:
        """The next piece of the log."""
        async with self._database.reading() as connection:
            rows = await store.events_after(connection, self.published_to, READ_ROWS)
        await self._send_all(rows, lambda partition: self._tracks[self._topic.name, partition])
        if rows:
            self.published_to = rows[-1]["position"]
            self._moved.set()
        if len(rows) < READ_ROWS:
            self.at_end = time.monotonic()
        return bool(rows)

    async def publish_feeds(self) -> bool:
        """The next piece of every feed."""
        async with self._database.reading() as connection:
            for feed in await store.feeds(connection):
                if feed not in self._feeds:
                    await self._add_feed(feed)
            after = {feed: track.stand.tail.position for feed, track in self._feeds.items()}
            entries = await store.entries_after(connection, after, READ_ROWS)
        await self._send_all(entries, lambda feed: self._feeds[feed])
        return bool(entries)

    async def _send_all(self, rows: Sequence[Row], track_of: Callable[[Any], Track]) -> None:
        """Send rows to the track that their first column names."""
        parts: dict[Any, list[Row]] = {}
        for row in rows:
            parts.setdefault(row[0], []).append(row)
        await _all(*[self._send(track_of(name), part) for name, part in parts.items()])

    async def _send(self, track: Track, rows: Sequence[Row]) -> None:
        """Send one partition's rows, batch by batch; what the topic has already is left out."""
        tail = track.stand.tail
        outgoing, tails = [], []
        for _, position, key, previous, previous_leaf, leaf, body, trace in rows:
            if position <= track.stand.tail.position:
                continue
            if (previous, previous_leaf) != tail:
                raise AskAgain(f"{track.where}: row {position} does not follow {tail.position}")
            tail = Tail(position, leaf)
            tails.append(tail)
            headers = headers_of(position, previous, previous_leaf)
            if trace:
                headers.append(("traceparent", trace.encode()))
            outgoing.append(Outgoing(key.encode(), body, headers))
        done = 0
        while done < len(outgoing):
            done += await self._send_batch(track, outgoing[done:])
            track.stand.tail = tails[done - 1]

    async def _send_batch(self, track: Track, outgoing: Sequence[Outgoing]) -> int:
        async with track.sending:
            sent, first = await self._transport.send(*track.where, outgoing)
            if first <= track.acknowledged:
                raise AskAgain(f"{track.where}: offset {first} after {track.acknowledged}: the topic was replaced")
            track.acknowledged = first + sent - 1
        PUBLISHED.inc(sent)
        return sent

    # -- seal ----------------------------------------------------------------------------------------------------

    async def head_to_seal(self) -> store.LogHead | None:
        """The log row to seal once it is published, or None if it is sealed."""
        async with self._database.reading() as connection:
            head = await store.head(connection)
        return head if head.position > self._sealed else None

    async def wait_until_published(self, position: int) -> None:
        """Until everything up to a position has been acknowledged."""
        while self.published_to < position:
            self._moved.clear()
            await self._moved.wait()

    async def seal(self, head: store.LogHead) -> None:
        """Write the seal of ``head`` to every partition, after reading back that each folds to it."""
        main = [self._tracks[self._topic.name, partition] for partition in range(self._topic.partitions)]
        for _ in range(READ_BACK_TIMES):
            await self._read_back({where: track.acknowledged for where, track in self._tracks.items()})
            short = [track.where for track, tail in zip(main, head.tails, strict=True) if track.read.tail < tail]
            if not short:
                break
        else:
            raise AskAgain(f"{short} do not hold what was acknowledged")
        value = seal_bytes(self._topic.owner, head.position, head.root, head.recorded)
        for track, tail in zip(main, head.tails, strict=True):
            headers = headers_of(head.position, tail.position, tail.leaf, seal=True)
            await self._send_batch(track, [Outgoing(None, value, headers)])
        self._sealed = head.position
        SEALED.set(head.position)
        await store.remember(
            self._database,
            self._cluster,
            [
                (track.where, track.last_read, track.read.tail)
                for track in self._tracks.values()
                if track.last_read >= 0
            ],
        )


def _fold(track: Track, records: Sequence[Incoming]) -> list[Link]:
    """Fold what was read back; returns what it holds anew. Raises TopicContradicts at a fork."""
    folded = []
    for record in records:
        link = _link(track.where, record)
        verdict = track.read.take(link)
        if verdict is Verdict.FORK:
            raise TopicContradicts(f"{track.where[0]}-{track.where[1]} offset {record.offset}: {link.position}")
        if verdict is Verdict.FOLD:
            folded.append(link)
            track.last_read = record.offset
        track.offset = record.offset + 1
        track.acknowledged = max(track.acknowledged, record.offset)
    return folded


def _link(where: Where, record: Incoming) -> Link:
    try:
        return link_of(record.headers, record.value)
    except NotOurs as strange:
        raise TopicContradicts(f"{where[0]}-{where[1]} offset {record.offset}: {strange}") from strange
