"""The words of projections: what a service declares, and what may become of a record."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.base import EventData
from schemas.topics import Topic

Deltas = dict[str, pl.DataFrame]
"""What a fold wants written: rows per table. Additive, so that a record may be applied later, in any order."""


@dataclass(frozen=True, slots=True)
class Source:
    """A topic and the event types folded from it; every other known or unknown type is Ignored and counted.

    ``keep``: the only paths of ``data`` that are decoded (see :func:`schemas.folded.prune`); empty means all.
    """

    topic: Topic
    types: tuple[type[EventData], ...]
    keep: tuple[str, ...] = ()


async def _no_finish(connection: AsyncConnection, schema: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class ProjectionSpec:
    """A table set folded from topics.

    name: schema ``<name>_v<N>``, consumer group ``<name>.v<N>``.
    metadata: the tables of one version, given its schema name.
    fold: pure, vectorised; runs in a worker thread. See :mod:`services.chassis.projection.decode` for the frame.
    write: set-based, inside the projector's transaction.
    finish: run once by the owner when a rebuilt version has caught up, before it is compared (keys built late).
    on_poison: ``halt`` stops the partition at the record; ``park`` puts the record aside and goes on.
    compared: table → key columns, for the row by row comparison of two versions.
    counts: table → count columns; a row in which all of them are zero counts as absent.
    """

    name: str
    sources: tuple[Source, ...]
    metadata: Callable[[str], MetaData]
    fold: Callable[[str, pl.DataFrame], Deltas]
    write: Callable[[AsyncConnection, str, Deltas], Awaitable[None]]
    on_poison: Literal["halt", "park"]
    compared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    counts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    finish: Callable[[AsyncConnection, str], Awaitable[None]] = _no_finish

    def schema(self, version: int) -> str:
        """PostgreSQL schema of a version."""
        return f"{self.name}_v{version}"

    def group(self, version: int) -> str:
        """Kafka consumer group of a version."""
        return f"{self.name}.v{version}"

    def source(self, topic: str) -> Source:
        """The source of a topic name."""
        return next(source for source in self.sources if source.topic.name == topic)
