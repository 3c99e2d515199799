"""Inclusion and consistency proofs of RFC 9162 §2.1.3 and §2.1.4, from stored nodes alone.

Only leaves (level 0) and completed tile nodes (levels 8, 16, …) are stored. A proof touches at most two tiles
per tile level: the one on the path, and the one at the right edge; never more than 256 hashes of each. What
must be fetched is known beforehand (`inclusion_reads`, `consistency_reads`, `frontier_reads`), so a caller
with an asynchronous store fetches the reads in one query and passes `reader_over` of the answer.

Verification is the RFC's algorithm and needs no tree. A proof binds the leaf and the index to the root; it
binds the *size* only where the size changes the path, so the size must come with the root from a signed
checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from services.chassis.evidence.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    TILE_HEIGHT,
    Frontier,
    fold_right,
    node_hash,
    parents_of,
)

Read = Callable[[int, int, int], Sequence[bytes]]
"""`read(level, index_from, index_to)` → the stored hashes of that level, index_to excluded."""


class TileRead(NamedTuple):
    """One range of stored hashes within one tile; `last` is excluded."""

    level: int
    first: int
    last: int


class _Leaves(NamedTuple):
    """The subtree over leaves first … last − 1, as RFC 9162 cuts the tree: first is aligned to its size."""

    first: int
    last: int


def inclusion_reads(index: int, size: int) -> list[TileRead]:
    """What `inclusion_proof` will read. Raises ValueError unless 0 ≤ index < size."""
    return _reads(_inclusion_path(index, size))


def inclusion_proof(index: int, size: int, read: Read) -> list[bytes]:
    """The proof that leaf `index` is in the tree of `size` leaves, lowest level first (§2.1.3.1)."""
    return _hashes(_inclusion_path(index, size), read)


def consistency_reads(old_size: int, size: int) -> list[TileRead]:
    """What `consistency_proof` will read. Raises ValueError unless 0 ≤ old_size ≤ size."""
    return _reads(_consistency_path(old_size, size))


def consistency_proof(old_size: int, size: int, read: Read) -> list[bytes]:
    """The proof that the tree of `size` leaves begins with the tree of `old_size` (§2.1.4.1)."""
    return _hashes(_consistency_path(old_size, size), read)


def frontier_reads(size: int) -> list[TileRead]:
    """What `frontier_at` will read."""
    return _reads(_perfect_ranges(0, size))


def frontier_at(size: int, read: Read) -> Frontier:
    """The tree as it was at `size` leaves, for an old root or for growing it again."""
    return Frontier.of(size, _hashes(_perfect_ranges(0, size), read))


def reader_over(stored: Mapping[tuple[int, int], bytes]) -> Read:
    """A `Read` over fetched rows `{(level, index): hash}`; a missing one raises KeyError."""

    def read(level: int, first: int, last: int) -> list[bytes]:
        return [stored[level, index] for index in range(first, last)]

    return read


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof leads from this leaf hash at this index to the root (§2.1.3.2)."""
    if not 0 <= index < size or not _are_hashes((leaf, root, *proof)):
        return False
    at, edge, node = index, size - 1, leaf
    for sibling in proof:
        if edge == 0:
            return False
        if at & 1 or at == edge:
            node = node_hash(sibling, node)
            at, edge = _up_to_right_child(at, edge)
        else:
            node = node_hash(node, sibling)
        at, edge = at >> 1, edge >> 1
    return edge == 0 and node == root


