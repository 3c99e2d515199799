"""The receipt of a document: a signed statement, the event it speaks of, and the proof that the log holds it.

A receipt file is one JSON object of six fields:

    statement   the statement as the exact text that was signed (itself canonical JSON)
    event       the exact bytes of the event, as text
    proof       {"index", "size", "hashes"}: the event's place in the log and the RFC 9162 path, in hexadecimal
    checkpoint  the C2SP signed note of the log's head at that size
    key_id      who signed the statement
    signature   Ed25519 over "apudiaari receipt v1\\n" ‖ statement, in base64

Statement and event are text inside JSON, so nothing is ever serialised again to be verified, and every byte is
under the signature, under the leaf hash, or under the checkpoint. Unknown fields are refused at this level: an
unsigned remark must not ride along. The statement repeats what the event says in the words a reader needs (`said_by`)
and adds what only the issuer knows: the key of the commitment, the hash of the agreement, the later clocks.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

from services.chassis.evidence.canonical import BadJson, canonical_json, strict_object
from services.chassis.evidence.checks import (
    Check,
    Failed,
    Verification,
    all_left_out,
    exact_keys,
    hash_field,
    hash_list,
    int_field,
    object_field,
    run_check,
    text_field,
)
from services.chassis.evidence.commitment import opens
from services.chassis.evidence.merkle import leaf_hash
from services.chassis.evidence.proofs import verify_inclusion
from services.chassis.evidence.signing import (
    Checkpoint,
    PublicKey,
    Sign,
    parse_checkpoint,
    sign_statement,
    split_note,
    verify_checkpoint,
    verify_statement,
)

KIND = "receipt"
TYPE = "fi.yhteispalvelu.receipt.v1"
CHECKS = ("shape", "signature", "checkpoint", "leaf", "inclusion", "statement", "document")
OVER = ("file", "paper_form")

_EVENT_TYPE = "fi.yhteispalvelu.diary.DocumentReceived.v"
_FIELDS = frozenset({"statement", "event", "proof", "checkpoint", "key_id", "signature"})
_PROOF_FIELDS = frozenset({"index", "size", "hashes"})


def receipt_statement(
    event: bytes,
    *,
    commitment_key: bytes,
    over: str,
    agreement_hash: str | None,
    sealed: str | None,
    arrived: str | None,
    facts: Mapping[str, object],
    synthetic: bool,
) -> dict[str, object]:
    """The statement about a DocumentReceived event.

    `over` is what the commitment was made over: the `file`, or the `paper_form` that describes the paper.
    `agreement_hash` is the leaf of the agreement version that the counter knew. `sealed` and `arrived` are RFC 3339
    times, or None while unknown. `facts` are further facts in canonical JSON types; the verdict is the event's own.
    Raises Failed if the event is not such an event.
    """
    if over not in OVER:
        raise Failed("shape", f"over is one of {OVER}")
    said = said_by(event)
    document = {**_mapping(said["document"]), "commitment_key": commitment_key.hex(), "over": over}
    clocks = {**_mapping(said["clocks"]), "sealed": sealed, "arrived": arrived}
    agreement = said["agreement"] and {**_mapping(said["agreement"]), "hash": agreement_hash}
    own = {"type": TYPE, "facts": dict(facts), "synthetic": synthetic}
    return {**said, **own, "document": document, "clocks": clocks, "agreement": agreement}


def said_by(event: bytes) -> dict[str, object]:
    """The part of a statement that its event determines. Raises Failed if it is not a received document."""
    try:
        envelope = strict_object(event)
        return _said(envelope, leaf_hash(event).hex())
    except (BadJson, KeyError, TypeError, ValueError, OverflowError) as error:
        raise Failed("event_unreadable", f"{type(error).__name__}: {error}"[:200]) from error


def _said(envelope: Mapping[str, object], leaf: str) -> dict[str, object]:
    if not text_field(envelope, "type").startswith(_EVENT_TYPE):
        raise ValueError(f"{envelope['type']} is not a received document")
    data, coverage = _mapping(envelope["data"]), _mapping(_mapping(envelope["data"])["coverage"])
    occurred, recorded = text_field(envelope, "time"), text_field(envelope, "recordedtime")
    known = coverage.get("agreement_id") is not None
    return {
        "log": text_field(envelope, "source").removeprefix("/"),
        "event_id": envelope["id"],
        "position": int(text_field(envelope, "position")),
        "leaf": leaf,
        "authority_id": data["authority_id"],
        "service_point_id": data["service_point_id"],
        "provider_id": data["provider_id"],
        "document": {
            "id": data["document_id"],
            "kind": data["kind"],
            "mode": data["mode"],
            "commitment": hash_field(data, "commitment").hex(),
        },
        "received": data["received"],
        "stamp": data.get("stamp"),
        "deadline": data.get("deadline"),
        "clocks": {"occurred": occurred, "recorded": recorded},
        "late": data.get("late"),
        "delay_seconds": (_time(recorded) - _time(occurred)) // dt.timedelta(seconds=1),
        "coverage": coverage["status"],
        "agreement": {"id": coverage["agreement_id"], "version": coverage["agreement_version"]} if known else None,
        "verdict": data.get("verdict"),
    }


def build_receipt(
    statement: Mapping[str, object],
    event: bytes,
    index: int,
    size: int,
    proof: Sequence[bytes],
    checkpoint_note: str,
    key_id: str,
    sign: Sign,
) -> dict[str, object]:
    """The receipt, signed. Raises Failed rather than sign what would not verify."""
    checkpoint = parse_checkpoint(split_note(checkpoint_note)[0])
    _check_inclusion(statement, event, index, size, proof, checkpoint)
    _check_statement(statement, event)
    text = canonical_json(statement).decode()
    return {
        "statement": text,
        "event": event.decode(),
        "proof": {"index": index, "size": size, "hashes": [node.hex() for node in proof]},
        "checkpoint": checkpoint_note,
        "key_id": key_id,
        "signature": sign_statement(KIND, text, sign),
    }


def verify_receipt(
    receipt: Mapping[str, object], public_keys: Iterable[PublicKey], document: bytes | None = None
) -> Verification:
    """Check everything that a receipt claims, offline. Without the document its commitment is not opened.

    Never raises for a bad receipt; each check says why it failed. `statement` is given only when the signature holds.
    """
    keys = tuple(public_keys)
    try:
        statement, event, (index, size, proof) = _read(receipt)
    except (Failed, BadJson) as error:
        return all_left_out(CHECKS, "shape", error if isinstance(error, Failed) else Failed("shape", str(error)))
    head: list[Checkpoint] = []
    checks = [
        Check("shape", "ok"),
        run_check("signature", lambda: _check_signature(receipt, statement, keys)),
        run_check("checkpoint", lambda: head.append(verify_checkpoint(str(receipt["checkpoint"]), keys))),
        run_check("leaf", lambda: _check_leaf(statement, event)),
        run_check("inclusion", lambda: _check_inclusion(statement, event, index, size, proof, head[0]))
        if head
        else Check("inclusion", "not_checked", "not_reached"),
        run_check("statement", lambda: _check_statement(statement, event)),
        run_check("document", lambda: _check_document(statement, document or b""))
        if document is not None
        else Check("document", "not_checked", "no_document"),
    ]
    return Verification(tuple(checks), statement if checks[1].status == "ok" else None)


def _read(receipt: Mapping[str, object]) -> tuple[dict[str, object], bytes, tuple[int, int, list[bytes]]]:
    exact_keys(receipt, _FIELDS, "receipt")
    for key in ("checkpoint", "key_id", "signature"):
        text_field(receipt, key)
    proof = object_field(receipt, "proof")
    exact_keys(proof, _PROOF_FIELDS, "proof")
    place = int_field(proof, "index"), int_field(proof, "size"), hash_list(proof["hashes"], "hashes")
    try:
        event = text_field(receipt, "event").encode()
    except UnicodeEncodeError as error:
        raise Failed("shape", "event is not Unicode") from error
    return strict_object(text_field(receipt, "statement")), event, place


def _check_signature(receipt: Mapping[str, object], statement: Mapping[str, object], keys: Sequence[PublicKey]) -> None:
    signer = verify_statement(KIND, str(receipt["statement"]), str(receipt["key_id"]), str(receipt["signature"]), keys)
    if not signer.speaks_for(text_field(statement, "log")):
        raise Failed("wrong_signer", f"{signer.key_id} may not speak for {statement['log']}")


def _check_leaf(statement: Mapping[str, object], event: bytes) -> None:
    if hash_field(statement, "leaf") != leaf_hash(event):
        raise Failed("leaf_differs")


def _check_inclusion(
    statement: Mapping[str, object],
    event: bytes,
    index: int,
    size: int,
    proof: Sequence[bytes],
    head: Checkpoint,
) -> None:
    """The event is in the log that the statement names, at the position that it names."""
    if statement.get("log") != head.origin:
        raise Failed("wrong_log", f"{statement.get('log')}, {head.origin}")
    if statement.get("position") != index + 1:
        raise Failed("wrong_position", f"{statement.get('position')}, {index + 1}")
    if size != head.size:
        raise Failed("size_differs", f"{size}, {head.size}")
    if not verify_inclusion(leaf_hash(event), index, size, proof, head.root):
        raise Failed("not_included")


def _check_statement(statement: Mapping[str, object], event: bytes) -> None:
    """Whatever the event determines, the statement must say."""
    differing = _differences(said_by(event), statement, "")
    if differing:
        raise Failed("statement_differs", ", ".join(differing)[:300])
    if statement.get("type") != TYPE or not isinstance(statement.get("synthetic"), bool):
        raise Failed("statement_differs", "/type, /synthetic")
    _check_clocks(object_field(statement, "clocks"))


def _check_clocks(clocks: Mapping[str, object]) -> None:
    """Nothing can be sealed before it was recorded; every clock given is a time with an offset."""
    try:
        times = {name: _time(value) for name, value in clocks.items() if value is not None}
        if "sealed" in times and times["sealed"] < times["recorded"]:
            raise Failed("clocks", f"{clocks['sealed']} < {clocks['recorded']}")
    except (TypeError, ValueError, KeyError) as error:
        raise error if isinstance(error, Failed) else Failed("clocks", str(error)) from error


def _check_document(statement: Mapping[str, object], document: bytes) -> None:
    stated = object_field(statement, "document")
    if not opens(hash_field(stated, "commitment").hex(), hash_field(stated, "commitment_key"), document):
        raise Failed("document_differs")


def _differences(expected: object, stated: object, path: str) -> list[str]:
    """JSON Pointers at which the statement does not say what the event says; it may say more."""
    if isinstance(expected, Mapping) and isinstance(stated, Mapping):
        missing = object()
        parts = (_differences(expected[key], stated.get(key, missing), f"{path}/{key}") for key in expected)
        return [pointer for part in parts for pointer in part]
    return [] if type(expected) is type(stated) and expected == stated else [path or "/"]


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError("an object is missing")
    return value


def _time(text: object) -> dt.datetime:
    """An RFC 3339 time. Raises TypeError or ValueError."""
    time = dt.datetime.fromisoformat(text)  # type: ignore[arg-type]  # TypeError is an answer here.
    if time.tzinfo is None:
        raise ValueError(f"{text} has no offset")
    return time
