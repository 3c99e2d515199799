"""Topics: names, partitions, retention and owner, defined here once. Deploy, relay, projectors and tests read this."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

FOR_EVER = -1
THIRTEEN_MONTHS_MS = 400 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of the platform. ``retention_ms`` −1 keeps records for ever."""

    name: str
    owner: str
    partitions: int
    retention_ms: int
    replication: int = 3
    min_insync_replicas: int = 2


DIARY = Topic("apudiaari.diary.events", "diary", 12, FOR_EVER)
AGREEMENTS = Topic("apudiaari.agreements.events", "agreements", 1, FOR_EVER)
BILLING = Topic("apudiaari.billing.events", "billing", 1, FOR_EVER)
EVENT_TOPICS = {topic.owner: topic for topic in (DIARY, AGREEMENTS, BILLING)}
"""The topic of each service that has a log."""


@lru_cache(maxsize=4096)
def authority_topic(authority_id: str, service: str) -> Topic:
    """The topic of one authority's own copies from one service; an authority may read its own prefix only."""
    return Topic(f"apudiaari.authority.{authority_id}.{service}", service, 1, THIRTEEN_MONTHS_MS)


def authority_prefix(authority_id: str) -> str:
    """What an authority's ACL names. It ends in a dot, so that ``te`` does not read ``te-toimisto``."""
    return f"apudiaari.authority.{authority_id}."


@lru_cache(maxsize=16384)
def partition_of(key: str, partitions: int) -> int:
    """SHA-256(key) mod partitions: ours, not the client library's, and stored with the event."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest(), "big") % partitions