def verify_consistency(old_size: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the tree of `size` begins with the tree of `old_size` (§2.1.4.2).

    The RFC leaves out two cases: equal sizes need equal roots and no proof; an empty old tree, whose root is
    fixed, is the beginning of every tree and also needs no proof.
    """
    if not 0 <= old_size <= size or not _are_hashes((old_root, root, *proof)):
        return False
    if old_size == size:
        return not proof and old_root == root
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    path = [old_root, *proof] if old_size.bit_count() == 1 else list(proof)
    return bool(proof) and _climb(path, old_size, size) == (old_root, root)


def _climb(path: Sequence[bytes], old_size: int, size: int) -> tuple[bytes, bytes] | None:
    """Both roots that a consistency path leads to, or None if its length does not fit the sizes."""
    at, edge = old_size - 1, size - 1
    while at & 1:
        at, edge = at >> 1, edge >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if edge == 0:
            return None
        if at & 1 or at == edge:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            at, edge = _up_to_right_child(at, edge)
        else:
            new = node_hash(new, sibling)
        at, edge = at >> 1, edge >> 1
    return (old, new) if edge == 0 else None


def _up_to_right_child(at: int, edge: int) -> tuple[int, int]:
    """Skip the levels at which the right edge has no sibling."""
    while at and not at & 1:
        at, edge = at >> 1, edge >> 1
    return at, edge


def _are_hashes(nodes: Sequence[bytes]) -> bool:
    return all(len(node) == HASH_BYTES for node in nodes)


def _largest_power_below(count: int) -> int:
    """The RFC's k: the largest power of two smaller than count (count > 1)."""
    return 1 << (count - 1).bit_length() - 1


def _inclusion_path(index: int, size: int) -> list[_Leaves]:
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size} leaves")
    path, first, last = [], 0, size
    while last - first > 1:
        middle = first + _largest_power_below(last - first)
        if index < middle:
            path.append(_Leaves(middle, last))
            last = middle
        else:
            path.append(_Leaves(first, middle))
            first = middle
    return path[::-1]


def _consistency_path(old_size: int, size: int) -> list[_Leaves]:
    if not 0 <= old_size <= size:
        raise ValueError(f"a tree of {size} leaves has no earlier state of {old_size} leaves")
    path, first, last = [], 0, size
    while old_size not in (0, last):
        middle = first + _largest_power_below(last - first)
        if old_size <= middle:
            path.append(_Leaves(middle, last))
            last = middle
        else:
            path.append(_Leaves(first, middle))
            first = middle
    if first > 0:
        path.append(_Leaves(first, last))
    return path[::-1]


def _perfect_ranges(first: int, last: int) -> list[_Leaves]:
    """The perfect subtrees that make up a subtree, the largest first."""
    ranges = []
    while first < last:
        middle = first + (1 << (last - first).bit_length() - 1)
        ranges.append(_Leaves(first, middle))
        first = middle
    return ranges


def _stored_range(perfect: _Leaves) -> TileRead:
    """The stored hashes under a perfect subtree: those of the nearest stored level at or below it."""
    level = ((perfect.last - perfect.first).bit_length() - 1) // TILE_HEIGHT * TILE_HEIGHT
    return TileRead(level, perfect.first >> level, perfect.last >> level)


def _reads(path: Sequence[_Leaves]) -> list[TileRead]:
    """The ranges under a path, joined to one per tile."""
    tiles: dict[tuple[int, int], TileRead] = {}
    for leaves in path:
        for perfect in _perfect_ranges(*leaves):
            level, first, last = _stored_range(perfect)
            tile = level, first >> TILE_HEIGHT
            other = tiles.get(tile, TileRead(level, first, last))
            tiles[tile] = TileRead(level, min(first, other.first), max(last, other.last))
    return list(tiles.values())


def _hashes(path: Sequence[_Leaves], read: Read) -> list[bytes]:
    stored: dict[tuple[int, int], bytes] = {}
    for level, first, last in _reads(path):
        hashes = read(level, first, last)
        if len(hashes) != last - first or not _are_hashes(hashes):
            raise ValueError(f"the store has not all hashes {first} … {last - 1} of level {level}")
        stored.update(((level, first + i), node) for i, node in enumerate(hashes))
    return [fold_right([_node(p, stored) for p in _perfect_ranges(*leaves)]) for leaves in path]


def _node(perfect: _Leaves, stored: Mapping[tuple[int, int], bytes]) -> bytes:
    level, first, last = _stored_range(perfect)
    row = [stored[level, index] for index in range(first, last)]
    while len(row) > 1:
        row = parents_of(row)
    return row[0]
