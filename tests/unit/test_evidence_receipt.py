"""Receipts hold, and every alteration of one is refused; a second verifier without shared code says the same."""

import copy
import json

import pytest

from deploy.demo.naive import evidence as naive
from schemas.diary import Late
from services.chassis.evidence import receipt as receipts
from services.chassis.evidence.canonical import BadJson, canonical_json, strict_object
from services.chassis.evidence.checks import Failed
from services.chassis.evidence.receipt import CHECKS, verify_receipt
from services.chassis.evidence.signing import BadNote, Checkpoint, sign_checkpoint
from tests.support.evidence import COMMITMENT_KEY, DOCUMENT, KEY, ORIGIN, OTHER_KEY, a_case

KEYS = (KEY.public, OTHER_KEY.public)
TEXTS = [key.text for key in KEYS]
CASE = a_case()


def failed(receipt: dict[str, object], document: bytes | None = DOCUMENT) -> dict[str, str]:
    checks = verify_receipt(receipt, KEYS, document).checks
    assert tuple(check.name for check in checks) == CHECKS
    return {check.name: check.code for check in checks if check.status == "failed"}


def resigned(**changed: object) -> dict[str, object]:
    """A receipt whose statement was changed and signed again by the service's own key."""
    text = canonical_json({**strict_object(str(CASE.receipt["statement"])), **changed}).decode()
    signature = receipts.sign_statement(receipts.KIND, text, KEY.sign)
    return {**CASE.receipt, "statement": text, "signature": signature}


def test_a_receipt_holds_with_and_without_the_document():
    outcome = verify_receipt(CASE.receipt, KEYS, DOCUMENT)
    assert outcome.ok, outcome
    assert {check.status for check in outcome.checks} == {"ok"}
    without = verify_receipt(CASE.receipt, KEYS)
    assert without.ok
    assert without.check("document").status == "not_checked"
    assert naive.check_receipt(json.dumps(CASE.receipt).encode(), TEXTS, DOCUMENT) == outcome.statement
    assert set(CASE.receipt) == {"statement", "event", "proof", "checkpoint", "key_id", "signature"}


def test_what_the_statement_says():
    statement = verify_receipt(CASE.receipt, KEYS).statement
    assert statement is not None
    assert statement["log"] == ORIGIN
    assert statement["clocks"] == {
        "occurred": "2026-11-24T10:15:00+02:00",
        "recorded": "2026-11-24T08:17:30.000250Z",
        "sealed": "2026-11-24T08:17:31.000000Z",
        "arrived": None,
    }
    assert statement["delay_seconds"] == 150
    assert statement["late"] is None
    assert statement["verdict"] is None
    assert statement["synthetic"] is True
    assert statement["agreement"] == {"id": "00000000-0000-0000-0000-00000000004d", "version": 3, "hash": "ab" * 32}


def test_a_late_entry_and_a_receipt_without_agreement_say_so():
    case = a_case(late=Late(reason="paper_notes", days=1), covered=False)
    outcome = verify_receipt(case.receipt, KEYS, DOCUMENT)
    assert outcome.ok, outcome
    assert outcome.statement is not None
    assert outcome.statement["late"] == {"reason": "paper_notes", "days": 1}
    assert outcome.statement["agreement"] is None
    assert outcome.statement["coverage"] == "none"
    assert naive.check_receipt(json.dumps(case.receipt).encode(), TEXTS, DOCUMENT) == outcome.statement


@pytest.mark.parametrize(("size", "index"), [(1, 0), (2, 1), (256, 255), (257, 256), (600, 0)])
def test_any_place_in_any_log(size: int, index: int):
    case = a_case(size, index)
    assert verify_receipt(case.receipt, KEYS, DOCUMENT).ok
    assert naive.check_receipt(json.dumps(case.receipt).encode(), TEXTS, DOCUMENT)
    assert f"\n{size}\n" in case.checkpoint
    assert naive.check_checkpoint(case.checkpoint, TEXTS) == (ORIGIN, size, naive.tree_root(case.events))


def test_every_altered_byte_of_the_file_is_refused_or_means_the_same():
    """Each bit of each byte in turn, and each byte replaced by a space or left out."""
    file = json.dumps(CASE.receipt, ensure_ascii=False, indent=1).encode()
    meaning, same = json.loads(file), 0
    for place in range(len(file)):
        replaced = [bytes([file[place] ^ 1 << bit]) for bit in range(8)] + [b" ", b""]
        for new in replaced:
            altered = file[:place] + new + file[place + 1 :]
            try:
                receipt = strict_object(altered)
            except BadJson:
                continue
            if receipt == meaning:
                same += 1
                continue
            assert not verify_receipt(receipt, KEYS, DOCUMENT).ok, (place, new, file[place - 20 : place + 20])
    assert same < 200, "only white space between fields may change unnoticed"


def test_the_second_verifier_refuses_them_too():
    """Flips of the lowest bit, and of the bit between upper and lower case."""
    file = json.dumps(CASE.receipt, ensure_ascii=False, indent=1).encode()
    meaning = json.loads(file)
    for place in range(len(file)):
        for bit in (1, 32):
            assert_naive_refuses_or_same(file[:place] + bytes([file[place] ^ bit]) + file[place + 1 :], meaning)


def assert_naive_refuses_or_same(altered: bytes, meaning: dict[str, object]) -> None:
    try:
        naive.check_receipt(altered, TEXTS, DOCUMENT)
    except naive.Refused:
        return
    read = json.loads(altered)
    assert {key: read[key] for key in meaning} == meaning


