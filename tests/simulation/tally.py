"""A small projection that cannot hide a mistake: how often each record was folded, and what the acts add up to.

It folds two topics of one relay, the diary's and an authority's own, so that their order against each other may be
anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.authority import AuthorityVisitCorrected, AuthorityVisitRecorded, AuthorityVisitVoided
from schemas.diary import VisitCorrected, VisitRecorded, VisitVoided
from schemas.topics import DIARY, authority_topic
from services.chassis.projection.model import Deltas, ProjectionSpec, Source
from services.chassis.projection.write import add_frame

KELA = authority_topic("kela", "diary")
SEEN, ACTS = ("topic", "position"), ("service_point_id", "authority_id")


def metadata(schema: str) -> sa.MetaData:
    """``seen``: times each record was folded; ``acts``: sums, corrections and voids taken in."""
    made = sa.MetaData(schema=schema)
    sa.Table(
        "seen",
        made,
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("times", sa.BigInteger, nullable=False),
    )
    sa.Table(
        "acts",
        made,
        sa.Column("service_point_id", sa.Text, primary_key=True),
        sa.Column("authority_id", sa.Text, primary_key=True),
        sa.Column("acts", sa.BigInteger, nullable=False),
        sa.Column("quantity", sa.BigInteger, nullable=False),
    )
    return made


def fold(topic: str, frame: pl.DataFrame) -> Deltas:
    """Once each record; of the diary's also the acts, with their sign."""
    seen = frame.select(pl.lit(topic).alias("topic"), "position", pl.lit(1, pl.Int64).alias("times"))
    if topic != DIARY.name:
        return {"seen": seen}
    parts = [_acts(frame, part, sign) for part, sign in (("visit", 1), ("after", 1), ("before", -1))]
    acts = pl.concat(parts).group_by(list(ACTS)).agg(pl.col("acts").sum(), pl.col("quantity").sum())
    return {"seen": seen, "acts": acts}


def _acts(frame: pl.DataFrame, part: str, sign: int) -> pl.DataFrame:
    act = pl.col("act").struct
    return (
        frame.select(
            pl.col("data").struct.field("service_point_id"),
            pl.col("data").struct.field(part).struct.field("acts").alias("act"),
        )
        .drop_nulls()
        .explode("act")
        .select(
            "service_point_id",
            act.field("authority_id"),
            pl.lit(sign, pl.Int64).alias("acts"),
            (act.field("quantity") * sign).cast(pl.Int64).alias("quantity"),
        )
    )


async def write(connection: AsyncConnection, schema: str, deltas: Deltas) -> None:
    """Add; a record folded twice shows as 2."""
    for table, key in (("seen", SEEN), ("acts", ACTS)):
        if table in deltas:
            await add_frame(connection, schema, table, deltas[table], key=key)


TALLY = ProjectionSpec(
    name="tally",
    sources=(
        Source(DIARY, (VisitRecorded, VisitCorrected, VisitVoided)),
        Source(KELA, (AuthorityVisitRecorded, AuthorityVisitCorrected, AuthorityVisitVoided)),
    ),
    metadata=metadata,
    fold=fold,
    write=write,
    on_poison="halt",
    compared={"seen": SEEN, "acts": ACTS},
    counts={"acts": ("acts", "quantity")},
)
DIARY_TALLY = replace(TALLY, sources=TALLY.sources[:1])
"""The same over the diary's topic alone."""


def naive_acts(events: Iterable[dict[str, Any]]) -> dict[tuple[str, str], tuple[int, int]]:
    """The acts of events (CloudEvents as dicts), one by one; sums of zero left out."""
    acts: Counter[tuple[str, str]] = Counter()
    quantity: Counter[tuple[str, str]] = Counter()
    for event in events:
        data = event["data"]
        for part, sign in (("visit", 1), ("after", 1), ("before", -1)):
            for act in (data.get(part) or {}).get("acts", ()):
                cell = data["service_point_id"], act["authority_id"]
                acts[cell] += sign
                quantity[cell] += sign * act["quantity"]
    return {cell: (acts[cell], quantity[cell]) for cell in acts if acts[cell] or quantity[cell]}
