"""An authority's copies against its manifests: each way of losing, doubling or altering one is found."""

import datetime as dt

import pytest

from deploy.demo.naive import evidence as naive
from services.chassis.evidence import manifest as manifests_module
from services.chassis.evidence.canonical import canonical_json, strict_object
from services.chassis.evidence.manifest import CHECKS, build_manifest, verify_manifest
from services.chassis.evidence.merkle import EMPTY_ROOT, Frontier, leaf_hashes
from services.chassis.evidence.signing import sign_statement
from tests.support.evidence import DAYS, FEED, KEY, OTHER_KEY, feed_copy, manifests

KEYS = (KEY.public, OTHER_KEY.public)
MADE = manifests()
FIRST, EMPTY, LAST = DAYS
ALL = [copy for copies in DAYS.values() for copy in copies]


def failed(
    manifest: dict[str, object], entries: list[bytes] | None = None, previous: dict[str, object] | None = None
) -> dict[str, str]:
    checks = verify_manifest(manifest, KEYS, entries, previous).checks
    assert tuple(check.name for check in checks) == CHECKS
    return {check.name: check.code for check in checks if check.status == "failed"}


def resigned(day: dt.date, **changed: object) -> dict[str, object]:
    """The manifest with other claims, consistently written and signed by the service's own key."""
    said = {key: value for key, value in {**MADE[day], **changed}.items() if key in manifests_module._SAID}
    text = canonical_json({**said, "type": manifests_module.TYPE}).decode()
    signature = sign_statement(manifests_module.KIND, text, KEY.sign)
    return {**said, "statement": text, "key_id": KEY.key_id, "signature": signature}


def test_the_shape_of_three_days():
    numbers = {day: (m["first"], m["last"], m["count"]) for day, m in MADE.items()}
    assert numbers == {FIRST: (1, 7, 7), EMPTY: (8, 7, 0), LAST: (8, 12, 5)}
    assert MADE[EMPTY]["root"] == MADE[FIRST]["root"]
    assert MADE[FIRST]["before"] == []


@pytest.mark.parametrize("day", DAYS)
def test_each_day_holds_against_its_own_copies_and_the_day_before(day: dt.date):
    previous = MADE.get(day - dt.timedelta(days=1))
    outcome = verify_manifest(MADE[day], KEYS, DAYS[day], previous)
    assert outcome.ok, outcome
    assert sum(check.status == "ok" for check in outcome.checks) == (6 if previous is None else 7)
    assert naive.check_manifest(MADE[day], [KEY.public.text], ALL) == outcome.statement


def test_a_feed_that_never_had_anything_has_manifests_too():
    made = build_manifest(FEED, FIRST, Frontier(), Frontier(), KEY.key_id, KEY.sign)
    assert (made["first"], made["last"], made["count"], made["root"]) == (1, 0, 0, EMPTY_ROOT.hex())
    assert verify_manifest(made, KEYS, []).ok
    assert failed(made, [feed_copy(1, "2026-11-24T08:00:00Z")]) == {
        "sequence": "count_differs",
        "root": "root_differs",
    }


def test_lost_doubled_swapped_and_altered_copies():
    copies = DAYS[LAST]
    altered = copies[2].replace(b'"data":{}', b'"data":[]')
    for entries, expected in (
        (copies[:-1], {"sequence": "count_differs", "root": "root_differs"}),
        (copies[1:], {"sequence": "gap", "root": "root_differs"}),
        ([*copies[:2], *copies[3:]], {"sequence": "gap", "root": "root_differs"}),
        ([*copies[:2], copies[1], *copies[2:]], {"sequence": "gap", "root": "root_differs"}),
        ([copies[1], copies[0], *copies[2:]], {"sequence": "gap", "root": "root_differs"}),
        ([*copies[:2], altered, *copies[3:]], {"root": "root_differs"}),
        ([], {"sequence": "count_differs", "root": "root_differs"}),
        ([*copies[:4], b"not json"], {"sequence": "entry_unreadable", "root": "root_differs"}),
    ):
        assert failed(MADE[LAST], entries) == expected


