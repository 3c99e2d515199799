"""The bytes of a seal: a small CloudEvent that belongs to no stream and to no chain."""

from __future__ import annotations

import datetime as dt
from uuid import UUID, uuid5

from schemas.control import Sealed
from schemas.envelope import Envelope, encode

_SEALS = UUID("0d5f0a2e-7a83-5a41-8f6c-5f5b6a3b8f11")


def seal_bytes(service: str, position: int, root: bytes, recorded: dt.datetime) -> bytes:
    """The control record that seals the log of ``service`` up to ``position``; the same for the same log."""
    envelope = Envelope(
        uuid5(_SEALS, f"{service}\n{position}\n{root.hex()}"),
        f"/apudiaari/{service}",
        Sealed.TYPE,
        f"log:{service}",
        recorded,
        recorded,
        position,
        0,
    )
    return encode(envelope, Sealed(position=position, root=root.hex()))
