"""Fixed Polars schemas for the vectorised fold, made from the event models.

``json_decode`` is fast and decodes some things silently wrong: 1.5 becomes 1, 5 becomes "5", "a" for a list becomes
["a"]; a missing value, an integer beyond 64 bits and an impossible date become null. (Other mismatches raise, and fail
their whole slice.) So times, dates and ids stay strings, and :mod:`schemas.suspects` names every row in which that may
have happened. The reader model alone decides what a suspect is. A repeated key in one object is the one difference
nobody sees (Polars keeps the first, the reader the last); no writer of ours can make one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import polars as pl
from pydantic import BaseModel

from schemas import catalogue, control
from schemas.base import EventData
from schemas.registry import NAMESPACE
from schemas.shape import Node, shape, walk

SLICE_EVENTS = 2_000
ATTRIBUTES = (
    "id", "source", "type", "subject", "time", "recordedtime", "position", "streamversion", "places",
)  # fmt: skip
"""Envelope attributes a fold sees, all strings as they stand in the bytes."""


class Check(NamedTuple):
    """One thing the reader refuses.

    ``kind``: ``required``, ``ge``, ``le``, ``pattern``, ``min_length``, ``max_length``, ``min_items``, ``max_items``,
    or ``format`` with the bound ``uuid``, ``moment`` or ``date``.
    """

    path: str
    kind: str
    bound: int | str | None


def polars_schema(model: type[BaseModel]) -> pl.Struct:
    """The struct of a model's data. Maps (``items`` of an agreement) are left out: no fold reads them."""
    return struct_of(shape(model))


def struct_of(node: Node) -> pl.Struct:
    """The struct of an object's shape."""
    return pl.Struct({name: _dtype(child) for name, child in node.fields.items() if child.kind != "map"})


def _dtype(node: Node) -> pl.DataType:
    if node.kind == "object":
        return struct_of(node)
    if node.kind == "array":
        assert node.item is not None
        return pl.List(_dtype(node.item))
    return {"string": pl.String(), "integer": pl.Int64(), "boolean": pl.Boolean()}[node.kind]


def union(structs: Iterable[pl.Struct]) -> pl.Struct:
    """One struct with the fields of all; raises TypeError where two disagree on a field's type."""
    merged: dict[str, pl.DataType] = {}
    for struct in structs:
        for part in struct.fields:
            dtype = part.dtype
            assert isinstance(dtype, pl.DataType)
            merged[part.name] = _merge(part.name, merged[part.name], dtype) if part.name in merged else dtype
    return pl.Struct(merged)


def _merge(name: str, left: pl.DataType, right: pl.DataType) -> pl.DataType:
    if isinstance(left, pl.Struct) and isinstance(right, pl.Struct):
        return union((left, right))
    if isinstance(left, pl.List) and isinstance(right, pl.List):
        assert isinstance(left.inner, pl.DataType) and isinstance(right.inner, pl.DataType)
        return pl.List(_merge(name, left.inner, right.inner))
    if left != right:
        raise TypeError(f"field {name} is {left} in one event type and {right} in another of the same topic")
    return left


def prune(struct: pl.Struct, keep: Iterable[str]) -> pl.Struct:
    """Only the paths of ``keep`` (with all below them): a fold that decodes less is faster.

    >>> prune(polars_schema(VisitRecorded), ["service_point_id", "visit.acts[].authority_id"])
    """
    wanted: dict[str, list[str]] = {}
    for path in keep:
        head, _, rest = path.partition(".")
        wanted.setdefault(head.removesuffix("[]"), []).append(rest)
    kept = {part.name: part.dtype for part in struct.fields if part.name in wanted}
    if missing := wanted.keys() - kept.keys():
        raise KeyError(f"no such field: {', '.join(sorted(missing))}")
    return pl.Struct({name: _pruned(dtype, wanted[name]) for name, dtype in kept.items()})


def _pruned(dtype: object, rests: list[str]) -> pl.DataType:
    assert isinstance(dtype, pl.DataType)
    if "" in rests:
        return dtype
    if isinstance(dtype, pl.List):
        return pl.List(_pruned(dtype.inner, rests))
    assert isinstance(dtype, pl.Struct), f"nothing lies below a {dtype}"
    return prune(dtype, rests)


def envelope(data: pl.Struct) -> pl.Struct:
    """The struct of a whole event with ``data``."""
    return pl.Struct({**dict.fromkeys(ATTRIBUTES, pl.String()), "data": data})


@cache
def folded_types(area: str) -> Mapping[str, type[EventData]]:
    """Every type on the topic of ``area`` (a service, or ``authority.<service>``), seals included."""
    prefix = f"{NAMESPACE}.{area}."
    types = {
        name: model
        for name, model in catalogue.types().items()
        if name.startswith(prefix) and name.removeprefix(prefix).count(".") == 1
    }
    return {**types, control.Sealed.TYPE: control.Sealed}


@cache
def topic_schema(area: str) -> pl.Struct:
    """The envelope of the topic of ``area``: ``data`` is the union of its types' fields, absent ones null."""
    return envelope(union(polars_schema(model) for model in folded_types(area).values()))


ENVELOPES: Mapping[str, pl.Struct] = {area: topic_schema(area) for area in ("diary", "agreements", "billing")}


def as_text(raw: Sequence[bytes] | pl.Series) -> pl.Series:
    """The records as one string column, to be made once and passed on.

    Bytes that are no UTF-8 become null, which is a suspect.
    """
    if isinstance(raw, pl.Series):
        return raw
    try:
        return pl.Series("raw", raw, dtype=pl.Binary).cast(pl.String)
    except pl.exceptions.ComputeError:
        return pl.Series("raw", [_utf8(one) for one in raw], dtype=pl.String)


def _utf8(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def decode(raw: Sequence[bytes] | pl.Series, schema: pl.Struct) -> pl.DataFrame:
    """A frame of the columns of ``schema``, ``data`` a struct. One bad row raises ``polars.exceptions.PolarsError``."""
    decoded = as_text(raw).str.json_decode(schema)
    if len(decoded) != len(raw):
        raise pl.exceptions.ComputeError(f"{len(raw)} records decoded to {len(decoded)} rows")
    return decoded.struct.unnest()


@cache
def required_paths(model: type[BaseModel]) -> tuple[str, ...]:
    """Paths that are never null where their parent is there.

    A field with a default other than null is among them: its absence is lawful, and only the reader knows the
    default, so such a row is a suspect.
    """
    return tuple(path for path, node in _columns(model) if not node.nullable)


def _columns(model: type[BaseModel]) -> Iterator[tuple[str, Node]]:
    """The values that a frame has: maps and what is in them are left out."""
    return ((path, node) for path, node in walk(shape(model)) if node.kind != "map" and "{}" not in path)


@cache
def checks(model: type[BaseModel]) -> tuple[Check, ...]:
    """Everything the reader checks in a value, by path."""
    found: list[Check] = []
    for path, node in _columns(model):
        if not node.nullable:
            found.append(Check(path, "required", None))
        found += [Check(path, kind, bound) for kind, bound in node.bounds.items()]
        if node.format:
            found.append(Check(path, "format", node.format))
    return tuple(found)