def test_every_altered_bit_of_every_copy_changes_the_root():
    copies = DAYS[LAST]
    for number, copy in enumerate(copies):
        for bit in range(0, len(copy) * 8, 3):
            altered = bytearray(copy)
            altered[bit // 8] ^= 1 << bit % 8
            assert "root" in failed(MADE[LAST], [*copies[:number], bytes(altered), *copies[number + 1 :]])


def test_copies_of_another_feed_or_day():
    other = [c.replace(b"authority/kela", b"authority/vero") for c in DAYS[LAST]]
    assert failed(MADE[LAST], other) == {"sequence": "wrong_feed", "root": "root_differs"}
    moved = [c.replace(b"2026-11-26T08", b"2026-11-26T23") for c in DAYS[LAST]]
    made = build_manifest(
        FEED,
        LAST,
        Frontier().extend(leaf_hashes(ALL[:7])).frontier,
        Frontier().extend(leaf_hashes(ALL[:7] + moved)).frontier,
        KEY.key_id,
        KEY.sign,
    )
    assert failed(made, moved) == {"day": "wrong_day"}


def test_what_the_service_cannot_claim_even_when_it_signs():
    copies = DAYS[LAST]
    for changed, expected in (
        ({"count": 6}, {"numbers": "numbers"}),
        ({"last": 11, "count": 4}, {"sequence": "count_differs", "root": None}),
        ({"root": "00" * 32}, {"root": "root_differs"}),
        ({"before": []}, {"numbers": "numbers"}),
        ({"before": ["00" * 32] * 3}, {"root": "root_differs"}),
        ({"first": 0, "count": 13}, {"numbers": "numbers"}),
        ({"feed": "apudiaari/billing/authority/kela"}, {"signature": "wrong_signer", "sequence": "wrong_feed"}),
    ):
        found = failed(resigned(LAST, **changed), copies)
        assert found.items() >= {k: v for k, v in expected.items() if v}.items(), (changed, found)
    assert failed(resigned(EMPTY, root="00" * 32)) == {"numbers": "root_differs"}


def test_the_chain_of_days():
    assert failed(MADE[LAST], None, MADE[FIRST]) == {"chain": "not_the_day_before"}
    rewritten = build_manifest(
        FEED, EMPTY, Frontier(), Frontier().extend(leaf_hashes(ALL[1:8])).frontier, KEY.key_id, KEY.sign
    )
    assert failed(MADE[LAST], None, rewritten) == {"chain": "chain_broken"}
    assert failed(MADE[LAST], None, {**MADE[EMPTY], "signature": MADE[LAST]["signature"]}) == {"chain": "bad_note"}
    assert failed(MADE[LAST], None, {}) == {"chain": "shape"}
    of_vero = resigned(EMPTY, feed="apudiaari/diary/authority/vero")
    assert failed(MADE[LAST], None, of_vero) == {"chain": "not_the_day_before"}
    one_short = resigned(EMPTY, first=1, last=6, count=6, before=[])
    assert failed(MADE[LAST], None, one_short) == {"chain": "chain_broken"}


def test_altered_manifests():
    made = MADE[LAST]
    for changed, expected in (
        ({"count": 6}, {"shape": "fields_differ"}),
        ({"root": "00" * 32}, {"shape": "fields_differ"}),
        ({"first": True}, {"shape": "shape"}),
        ({"day": "20261126"}, {"shape": "shape"}),
        ({"statement": "{"}, {"shape": "shape"}),
        ({"remark": 1}, {"shape": "shape"}),
        ({"signature": MADE[FIRST]["signature"]}, {"signature": "bad_note"}),
        ({"key_id": OTHER_KEY.key_id}, {"signature": "bad_note"}),
        ({"statement": str(made["statement"]).replace(":", ": ", 1)}, {"signature": "bad_note"}),
    ):
        assert failed({**made, **changed}) == expected, changed
    assert strict_object(str(made["statement"]))["type"] == manifests_module.TYPE


def test_the_second_verifier_refuses_too():
    made, keys = MADE[LAST], [KEY.public.text]
    for changed in (
        {"count": 6},
        {"root": "00" * 32},
        {"signature": MADE[FIRST]["signature"]},
        {"key_id": OTHER_KEY.key_id},
        {"statement": str(made["statement"]).replace(":", ": ", 1)},
    ):
        with pytest.raises(naive.Refused):
            naive.check_manifest({**made, **changed}, keys, ALL)
    for copies in (ALL[:-1], ALL[1:], [*ALL[:9], *ALL[10:]], [*ALL[:3], ALL[3].replace(b"{}", b"[]"), *ALL[4:]]):
        with pytest.raises(naive.Refused):
            naive.check_manifest(made, keys, copies)


def test_a_shrinking_tree_is_not_signed():
    grown = Frontier().extend(leaf_hashes(ALL)).frontier
    for after in (Frontier(), Frontier().extend(leaf_hashes(ALL[::-1])).frontier):
        with pytest.raises(ValueError):
            build_manifest(FEED, FIRST, grown, after, KEY.key_id, KEY.sign)
