"""A small log with one received document in it, its receipt, and a feed over three days, made with real events."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from schemas.diary import Coverage, DocumentReceived, Late, Received
from schemas.envelope import Envelope, encode
from services.chassis.evidence import commitment, manifest, merkle, proofs, receipt, signing

ORIGIN = "apudiaari/diary"
FEED = "apudiaari/diary/authority/kela"
DOCUMENT = "Hakemus: äitiysraha\n".encode() * 20
COMMITMENT_KEY = bytes(range(32))
KEY = signing.SigningKey(ORIGIN, signing.Ed25519PrivateKey.from_private_bytes(b"\x07" * 32))
OTHER_KEY = signing.SigningKey("apudiaari/billing", signing.Ed25519PrivateKey.from_private_bytes(b"\x08" * 32))
HELSINKI = dt.timezone(dt.timedelta(hours=2))
OCCURRED = dt.datetime(2026, 11, 24, 10, 15, tzinfo=HELSINKI)
RECORDED = dt.datetime(2026, 11, 24, 8, 17, 30, 250, tzinfo=dt.UTC)
AGREEMENT = UUID(int=77)


@dataclass(frozen=True, slots=True)
class Case:
    """A receipt and what it was made from."""

    events: list[bytes]
    index: int
    receipt: dict[str, object]
    checkpoint: str


def received_event(position: int, *, late: Late | None = None, covered: bool = True) -> bytes:
    status = ("in_force", AGREEMENT, 3) if covered else ("none", None, None)
    data = DocumentReceived(
        document_id=UUID(int=1),
        service_point_id="piste-732-1",
        provider_id="kunta-732",
        authority_id="kela",
        visit_id=UUID(int=2),
        act_no=1,
        recorder="staff_0001",
        kind="application",
        mode="handed_over",
        received=Received(earliest=OCCURRED, latest=OCCURRED),
        service_day=OCCURRED.date(),
        late=late,
        commitment=commitment.commit(COMMITMENT_KEY, DOCUMENT),
        coverage=Coverage(
            status=status[0], agreement_id=status[1], agreement_version=status[2], agreements_position=41
        ),
    )
    head = Envelope(
        UUID(int=position), f"/{ORIGIN}", data.TYPE, "document:1", OCCURRED, RECORDED, position, 1, (("kela", 4),)
    )
    return encode(head, data)


def a_case(
    size: int = 300, index: int = 259, *, late: Late | None = None, covered: bool = True, **changed: object
) -> Case:
    """A log of `size` events with the document at `index`; `changed` goes into the statement."""
    events = [f'{{"position":"{n + 1}"}}'.encode() for n in range(size)]
    events[index] = received_event(index + 1, late=late, covered=covered)
    leaves = merkle.leaf_hashes(events)
    grown = merkle.Frontier().extend(leaves)
    stored = {(0, n): leaf for n, leaf in enumerate(leaves)}
    stored |= {(node.level, node.index): node.hash for node in grown.completed}
    proof = proofs.inclusion_proof(index, size, proofs.reader_over(stored))
    note = signing.sign_checkpoint(signing.Checkpoint(ORIGIN, size, grown.frontier.root()), [KEY])
    statement = receipt.receipt_statement(
        events[index],
        commitment_key=COMMITMENT_KEY,
        over="file",
        agreement_hash="ab" * 32 if covered else None,
        sealed="2026-11-24T08:17:31.000000Z",
        arrived=None,
        facts={"pages": 2, "language": "fi"},
        synthetic=True,
    )
    made = receipt.build_receipt(
        {**statement, **changed}, events[index], index, size, proof, note, KEY.key_id, KEY.sign
    )
    return Case(events, index, made, note)


def feed_copy(sequence: int, recorded: str, source: str = f"/{FEED}") -> bytes:
    return (
        f'{{"specversion":"1.0","id":"{UUID(int=sequence)}","source":"{source}",'
        f'"recordedtime":"{recorded}","position":"{sequence}","data":{{}}}}'
    ).encode()


DAYS: dict[dt.date, list[bytes]] = {
    # The first of these is 23 November in UTC and the 24th in Helsinki.
    dt.date(2026, 11, 24): [
        feed_copy(1, "2026-11-23T22:00:00.000000Z"),
        *(feed_copy(n, f"2026-11-24T0{n}:00:00.000000Z") for n in range(2, 8)),
    ],
    dt.date(2026, 11, 25): [],
    dt.date(2026, 11, 26): [feed_copy(n, f"2026-11-26T08:00:0{n - 8}.000000Z") for n in range(8, 13)],
}


def manifests() -> dict[dt.date, dict[str, object]]:
    """The manifest of each of `DAYS`."""
    made, before = {}, merkle.Frontier()
    for day, copies in DAYS.items():
        after = before.extend(merkle.leaf_hashes(copies)).frontier
        made[day] = manifest.build_manifest(FEED, day, before, after, KEY.key_id, KEY.sign)
        before = after
    return made
