"""Pseudonyms of those who record: only who holds the secret can tell who it is (design.md §3)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from functools import lru_cache

from services.chassis.access import Principal

_PURPOSE = b"staff-ref\x00"
_BYTES = 16


def staff_ref(secret: bytes, principal: Principal) -> str:
    """The same person at the same issuer always has the same pseudonym."""
    return _ref(secret, principal.issuer, principal.subject)


@lru_cache(maxsize=16384)
def _ref(secret: bytes, issuer: str, subject: str) -> str:
    digest = hmac.new(secret, _PURPOSE + f"{issuer}\n{subject}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:_BYTES]).decode().rstrip("=")
