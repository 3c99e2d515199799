"""A second verifier of receipts, manifests and roots that shares no code with the services.

Written from the definitions, as slow and as plain as they are: RFC 9162's recursive tree, C2SP's text formats,
`cryptography` for the one thing that nobody should write again. The demonstration uses it as the outsider who does
not believe the service. It can also be copied to another machine and run alone:

    python evidence.py RECEIPT.json KEYS.json [DOCUMENT]
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
import sys
import zoneinfo
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Refused(Exception):
    """What was claimed is not so."""


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def split(count: int) -> int:
    """The largest power of two smaller than count."""
    k = 1
    while 2 * k < count:
        k *= 2
    return k


def tree_root(datas: list[bytes]) -> bytes:
    """RFC 9162 §2.1.1 over whole byte strings."""
    if not datas:
        return sha256(b"")
    if len(datas) == 1:
        return sha256(b"\x00" + datas[0])
    k = split(len(datas))
    return sha256(b"\x01" + tree_root(datas[:k]) + tree_root(datas[k:]))


def root_from_path(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """The root that an inclusion path claims, by the recursion that defines the path (§2.1.3.1)."""
    if size == 1:
        demand(not path, "the path is too long")
        return leaf
    demand(bool(path), "the path is too short")
    k = split(size)
    if index < k:
        return sha256(b"\x01" + root_from_path(index, k, leaf, path[:-1]) + path[-1])
    return sha256(b"\x01" + path[-1] + root_from_path(index - k, size - k, leaf, path[:-1]))


def demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Refused(otherwise)


def unbase64(text: str) -> bytes:
    """Base64 whose unused bits are zero, so that no letter of it can be altered unseen."""
    data = base64.b64decode(text, validate=True)
    demand(base64.b64encode(data).decode() == text, "base64 that is not canonical")
    return data


def unhex(text: str) -> bytes:
    """32 bytes in lower-case hexadecimal, which has one form."""
    data = bytes.fromhex(text)
    demand(data.hex() == text and len(data) == 32, "hexadecimal that is not canonical")
    return data


def check_signature(name_and_id: str, message: bytes, signature: bytes, keys: list[str], about: str) -> None:
    """One of the keys has that name and id, speaks for what the message is about, and made the signature."""
    for text in keys:
        name, key_id, encoded = text.split("+", 2)
        if f"{name}+{key_id}" == name_and_id:
            raw = unbase64(encoded)
            demand(sha256(name.encode() + b"\n" + raw)[:4].hex() == key_id, "the key list is malformed")
            demand(f"{about}/".startswith(f"{name}/"), f"{name} may not speak for {about}")
            try:
                Ed25519PublicKey.from_public_bytes(raw[1:]).verify(signature, message)
            except InvalidSignature:
                raise Refused("the signature is wrong") from None
            return
    raise Refused(f"{name_and_id} is not a known key")


def check_checkpoint(note: str, keys: list[str]) -> tuple[str, int, bytes]:
    """Origin, size and root of a checkpoint with exactly one signature."""
    text, _, line = note.partition("\n\n")
    origin, size, root = text.split("\n")
    dash, name, encoded = line.removesuffix("\n").split(" ")
    demand(dash == "—" and note == f"{text}\n\n{dash} {name} {encoded}\n", "the note is malformed")
    blob = unbase64(encoded)
    check_signature(f"{name}+{blob[:4].hex()}", f"{text}\n".encode(), blob[4:], keys, origin)
    return origin, int(size), unbase64(root)


def check_receipt(receipt: bytes, keys: list[str], document: bytes | None = None) -> dict[str, Any]:
    """The signed statement of a receipt file. Raises Refused."""
    try:
        return _check_receipt(json.loads(receipt), keys, document)
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Refused(f"the receipt is malformed: {error}") from error


def _check_receipt(receipt: dict[str, Any], keys: list[str], document: bytes | None) -> dict[str, Any]:
    text, event, proof = receipt["statement"], receipt["event"].encode(), receipt["proof"]
    statement: dict[str, Any] = json.loads(text)
    signature = unbase64(receipt["signature"])
    check_signature(receipt["key_id"], b"apudiaari receipt v1\n" + text.encode(), signature, keys, statement["log"])
    origin, size, root = check_checkpoint(receipt["checkpoint"], keys)
    leaf, path = sha256(b"\x00" + event), [unhex(node) for node in proof["hashes"]]
    demand(origin == statement["log"], "the checkpoint is of another log")
    demand(size == proof["size"] and 0 <= proof["index"] < size, "the proof is for another checkpoint")
    demand(proof["index"] + 1 == statement["position"], "the proof is for another position")
    demand(root_from_path(proof["index"], size, leaf, path) == root, "the event is not in the log")
    check_statement(statement, json.loads(event), leaf)
    if document is not None:
        key = unhex(statement["document"]["commitment_key"])
        made = hmac.new(key, document, hashlib.sha256).hexdigest()
        demand(made == statement["document"]["commitment"], "the receipt is about another document")
    return statement


def check_statement(statement: dict[str, Any], event: dict[str, Any], leaf: bytes) -> None:
    """The statement says what the event says."""
    data, coverage = event["data"], event["data"]["coverage"]
    document, clocks, agreement = statement["document"], statement["clocks"], statement["agreement"] or {}
    for said, happened in (
        (statement["leaf"], leaf.hex()),
        ("/" + statement["log"], event["source"]),
        (statement["event_id"], event["id"]),
        (str(statement["position"]), event["position"]),
        (clocks["occurred"], event["time"]),
        (clocks["recorded"], event["recordedtime"]),
        (document["id"], data["document_id"]),
        (document["kind"], data["kind"]),
        (document["mode"], data["mode"]),
        (document["commitment"], data["commitment"]),
        *((statement[key], data[key]) for key in ("authority_id", "service_point_id", "provider_id", "received")),
        *((statement[key], data.get(key)) for key in ("late", "verdict", "deadline", "stamp")),
        (statement["coverage"], coverage["status"]),
        (agreement.get("id"), coverage.get("agreement_id")),
        (agreement.get("version"), coverage.get("agreement_version")),
    ):
        demand(said == happened, f"the statement says {said!r}, the event {happened!r}")
    delay = moment(clocks["recorded"]) - moment(clocks["occurred"])
    demand(statement["delay_seconds"] == delay // datetime.timedelta(seconds=1), "the delay is wrong")


def moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def check_manifest(manifest: dict[str, Any], keys: list[str], copies: list[bytes]) -> dict[str, Any]:
    """The signed statement of a manifest, against *all* copies of the feed from sequence 1. Raises Refused."""
    text = manifest["statement"]
    statement: dict[str, Any] = json.loads(text)
    signature = unbase64(manifest["signature"])
    check_signature(manifest["key_id"], b"apudiaari manifest v1\n" + text.encode(), signature, keys, statement["feed"])
    for key in ("feed", "day", "first", "last", "count", "root"):
        demand(manifest[key] == statement[key], f"{key} is not what was signed")
    read = [json.loads(copy) for copy in copies]
    demand([copy["position"] for copy in read] == [str(n + 1) for n in range(len(read))], "a sequence is missing")
    demand(all(copy["source"] == f"/{statement['feed']}" for copy in read), "a copy is of another feed")
    days = [helsinki_day(copy["recordedtime"]) for copy in read]
    numbers = [n + 1 for n, day in enumerate(days) if day == statement["day"]]
    before = sum(day < statement["day"] for day in days)
    demand(numbers == list(range(statement["first"], statement["last"] + 1)), "the numbers of the day differ")
    demand(statement["count"] == len(numbers), "the count differs")
    demand(statement["first"] == before + 1, "the first number differs")
    demand(tree_root(copies[: statement["last"]]).hex() == statement["root"], "the root differs")
    return statement


def helsinki_day(recorded: str) -> str:
    return moment(recorded).astimezone(zoneinfo.ZoneInfo("Europe/Helsinki")).date().isoformat()


def main(arguments: list[str]) -> int:
    receipt, keys, *document = [Path(argument).read_bytes() for argument in arguments]
    try:
        statement = check_receipt(receipt, json.loads(keys)["keys"], document[0] if document else None)
    except Refused as error:
        print(f"refused: {error}")
        return 1
    print(json.dumps(statement, ensure_ascii=False, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
