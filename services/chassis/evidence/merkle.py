"""The Merkle tree of RFC 9162 §2.1 over exact bytes, kept as a compact range.

Laws:
- A leaf is SHA-256(0x00 ‖ bytes), an inner node SHA-256(0x01 ‖ left ‖ right), the empty tree SHA-256("").
- A `Frontier` is a value. Extending it gives a new one and leaves the old one as it was, so that a
  writer whose transaction was rolled back simply goes on from the value it still has.
- While it grows, a tree reports the hashes of its completed 256-leaf subtrees and of 256 such subtrees, and
  so on (levels 8, 16, …; C2SP tlog-tiles, tile height 8). With the leaves, they are all that proofs need.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

HASH_BYTES = 32
TILE_HEIGHT = 8

_LEAF = b"\x00"
_NODE = b"\x01"
_SIZE_BYTES = 8

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """The leaf of these exact bytes."""
    return sha256(_LEAF + data).digest()


def leaf_hashes(datas: Iterable[bytes]) -> list[bytes]:
    """The leaves of many byte strings; the same as `leaf_hash` one by one, without the calls."""
    return [sha256(_LEAF + data).digest() for data in datas]


def node_hash(left: bytes, right: bytes) -> bytes:
    """The parent of two nodes."""
    return sha256(_NODE + left + right).digest()


def parents_of(row: Sequence[bytes]) -> list[bytes]:
    """The next level above an even number of neighbouring nodes."""
    pairs = iter(row)
    return [sha256(_NODE + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]


@dataclass(frozen=True, slots=True, order=True)
class StoredNode:
    """The hash of a completed subtree of 2^level leaves, the index-th (from 0) of its level (8, 16, …)."""

    level: int
    index: int
    hash: bytes


class Extended(NamedTuple):
    """What an extension gives: the grown tree, and the tile nodes that it completed, lowest level first."""

    frontier: Frontier
    completed: list[StoredNode]


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree of `size` leaves as the roots of its perfect subtrees, the largest (leftmost) first.

    There is one hash for each bit set in `size`. At 2^40 leaves it is at most 40 hashes.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> Extended:
        """The tree with one more leaf."""
        return self.extend((leaf,))

    def extend(self, leaves: Sequence[bytes]) -> Extended:
        """The tree with these leaf hashes added, level by level: one pass over each level's new nodes.

        Raises ValueError if something is not a leaf hash.
        """
        if leaves and set(map(len, leaves)) != {HASH_BYTES}:
            raise ValueError("a leaf is a SHA-256 hash of 32 bytes; pass the bytes through leaf_hash first")
        waiting, odd, completed = list(self.hashes), [], []
        row, level, first = list(leaves), 0, self.size
        while row:
            if first & 1:
                row.insert(0, waiting.pop())
            if len(row) & 1:
                odd.append(row.pop())
            row, level, first = parents_of(row), level + 1, first >> 1
            if level % TILE_HEIGHT == 0:
                completed += [StoredNode(level, first + i, node) for i, node in enumerate(row)]
        return Extended(Frontier(self.size + len(leaves), (*waiting, *reversed(odd))), completed)

    def root(self) -> bytes:
        """The Merkle tree hash of all the leaves."""
        return fold_right(self.hashes) if self.hashes else EMPTY_ROOT

    def to_bytes(self) -> bytes:
        """Eight bytes of size, big-endian, then the hashes."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """Read what `to_bytes` wrote. Raises ValueError when size and hashes do not belong together."""
        body = data[_SIZE_BYTES:]
        hashes = tuple(body[i : i + HASH_BYTES] for i in range(0, len(body), HASH_BYTES))
        if len(data) < _SIZE_BYTES:
            raise ValueError("a frontier starts with its size in 8 bytes")
        return cls.of(int.from_bytes(data[:_SIZE_BYTES], "big"), hashes)

    @classmethod
    def of(cls, size: int, hashes: Sequence[bytes]) -> Frontier:
        """A frontier from outside. Raises ValueError unless there is one hash per bit set in size."""
        if size < 0 or len(hashes) != size.bit_count() or any(len(node) != HASH_BYTES for node in hashes):
            raise ValueError(f"a tree of {size} leaves does not have these {len(hashes)} subtrees")
        return cls(size, tuple(hashes))


def fold_right(hashes: Sequence[bytes]) -> bytes:
    """The root above neighbouring perfect subtrees of falling size: the smaller ones join first."""
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root of the tree of these leaf hashes."""
    return Frontier().extend(leaves).frontier.root()
