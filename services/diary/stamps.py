"""Stamps: one key at the counter, and the server signs the moment; the details follow (design.md §8)."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from schemas.envelope import rfc3339
from services.chassis.db import Database
from services.chassis.errors import Conflict
from services.chassis.evidence.canonical import canonical_json
from services.chassis.evidence.signing import SigningKey, sign_statement
from services.diary import metrics, store

KIND = "stamp"


def statement(stamp_id: UUID, service_point_id: str, stamped_at: dt.datetime) -> str:
    """The text that is signed."""
    value = {"service_point_id": service_point_id, "stamp_id": str(stamp_id), "stamped_at": rfc3339(stamped_at)}
    return canonical_json(value).decode()


async def make(
    database: Database,
    signer: SigningKey,
    stamp_id: UUID,
    service_point_id: str,
    recorder: str,
    now: dt.datetime,
) -> tuple[dict[str, Any], bool]:
    """Sign and keep a moment; the same id again gives the same stamp, and True. Raises Conflict ``id_reused``."""
    text = statement(stamp_id, service_point_id, now)
    async with database.transaction() as connection:
        made = await store.put_stamp(
            connection,
            {
                "stamp_id": stamp_id,
                "service_point_id": service_point_id,
                "recorder": recorder,
                "stamped_at": now,
                "key_id": signer.key_id,
                "signature": sign_statement(KIND, text, signer.sign),
            },
        )
        kept = (await store.stamps(connection, [stamp_id]))[0]
    if (kept.service_point_id, kept.recorder) != (service_point_id, recorder):
        raise Conflict("id_reused", "This id was used for another stamp. Make a new id.", pointer="/id")
    if made:
        metrics.STAMPS.inc()
    return shown(kept), not made


def shown(kept: Any) -> dict[str, Any]:
    """A stamp as it is shown: its text is the statement that was signed."""
    stamped_at = kept.stamped_at.astimezone(dt.UTC)
    return {
        "stamp_id": str(kept.stamp_id),
        "stamped_at": rfc3339(stamped_at),
        "key_id": kept.key_id,
        "signature": kept.signature,
        "statement": statement(kept.stamp_id, kept.service_point_id, stamped_at),
    }
