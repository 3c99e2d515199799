"""The Polars twins of the upcasters, and the reading of a slice that may hold old events.

A twin turns the decoded data of one old type into the next type's form. An old version lives on only as its published
writer schema, from which its Polars schema and its checks are made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import polars as pl

from schemas import publish
from schemas.folded import as_text, decode, envelope, folded_types, struct_of, topic_schema
from schemas.shape import Node, from_json_schema
from schemas.suspects import Shapes, mask, shapes_of, suspects
from schemas.upcasters import UPCASTERS

Twin = Callable[[pl.Expr], pl.Expr]
"""From the old ``data`` to the new ``data``."""


def _visit_recorded_v0(data: pl.Expr) -> pl.Expr:
    visit = data.struct.field("visit")
    minutes = pl.element().struct.field("minutes").cast(pl.Int64, strict=False)
    acts = visit.struct.field("acts").list.eval(pl.element().struct.with_fields(minutes.alias("minutes")))
    newer = visit.struct.with_fields(pl.lit("point").alias("place"), acts.alias("acts"))
    return data.struct.with_fields(newer.alias("visit"))


TWINS: dict[str, Twin] = {"fi.yhteispalvelu.diary.VisitRecorded.v0": _visit_recorded_v0}


@cache
def old_types(area: str) -> tuple[str, ...]:
    """The types of a topic that must be made new while they are read."""
    return tuple(old for old in UPCASTERS if old.rpartition(".v")[0] in _names(area))


def _names(area: str) -> set[str]:
    return {name.rpartition(".v")[0] for name in folded_types(area)}


@cache
def old_shape(type_name: str) -> Node:
    """The shape of an old version, from its published writer schema."""
    return from_json_schema(publish.load(type_name, "writer"))


@cache
def old_shapes(type_name: str) -> Shapes:
    """The same as :mod:`schemas.suspects` wants it."""
    return shapes_of({type_name: old_shape(type_name)})


def read_slice(
    raw: Sequence[bytes] | pl.Series, area: str, schema: pl.Struct | None = None
) -> tuple[pl.DataFrame, pl.Series]:
    """The frame of a slice of the topic of ``area`` in the newest form, in order, and the mask of its suspects.

    schema: :func:`schemas.folded.topic_schema` of the area, perhaps pruned. One bad row raises ``PolarsError``: then
    the caller reads the slice one by one with :func:`schemas.upcasters.read`.
    """
    text, schema = as_text(raw), schema or topic_schema(area)
    is_old = _old_rows(text, area)
    if is_old is None:
        frame = decode(text, schema)
        return frame, suspects(text, frame, area)
    parts = [_newest(text, ~is_old, area, schema)]
    parts += [_made_new(text, is_old & _has_type(text, old), old, area, schema) for old in old_types(area)]
    whole = pl.concat(part for part in parts if part.height).sort("row")
    return whole.drop("row", "suspect"), whole["suspect"]


def _has_type(text: pl.Series, type_name: str) -> pl.Series:
    return text.str.contains(f'"type":"{type_name}"', literal=True)


def _old_rows(text: pl.Series, area: str) -> pl.Series | None:
    """Which rows are of an old type; None, the usual case, when none is."""
    found: pl.Series | None = None
    for old in old_types(area):
        rows = _has_type(text, old)
        found = rows if found is None else found | rows
    return found if found is not None and found.any() else None


def _newest(text: pl.Series, rows: pl.Series, area: str, schema: pl.Struct) -> pl.DataFrame:
    kept = text.filter(rows)
    frame = decode(kept, schema)
    return frame.with_columns(suspects(kept, frame, area), rows.arg_true().alias("row"))


def _made_new(text: pl.Series, rows: pl.Series, old: str, area: str, schema: pl.Struct) -> pl.DataFrame:
    """Old rows through each twin of the chain; suspect by the old schema or by the newest."""
    kept = text.filter(rows)
    frame = decode(kept, envelope(struct_of(old_shape(old))))
    doubtful = mask(kept, frame, old_shapes(old))
    name = old
    while name in UPCASTERS:
        frame = frame.with_columns(TWINS[name](pl.col("data")))
        name = UPCASTERS[name][0]
    data = next(part.dtype for part in schema.fields if part.name == "data")
    frame = frame.with_columns(pl.lit(name).alias("type"), pl.col("data").cast(data))
    frame = frame.select(part.name for part in schema.fields)
    doubtful |= suspects(kept, frame, area)
    return frame.with_columns(doubtful.alias("suspect"), rows.arg_true().alias("row"))
