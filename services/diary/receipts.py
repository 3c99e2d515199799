"""The signed receipt of a received document (design.md §8), made anew each time and always the same (R23).

It is the same because nothing in it moves: the event's bytes, the first checkpoint that covered it, the sealed key and
description, and Ed25519, which signs the same text the same way.
"""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from schemas.diary import DocumentReceived
from schemas.envelope import decode, rfc3339
from services.chassis import access
from services.chassis.access import Action, Principal, Resource
from services.chassis.db import Database
from services.chassis.errors import ApudiaariError
from services.chassis.evidence.canonical import strict_object
from services.chassis.evidence.commitment import open_sealed
from services.chassis.evidence.receipt import build_receipt, receipt_statement
from services.chassis.evidence.signing import SigningKey
from services.chassis.log import proofs
from services.diary import metrics, stamps, store
from services.diary.handlers import sealed_place

ORIGIN = "apudiaari/diary"
Receipt = dict[str, Any]


async def receipt_of(
    database: Database, signer: SigningKey, principal: Principal, document_id: UUID, *, synthetic: bool
) -> Receipt:
    """The receipt, for whom it concerns. Raises 404 for anybody else and for no such document, 410 once erased."""
    async with database.reading() as connection:
        row = await store.received_event(connection, document_id)
        received = DocumentReceived.model_validate(decode(row.body).data) if row else None
        _require(principal, received)
        assert received is not None
        kept = await store.sealed_document(connection, document_id)
        stamp_ids = [received.stamp.stamp_id] if received.stamp else []
        stamp = next(iter(await store.stamps(connection, stamp_ids)), None)
    if kept is None or kept.key is None:
        raise ApudiaariError("erased", "The key of this document has been destroyed; its receipt cannot be made.", 410)
    private = strict_object(open_sealed(kept.key, kept.sealed, sealed_place(document_id)))
    checkpoint = await proofs.covering_checkpoint(database, ORIGIN, row.position, signer)
    assert checkpoint is not None, "an event that was read is within the log"
    async with database.reading() as connection:
        path = await proofs.inclusion(connection, row.position - 1, checkpoint.size)
    statement = receipt_statement(
        row.body,
        commitment_key=bytes.fromhex(str(private["key"])),
        over=str(private["over"]),
        agreement_hash=None,
        sealed=rfc3339(checkpoint.signed.astimezone(dt.UTC)),
        arrived=None,
        facts=_facts(private, stamp),
        synthetic=synthetic,
    )
    metrics.RECEIPTS.inc()
    return build_receipt(
        statement, row.body, row.position - 1, checkpoint.size, path, checkpoint.note, signer.key_id, signer.sign
    )


def _require(principal: Principal, received: DocumentReceived | None) -> None:
    """A document that is not there and one that is another's look the same."""
    if received is None:
        raise access.refusal(principal, secret=True)
    resource = Resource(frozenset({received.authority_id}), received.provider_id, received.service_point_id)
    access.require(principal, Action.READ_RECEIPT, resource)


def _facts(private: dict[str, object], stamp: Any) -> dict[str, object]:
    """What a reader needs beside the event: the description committed to, and how the time of arrival is known."""
    facts: dict[str, object] = {"paper": private["form"]}
    if stamp is None:
        return {**facts, "time_known_by": "adviser_statement"}
    made = stamps.shown(stamp)
    signed = {name: made[name] for name in ("statement", "key_id", "signature")}
    return {**facts, "time_known_by": "stamp", "stamp_signature": signed}