def test_each_alteration_fails_its_own_check():
    receipt = CASE.receipt
    proof = receipt["proof"]
    event = str(receipt["event"])
    other_note = sign_checkpoint(Checkpoint(ORIGIN, 300, bytes(32)), [KEY])
    billing_note = sign_checkpoint(Checkpoint("apudiaari/billing", 300, bytes(32)), [OTHER_KEY])
    cases: list[tuple[dict[str, object], dict[str, str]]] = [
        ({"signature": "A" * 86 + "=="}, {"signature": "bad_note"}),
        ({"key_id": OTHER_KEY.key_id}, {"signature": "bad_note"}),
        ({"key_id": "nobody+00000000"}, {"signature": "bad_note"}),
        ({"checkpoint": CASE.checkpoint.replace("\n300\n", "\n301\n")}, {"checkpoint": "bad_note"}),
        ({"checkpoint": other_note}, {"inclusion": "not_included"}),
        ({"checkpoint": billing_note}, {"inclusion": "wrong_log"}),
        ({"proof": {**proof, "index": 258}}, {"inclusion": "wrong_position"}),
        ({"proof": {**proof, "size": 299}}, {"inclusion": "size_differs"}),
        ({"proof": {**proof, "hashes": proof["hashes"][1:]}}, {"inclusion": "not_included"}),
        (
            {"event": event.replace('"kela"', '"vero"')},
            {"leaf": "leaf_differs", "inclusion": "not_included", "statement": "statement_differs"},
        ),
        (
            {"event": "{}"},
            {"leaf": "leaf_differs", "inclusion": "not_included", "statement": "event_unreadable"},
        ),
    ]
    for changed, expected in cases:
        assert failed({**receipt, **changed}) == expected, changed
    assert failed(receipt, DOCUMENT + b" ") == {"document": "document_differs"}


def test_even_the_service_cannot_sign_what_the_event_does_not_say():
    statement = strict_object(str(CASE.receipt["statement"]))
    document, clocks = dict(statement["document"]), dict(statement["clocks"])
    lies: list[tuple[dict[str, object], dict[str, str]]] = [
        ({"authority_id": "vero"}, {"statement": "statement_differs"}),
        ({"service_point_id": "piste-732-2"}, {"statement": "statement_differs"}),
        ({"delay_seconds": 149}, {"statement": "statement_differs"}),
        ({"late": {"reason": "other", "days": 1}}, {"statement": "statement_differs"}),
        ({"verdict": "in_time"}, {"statement": "statement_differs"}),
        ({"agreement": None}, {"statement": "statement_differs"}),
        ({"synthetic": 1}, {"statement": "statement_differs"}),
        ({"clocks": {**clocks, "occurred": "2026-11-24T08:15:00Z"}}, {"statement": "statement_differs"}),
        ({"clocks": {**clocks, "sealed": "2026-11-24T08:17:29Z"}}, {"statement": "clocks"}),
        ({"clocks": {**clocks, "arrived": "yesterday"}}, {"statement": "clocks"}),
        ({"document": {**document, "id": "x"}}, {"statement": "statement_differs"}),
        ({"document": {**document, "commitment_key": "00" * 32}}, {"document": "document_differs"}),
        ({"leaf": "00" * 32}, {"leaf": "leaf_differs", "statement": "statement_differs"}),
        ({"position": 261}, {"inclusion": "wrong_position", "statement": "statement_differs"}),
        (
            {"log": "apudiaari/billing"},
            {"signature": "wrong_signer", "inclusion": "wrong_log", "statement": "statement_differs"},
        ),
    ]
    for changed, expected in lies:
        assert failed(resigned(**changed)) == expected, changed
    assert failed(resigned(remark="anything more is signed too")) == {}


def test_unsigned_remarks_and_missing_fields_are_refused():
    for altered in ({**CASE.receipt, "remark": "x"}, {}, {"statement": "{}"}):
        assert failed(altered) == {"shape": "shape"}
    for key, value in (
        ("statement", 1), ("statement", "[]"), ("statement", "{"), ("event", ""), ("event", "\ud800"), ("proof", []),
        ("proof", {"index": True, "size": 300, "hashes": []}), ("proof", {"index": 1, "size": 3, "hashes": ["AB"]}),
    ):  # fmt: skip
        assert failed({**copy.deepcopy(CASE.receipt), key: value}) == {"shape": "shape"}, (key, value)
    for key in ("checkpoint", "key_id", "signature"):
        assert failed({**CASE.receipt, key: "\ud800"}), key


def test_nothing_is_signed_that_would_not_verify():
    with pytest.raises(Failed, match="statement_differs"):
        a_case(authority_id="vero")
    with pytest.raises(Failed, match="event_unreadable"):
        receipts.said_by(b'{"type":"fi.yhteispalvelu.diary.VisitRecorded.v1"}')
    with pytest.raises((Failed, BadNote)):
        statement = strict_object(str(CASE.receipt["statement"]))
        note = sign_checkpoint(Checkpoint(ORIGIN, 300, bytes(32)), [KEY])
        event = CASE.events[CASE.index]
        receipts.build_receipt(statement, event, CASE.index, 300, [], note, KEY.key_id, KEY.sign)


def test_a_manifest_or_note_cannot_be_passed_off_as_a_receipt():
    text = str(CASE.receipt["statement"])
    for signature in (
        receipts.sign_statement("manifest", text, KEY.sign),
        receipts.sign_statement("receipt", text, OTHER_KEY.sign),
    ):
        assert failed({**CASE.receipt, "signature": signature}) == {"signature": "bad_note"}
    assert COMMITMENT_KEY.hex() in text
