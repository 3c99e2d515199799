"""The tree against RFC 9162's own recursive definition, written down here a second time."""

import hashlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.chassis.evidence import merkle
from services.chassis.evidence.merkle import Frontier, leaf_hash, leaf_hashes, node_hash, root_of

# The inputs and roots of Certificate Transparency's reference implementation (RFC 6962, same tree as RFC 9162).
CT_INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def naive_root(datas: list[bytes]) -> bytes:
    """MTH of RFC 9162 §2.1.1, word for word."""
    if not datas:
        return hashlib.sha256(b"").digest()
    if len(datas) == 1:
        return hashlib.sha256(b"\x00" + datas[0]).digest()
    k = 1
    while k * 2 < len(datas):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(datas[:k]) + naive_root(datas[k:])).digest()


def events(count: int) -> list[bytes]:
    return [f'{{"position":{i + 1}}}'.encode() for i in range(count)]


def test_reference_vectors():
    for count, root in enumerate(CT_ROOTS, start=1):
        assert root_of(leaf_hashes(CT_INPUTS[:count])).hex() == root
        assert naive_root(CT_INPUTS[:count]).hex() == root
    assert root_of([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_every_size_to_600_one_by_one_and_at_once():
    datas = events(600)
    leaves, one_by_one = leaf_hashes(datas), Frontier()
    for size in range(601):
        root = naive_root(datas[:size])
        assert one_by_one.root() == root
        assert Frontier().extend(leaves[:size]).frontier == one_by_one
        if size < 600:
            one_by_one = one_by_one.append(leaves[size]).frontier


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=12))
def test_any_cutting_into_batches_gives_the_same_tree_and_the_same_nodes(batches: list[int]):
    leaves = leaf_hashes(events(sum(batches)))
    frontier, completed, at = Frontier(), [], 0
    for count in batches:
        frontier, nodes = frontier.extend(leaves[at : at + count])
        completed += nodes
        at += count
    whole = Frontier().extend(leaves)
    assert frontier == whole.frontier
    assert sorted(completed) == sorted(whole.completed)


def test_completed_nodes_are_the_roots_of_their_leaves():
    """Through level 16, which needs 65,536 leaves, in batches whose borders fall anywhere."""
    count, at = 2 * 65536 + 777, 0
    leaves = leaf_hashes(events(count))
    chance, frontier, nodes = random.Random(9162), Frontier(), []
    while at < count:
        step = chance.randint(1, 9000)
        frontier, completed = frontier.extend(leaves[at : at + step])
        nodes += completed
        at += step
    assert [(n.level, n.index) for n in sorted(nodes)] == [
        *((8, i) for i in range(count // 256)),
        *((16, i) for i in range(2)),
    ]
    for node in (n for n in nodes if n.level == 16 or n.index % 37 == 0):
        width = 1 << node.level
        assert node.hash == root_of(leaves[node.index * width : (node.index + 1) * width])


def test_extending_leaves_the_old_value_alone():
    before = Frontier().extend(leaf_hashes(events(5))).frontier
    kept = before.to_bytes()
    before.append(leaf_hash(b"rolled back"))
    assert before.to_bytes() == kept


@pytest.mark.parametrize("size", [0, 1, 2, 3, 255, 256, 257, 599])
def test_stored_form_and_back(size: int):
    frontier = Frontier().extend(leaf_hashes(events(size))).frontier
    stored = frontier.to_bytes()
    assert len(stored) == 8 + 32 * size.bit_count()
    assert Frontier.from_bytes(stored) == frontier
    for wrong in (stored[:-1], stored + b"\x00", stored[:7], (size + 1 << 8).to_bytes(8, "big") + b"\x00" * 7):
        with pytest.raises(ValueError):
            Frontier.from_bytes(wrong)


def test_one_altered_bit_anywhere_changes_the_root():
    datas = events(11)
    root = root_of(leaf_hashes(datas))
    for index, data in enumerate(datas):
        for bit in range(len(data) * 8):
            altered = bytearray(data)
            altered[bit // 8] ^= 1 << bit % 8
            assert root_of(leaf_hashes([*datas[:index], bytes(altered), *datas[index + 1 :]])) != root


def test_leaf_and_node_cannot_be_confused():
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert node_hash(left, right) != leaf_hash(left + right)
    assert leaf_hash(b"") != merkle.EMPTY_ROOT


@pytest.mark.parametrize("wrong", [b"", b"short", b"x" * 33])
def test_only_hashes_are_leaves(wrong: bytes):
    with pytest.raises(ValueError):
        Frontier().extend([leaf_hash(b"a"), wrong])
