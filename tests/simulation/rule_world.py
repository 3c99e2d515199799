"""A small world for the rule alone: one store, one topic that may be wiped, two relays, one projector, and bad luck.

Everything is plain lists and one random generator; what is under test is :mod:`services.chassis.rule` and the way relay
and projector use it (design.md §§5, 6). ``relay_trusts_acks``, ``projector_trusts_order`` and
``projector_stops_ahead`` are the naive forms, kept so that the test can show that its judge is able to fail.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field

from services.chassis.rule import START, Link, Stand, Tail, Verdict

PARTITIONS = 3


@dataclass(slots=True)
class Topic:
    """One incarnation of the broker: records per partition. A wipe makes a new one."""

    incarnation: int = 0
    records: list[list[Link]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])


@dataclass(slots=True)
class Store:
    """The log: links per partition, and the tails at every position."""

    links: list[list[Link]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    head: int = 0

    def append(self, partition: int) -> None:
        self.head += 1
        tail = self.tail(partition)
        leaf = hashlib.sha256(b"%d" % self.head).digest()
        self.links[partition].append(Link(self.head, leaf, tail.position, tail.leaf))

    def tail(self, partition: int) -> Tail:
        links = self.links[partition]
        return Tail(links[-1].position, links[-1].leaf) if links else START


@dataclass(slots=True)
class Flight:
    """A send that has left its relay and not yet arrived."""

    partition: int
    links: list[Link]


@dataclass(slots=True)
class Relay:
    """What a relay believes is published, and the last offset it was told of; None: it must ask first."""

    stands: list[Stand] | None = None
    acknowledged: list[int] = field(default_factory=lambda: [-1] * PARTITIONS)


@dataclass(slots=True)
class Projector:
    """Its position rows (durable), and the consumer's offsets (not)."""

    stands: list[Stand] = field(default_factory=lambda: [Stand() for _ in range(PARTITIONS)])
    applied: list[list[int]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    offsets: list[int] = field(default_factory=lambda: [0] * PARTITIONS)
    gaps: list[list[int]] = field(default_factory=lambda: [[0, 0] for _ in range(PARTITIONS)])
    """Where each partition must stand, and up to where be sealed, before all that was passed over has been taken in."""
    halted: str = ""


class World:
    """Runs random steps from a seed, then lets everything come to rest, then judges."""

    def __init__(
        self,
        seed: int,
        *,
        relay_trusts_acks: bool = False,
        projector_trusts_order: bool = False,
        projector_stops_ahead: bool = False,
    ) -> None:
        self.random = random.Random(seed)
        self.projector_stops_ahead = projector_stops_ahead
        self.relay_trusts_acks, self.projector_trusts_order = relay_trusts_acks, projector_trusts_order
        self.store, self.topic = Store(), Topic()
        self.relays = [Relay(), Relay()]
        self.projector = Projector()
        self.flights: list[Flight] = []
        self.wipes = 0

    def run(self, steps: int = 220) -> str:
        """Returns what went wrong, or an empty string."""
        for _ in range(steps):
            self._step()
        self._rest()
        return self._judge()

    def _step(self) -> None:
        roll = self.random.random()
        relay = self.random.choice(self.relays)
        if roll < 0.25:
            self.store.append(self.random.randrange(PARTITIONS))
        elif roll < 0.50:
            self._publish(relay)
        elif roll < 0.54:
            self._seal(relay)
        elif roll < 0.60:
            self._land()
        elif roll < 0.62:
            relay.stands = None  # A crash, or an error of the connection.
        elif roll < 0.64 and self.wipes < 3:
            self.topic = Topic(self.topic.incarnation + 1)
            self.wipes += 1
        elif roll < 0.67:
            self._restart_projector()
        else:
            self._project(self.random.randrange(PARTITIONS))

    # -- relay ---------------------------------------------------------------------------------------------------

    def _ask(self, relay: Relay, *, short: bool) -> None:
        """Fold what stands on the topic; ``short``: the broker does not show the newest records."""
        relay.stands = []
        for records in self.topic.records:
            stand = Stand()
            seen = records[: -self.random.randrange(1, 3)] if short and records else records
            for link in seen:
                if stand.take(link) is Verdict.FORK:
                    self.projector.halted = "relay saw a fork"
            relay.stands.append(stand)
        relay.acknowledged = [-1] * PARTITIONS

    def _publish(self, relay: Relay) -> None:
        if relay.stands is None:
            self._ask(relay, short=self.random.random() < 0.2)
            return
        partition = self.random.randrange(PARTITIONS)
        stand = relay.stands[partition]
        rows = [link for link in self.store.links[partition] if link.position > stand.tail.position]
        rows = rows[: self.random.randrange(1, 4)]
        if not rows:
            return
        luck = self.random.random()
        if luck < 0.08:  # In flight when the relay gives up: it may land at any time, or never.
            self.flights.append(Flight(partition, rows))
            self._failed(relay, stand, rows)
            return
        if luck < 0.13:  # Lost on the way.
            self._failed(relay, stand, rows)
            return
        first = len(self.topic.records[partition])
        self.topic.records[partition] += rows
        if luck < 0.18:  # Stored, and the acknowledgement lost.
            self._failed(relay, stand, rows)
        elif first <= relay.acknowledged[partition] and not self.relay_trusts_acks:
            relay.stands = None
        else:
            relay.acknowledged[partition] = first + len(rows) - 1
            for link in rows:
                stand.take(link)

    def _failed(self, relay: Relay, stand: Stand, rows: list[Link]) -> None:
        if self.relay_trusts_acks:  # The naive form: sent is published.
            for link in rows:
                stand.take(link)
        else:
            relay.stands = None

    def _seal(self, relay: Relay) -> None:
        """Read a log row, read back that every partition folds to it, write the seal."""
        if relay.stands is None:
            return
        head, tails = self.store.head, [self.store.tail(p) for p in range(PARTITIONS)]
        believed = [stand.tail for stand in relay.stands]
        if not self.relay_trusts_acks:
            self._ask(relay, short=False)
        assert relay.stands is not None
        if any(stand.tail.position < tail.position for stand, tail in zip(relay.stands, tails, strict=True)):
            return
        if self.relay_trusts_acks and any(b.position < t.position for b, t in zip(believed, tails, strict=True)):
            return
        for partition, tail in enumerate(tails):
            seal = Link(head, b"", tail.position, tail.leaf, seal=True)
            if self.random.random() < 0.1:
                self.flights.append(Flight(partition, [seal]))
            else:
                self.topic.records[partition].append(seal)

    def _land(self) -> None:
        """A late send arrives, in whatever topic there is by now."""
        if self.flights:
            flight = self.flights.pop(self.random.randrange(len(self.flights)))
            self.topic.records[flight.partition] += flight.links

    # -- projector -----------------------------------------------------------------------------------------------

    def _restart_projector(self) -> None:
        """Rows survive; the consumer takes up at a committed offset that may be old."""
        for partition in range(PARTITIONS):
            self.projector.offsets[partition] = self.random.randrange(self.projector.offsets[partition] + 1)

    def _project(self, partition: int) -> None:
        me = self.projector
        records = self.topic.records[partition]
        if me.offsets[partition] > len(records):
            me.offsets[partition] = 0  # Out of range: the broker sends the consumer to the earliest record.
        for link in records[me.offsets[partition] : me.offsets[partition] + self.random.randrange(1, 5)]:
            if self._take(partition, link) is Verdict.AHEAD:
                if self.projector_stops_ahead:
                    me.offsets[partition] = 0
                    return
                self._pass_over(partition, link)
            me.offsets[partition] += 1
        if me.offsets[partition] >= len(records) and not self._filled(partition):
            me.offsets[partition] = 0  # Nothing more comes: what is missing may stand before what was read.

    def _pass_over(self, partition: int, link: Link) -> None:
        gap = self.projector.gaps[partition]
        gap[link.seal] = max(gap[link.seal], link.position)

    def _filled(self, partition: int) -> bool:
        stand, (position, sealed) = self.projector.stands[partition], self.projector.gaps[partition]
        return stand.tail.position >= position and stand.sealed >= sealed

    def _take(self, partition: int, link: Link) -> Verdict:
        me = self.projector
        if self.projector_trusts_order:  # The naive form: anything newer is next.
            if not link.seal and link.position > me.stands[partition].tail.position:
                me.applied[partition].append(link.position)
                me.stands[partition].tail = Tail(link.position, link.leaf)
            if link.seal:
                me.stands[partition].sealed = max(me.stands[partition].sealed, link.position)
            return Verdict.DROP
        verdict = me.stands[partition].take(link)
        if verdict is Verdict.FOLD:
            me.applied[partition].append(link.position)
        elif verdict is Verdict.FORK:
            me.halted = f"partition {partition}: fork at {link.position}"
        elif verdict is Verdict.HONOUR:
            self._check_seal(partition, link)
        return verdict

    def _check_seal(self, partition: int, link: Link) -> None:
        behind = [have.position for have in self.store.links[partition] if have.position <= link.position]
        if self.projector.applied[partition][: len(behind)] != behind:
            self.projector.halted = f"partition {partition}: seal {link.position} honoured too early"

    # -- the end -------------------------------------------------------------------------------------------------

    def _rest(self) -> None:
        """Luck turns: late sends land, one relay asks and publishes all, the projector reads until it has all."""
        while self.flights:
            self._land()
        relay = self.relays[0]
        if not self.relay_trusts_acks:
            self._ask(relay, short=False)
        if relay.stands is None:
            self._ask(relay, short=False)
        assert relay.stands is not None
        for partition, stand in enumerate(relay.stands):
            rows = [link for link in self.store.links[partition] if link.position > stand.tail.position]
            self.topic.records[partition] += rows
        for partition in range(PARTITIONS):
            for _ in range(
                3 * len(self.topic.records[partition])
            ):  # Steps take 1 to 4: enough for more than two turns.
                self._project(partition)

    def _judge(self) -> str:
        if self.projector.halted:
            return self.projector.halted
        for partition in range(PARTITIONS):
            wanted = [link.position for link in self.store.links[partition]]
            if self.projector.applied[partition] != wanted:
                return f"partition {partition}: {self.projector.applied[partition]} instead of {wanted}"
        return ""
