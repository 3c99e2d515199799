"""Proofs against RFC 9162's recursive definitions, over a store that holds leaves and tile nodes only."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.chassis.evidence.merkle import Frontier, leaf_hashes
from services.chassis.evidence.proofs import (
    consistency_proof,
    consistency_reads,
    frontier_at,
    frontier_reads,
    inclusion_proof,
    inclusion_reads,
    reader_over,
    verify_consistency,
    verify_inclusion,
)

LARGEST = 600
DATAS = [f"event {i}".encode() for i in range(LARGEST)]
LEAVES = leaf_hashes(DATAS)
ROOTS = [Frontier().extend(LEAVES[:size]).frontier.root() for size in range(LARGEST + 1)]


def store_of(leaves: list[bytes]) -> dict[tuple[int, int], bytes]:
    stored = {(0, index): leaf for index, leaf in enumerate(leaves)}
    stored.update({(n.level, n.index): n.hash for n in Frontier().extend(leaves).completed})
    return stored


STORED = store_of(LEAVES)
READ = reader_over(STORED)


def split(count: int) -> int:
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def naive_root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 9162 §2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(m: int, leaves: list[bytes], complete: bool) -> list[bytes]:
    """SUBPROOF of RFC 9162 §2.1.4.1."""
    if m == len(leaves):
        return [] if complete else [naive_root(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*naive_subproof(m, leaves[:k], complete), naive_root(leaves[k:])]
    return [*naive_subproof(m - k, leaves[k:], False), naive_root(leaves[:k])]


def flipped(data: bytes, bit: int) -> bytes:
    altered = bytearray(data)
    altered[bit // 8] ^= 1 << bit % 8
    return bytes(altered)


def test_every_inclusion_proof_to_64_and_every_size_to_600():
    pairs = [(i, n) for n in range(1, 65) for i in range(n)]
    pairs += [(i, n) for n in range(65, LARGEST + 1) for i in {0, 1, n // 2, n - 2, n - 1, n * 7 % n}]
    for index, size in pairs:
        proof = inclusion_proof(index, size, READ)
        assert proof == naive_path(index, LEAVES[:size])
        assert verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


def test_every_consistency_proof_to_64_and_every_size_to_600():
    pairs = [(m, n) for n in range(1, 65) for m in range(1, n + 1)]
    pairs += [(m, n) for n in range(65, LARGEST + 1) for m in {1, 64, n // 2, n - 1, n}]
    for old, size in pairs:
        proof = consistency_proof(old, size, READ)
        assert proof == naive_subproof(old, LEAVES[:size], True)
        assert verify_consistency(old, size, ROOTS[old], ROOTS[size], proof)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_altered_bit_or_wrong_index_is_refused(data: st.DataObject):
    size = data.draw(st.integers(1, LARGEST))
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, READ)
    place, bit = data.draw(st.integers(0, len(proof) + 1)), data.draw(st.integers(0, 255))
    parts = [LEAVES[index], ROOTS[size], *proof]
    parts[place] = flipped(parts[place], bit)
    assert not verify_inclusion(parts[0], index, size, parts[2:], parts[1])
    other = data.draw(st.integers(-2, size + 2).filter(lambda i: i != index))
    assert not verify_inclusion(LEAVES[index], other, size, proof, ROOTS[size])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_altered_bit_of_a_consistency_proof_is_refused(data: st.DataObject):
    size = data.draw(st.integers(2, LARGEST))
    old = data.draw(st.integers(1, size - 1))
    proof = consistency_proof(old, size, READ)
    place, bit = data.draw(st.integers(0, len(proof) + 1)), data.draw(st.integers(0, 255))
    parts = [ROOTS[old], ROOTS[size], *proof]
    parts[place] = flipped(parts[place], bit)
    assert not verify_consistency(old, size, parts[0], parts[1], parts[2:])


def test_wrong_sizes_are_refused():
    """A size is bound with its root. Alone it is bound only where it changes the path."""
    for size in range(2, 130):
        proof = inclusion_proof(size - 1, size, READ)
        assert not verify_inclusion(LEAVES[size - 1], size - 1, size - 1, proof, ROOTS[size])
        for other in (size - 1, size + 1, size * 2):
            assert not verify_inclusion(LEAVES[0], 0, other, inclusion_proof(0, size, READ), ROOTS[other])
            assert not verify_consistency(1, other, ROOTS[1], ROOTS[other], consistency_proof(1, size, READ))


def test_a_smaller_tree_cannot_stand_for_a_larger_one():
    """The path is right for the root, but too short or too long for the size that is claimed."""
    for size, claimed in ((1, 2), (2, 3), (2, 4), (4, 9), (256, 600), (9, 4), (3, 2), (2, 1)):
        proof = inclusion_proof(0, size, READ)
        assert not verify_inclusion(LEAVES[0], 0, claimed, proof, ROOTS[size])
        steps = consistency_proof(1, size, READ)
        assert not verify_consistency(1, claimed, ROOTS[1], ROOTS[size], steps)


def test_every_bit_of_one_proof():
    size, index = 333, 300
    proof = inclusion_proof(index, size, READ)
    for place in range(len(proof)):
        for bit in range(256):
            wrong = [*proof[:place], flipped(proof[place], bit), *proof[place + 1 :]]
            assert not verify_inclusion(LEAVES[index], index, size, wrong, ROOTS[size])
    for cut in (proof[:-1], proof[1:], [*proof, proof[0]], [], [proof[0][:31], *proof[1:]]):
        assert not verify_inclusion(LEAVES[index], index, size, cut, ROOTS[size])
        assert not verify_consistency(index, size, ROOTS[index], ROOTS[size], cut)


def test_the_ends_of_consistency():
    assert verify_consistency(0, 0, ROOTS[0], ROOTS[0], [])
    assert verify_consistency(0, 7, ROOTS[0], ROOTS[7], consistency_proof(0, 7, READ))
    assert not verify_consistency(0, 7, ROOTS[1], ROOTS[7], [])
    assert not verify_consistency(7, 7, ROOTS[6], ROOTS[7], [])
    assert not verify_consistency(7, 7, ROOTS[7], ROOTS[7], [ROOTS[7]])
    assert not verify_consistency(6, 7, ROOTS[6], ROOTS[7], [])
    assert not verify_consistency(8, 7, ROOTS[8], ROOTS[7], [ROOTS[7]])


def test_sizes_that_do_not_exist_are_refused():
    for call in (
        lambda: inclusion_proof(7, 7, READ),
        lambda: inclusion_reads(-1, 7),
        lambda: consistency_proof(8, 7, READ),
    ):
        with pytest.raises(ValueError):
            call()


def test_old_trees_come_back_and_grow_on():
    for size in (0, 1, 255, 256, 257, 300, 512, 599):
        frontier = frontier_at(size, READ)
        assert frontier.root() == ROOTS[size]
        assert frontier.extend(LEAVES[size:]).frontier.root() == ROOTS[LARGEST]


def test_a_large_tree_reads_two_tiles_per_level_and_no_more():
    """200,000 leaves: three tile levels. Reads are exactly those announced, within one tile each."""
    size = 200_003
    leaves = leaf_hashes(i.to_bytes(4, "big") for i in range(size))
    stored, asked = store_of(leaves), []

    def read(level: int, first: int, last: int) -> list[bytes]:
        asked.append((level, first, last))
        return [stored[level, i] for i in range(first, last)]

    root = Frontier().extend(leaves).frontier.root()
    for index in (0, 255, 256, 65_535, 131_072, 196_608, 199_999, size - 1):
        asked.clear()
        proof = inclusion_proof(index, size, read)
        assert verify_inclusion(leaves[index], index, size, proof, root)
        assert asked == inclusion_reads(index, size)
        assert_frugal(asked)
    for old in (1, 256, 65_536, 123_457, size - 1):
        proof = consistency_proof(old, size, read)
        assert verify_consistency(old, size, frontier_at(old, read).root(), root, proof)
        assert_frugal(consistency_reads(old, size))
        assert_frugal(frontier_reads(old))


def assert_frugal(reads: list[tuple[int, int, int]]) -> None:
    levels = [level for level, _, _ in reads]
    assert set(levels) <= {0, 8, 16}
    assert all(levels.count(level) <= 2 for level in levels)
    assert all(first // 256 == (last - 1) // 256 for _, first, last in reads)


def test_a_store_with_a_hole_is_noticed():
    with pytest.raises(KeyError):
        inclusion_proof(400, 500, reader_over({key: h for key, h in STORED.items() if key != (8, 0)}))
    with pytest.raises(ValueError):
        inclusion_proof(3, 500, lambda level, first, last: READ(level, first, last)[:-1])
