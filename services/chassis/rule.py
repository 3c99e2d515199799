"""The rule: what a record of a partition means to somebody who stands at S. Shared by the relay and every projector.

Each record names the record before it in its partition (``previous`` and its leaf). So whoever reads can tell a repeat,
a gap and a contradiction apart, whatever the broker did (design.md §6):

- ``position < S`` → drop; ``position = S`` → drop, or *fork* if the leaf differs;
- ``previous = S`` → fold, or *fork* if ``previous_leaf`` is not ours;
- ``previous < S < position`` → *fork*;
- ``previous > S`` → *ahead*: something is missing here. **A contradiction halts, an absence waits.**

A seal belongs to no chain: it is honoured if its ``previous ≤ S``, and is *ahead* otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from schemas.envelope import CONTENT_TYPE
from services.chassis.evidence.merkle import leaf_hash

POSITION, PREVIOUS, PREVIOUS_LEAF, SEAL = "position", "partitionprevious", "previousleaf", "seal"
"""Names of the Kafka headers. ``position`` repeats the event's own, so that the rule needs no JSON; it is checked."""

_CONTENT_TYPE = "content-type", CONTENT_TYPE.encode()


class Tail(NamedTuple):
    """Where somebody stands in a partition: the last position taken in, and its leaf (empty at 0)."""

    position: int
    leaf: bytes


START = Tail(0, b"")


class Link(NamedTuple):
    """A record's place in the chain of its partition. ``seal``: a control record, ``position`` is what it seals."""

    position: int
    leaf: bytes
    previous: int
    previous_leaf: bytes
    seal: bool = False


class Verdict(Enum):
    DROP = "drop"
    FOLD = "fold"
    HONOUR = "honour"
    FORK = "fork"
    AHEAD = "ahead"


def judge(tail: Tail, link: Link) -> Verdict:
    """What to do with a record, standing at ``tail``. Pure and total."""
    if link.previous > tail.position:
        return Verdict.AHEAD
    if link.previous == tail.position and link.previous_leaf != tail.leaf:
        return Verdict.FORK
    if link.seal:
        return Verdict.HONOUR
    if link.position < tail.position:
        return Verdict.DROP
    if link.position == tail.position:
        return Verdict.DROP if link.leaf == tail.leaf else Verdict.FORK
    return Verdict.FOLD if link.previous == tail.position else Verdict.FORK


class NotOurs(ValueError):
    """A record that carries no place in a chain: nobody who follows the contract wrote it."""


def link_of(headers: Sequence[tuple[str, bytes]], value: bytes) -> Link:
    """The link of a Kafka record. Raises :class:`NotOurs` where a header is missing or malformed."""
    found = dict(headers)
    try:
        position, previous, hexed = found[POSITION], found[PREVIOUS], found[PREVIOUS_LEAF]
        seal = SEAL in found
        leaf = b"" if seal else leaf_hash(value)
        return Link(int(position), leaf, int(previous), bytes.fromhex(hexed.decode()), seal)
    except (KeyError, ValueError) as error:
        raise NotOurs(f"a record without a valid place in its partition: {error!r}") from error


def headers_of(position: int, previous: int, previous_leaf: bytes, *, seal: bool = False) -> list[tuple[str, bytes]]:
    """The headers of a record: its content type, and what :func:`link_of` reads."""
    headers = [
        _CONTENT_TYPE,
        (POSITION, b"%d" % position),
        (PREVIOUS, b"%d" % previous),
        (PREVIOUS_LEAF, previous_leaf.hex().encode()),
    ]
    return [*headers, (SEAL, b"1")] if seal else headers


@dataclass(slots=True)
class Stand:
    """A running tail: feeds records to :func:`judge` and moves on what is folded or honoured."""

    tail: Tail = START
    sealed: int = 0

    def take(self, link: Link) -> Verdict:
        """Judge, and move when the record is folded or a seal honoured."""
        verdict = judge(self.tail, link)
        if verdict is Verdict.FOLD:
            self.tail = Tail(link.position, link.leaf)
        elif verdict is Verdict.HONOUR:
            self.sealed = max(self.sealed, link.position)
        return verdict
