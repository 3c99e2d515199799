"""One question, one answer: checked against the register and the asker's reach, planned, and run in one snapshot."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import Counter, Histogram
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.chassis.access import Limit
from services.chassis.db import sqlstate
from services.chassis.errors import Unavailable
from services.chassis.projection import TopicPosition, registry
from services.statistics import store
from services.statistics.domain import MAX_CELLS, Part, Question, check_reach, plan
from services.statistics.projection import NAME

SECONDS = Histogram(
    "apudiaari_statistics_question_seconds",
    "Time to answer a question, by the cubes it was read from",
    ["cubes"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 5),
)
CELLS = Counter("apudiaari_statistics_cells", "Cells given in answers")
QUERY_CANCELED = "57014"
EVERYTHING = (Limit(),)


@dataclass(frozen=True, slots=True)
class Ground:
    """What all questions of one snapshot stand on: the version that is read, its sizes, and where it stands."""

    connection: AsyncConnection
    schema: str
    sizes: Mapping[str, int]
    positions: Mapping[str, TopicPosition]


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, and the cubes it was read from."""

    answer: store.Answer
    parts: tuple[Part, ...]


async def ground(connection: AsyncConnection) -> Ground:
    """Take up the version that is read, in the snapshot of ``connection``."""
    await store.prepare(connection)
    schema = await registry.active_schema(connection, NAME)
    return Ground(connection, schema, await store.sizes(connection, schema), await registry.positions(connection, NAME))


async def ask(
    on: Ground,
    question: Question,
    limits: Sequence[Limit],
    *,
    after: str | None = None,
    limit: int | None = None,
) -> Answered:
    """Check, plan and answer. ``limit`` counts rows and is cut to what 10,000 cells hold."""
    check_reach(question, limits)
    await store.check_registered(on.connection, on.schema, question)
    parts = plan(question, limits, store.by_size(on.sizes))
    most = MAX_CELLS // (len(question.by) + len(question.measures))
    began = time.perf_counter()
    try:
        answer = await store.ask(
            on.connection, on.schema, question, parts, limits, after=after, limit=min(limit or most, most)
        )
    except DBAPIError as error:
        if sqlstate(error) == QUERY_CANCELED:
            detail = "The question took too long and was given up. Ask for a shorter period or fewer dimensions."
            raise Unavailable("question_too_large", detail) from error
        raise
    SECONDS.labels("+".join(sorted(part.cube for part in parts))).observe(time.perf_counter() - began)
    CELLS.inc(len(answer.rows) * len(question.measures))
    return Answered(answer, parts)
